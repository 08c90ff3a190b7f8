use std::time::Duration;

use super::*;
use crate::known_clients::tests::known_connection;

#[test]
fn the_oldest_open_request_decides() {
    let limits = Arc::new(Limits::default());
    let start = Instant::now();
    let exchanges = Exchanges::new(Arc::clone(&limits), start);
    assert_eq!(
        exchanges.deadline(),
        (start + limits.first_request, Overdue::NoRequest)
    );

    let first = exchanges.begin(start + Duration::from_secs(1), Version::HTTP_11);
    let second = exchanges.begin(start + Duration::from_secs(2), Version::HTTP_11);
    let stalled = |seconds| {
        (
            start + Duration::from_secs(seconds) + limits.exchange,
            Overdue::Stalled,
        )
    };
    assert_eq!(exchanges.deadline(), stalled(1));
    drop(first);
    assert_eq!(exchanges.deadline(), stalled(2));
    drop(second);
    assert_eq!(exchanges.deadline().1, Overdue::Idle);
}

#[test]
fn a_connection_gives_way_when_it_waits_for_its_client() {
    let start = Instant::now();
    let gives_way = |exchanges: &Exchanges| Some(exchanges.waiting(Instant::now())?.gives_way);
    let exchanges = Exchanges::new(Arc::default(), start);
    assert_eq!(gives_way(&exchanges), Some(start + GRACE));
    let half_sent = exchanges.begin(start, Version::HTTP_2);
    assert_eq!(
        gives_way(&exchanges),
        Some(start + GRACE),
        "half a request is no work"
    );
    let whole = exchanges.begin(start, Version::HTTP_2);
    whole.id().working(true);
    assert_eq!(gives_way(&exchanges), None);
    whole.id().working(false);
    let answered = gives_way(&exchanges).unwrap();
    assert!(answered > start + GRACE);
    drop(whole);
    assert_eq!(
        gives_way(&exchanges),
        Some(answered),
        "an answer taken is no work"
    );
    drop(half_sent);
    assert_eq!(
        gives_way(&exchanges),
        Some(answered),
        "the next request may be on its way"
    );
    let later = Instant::now() + QUIET;
    let waiting = exchanges.waiting(later).unwrap();
    assert_eq!(waiting.gives_way, answered - GRACE);
}

#[test]
fn a_connection_of_a_known_client_gives_way_to_nobody() {
    let exchanges = Exchanges::new(Arc::default(), Instant::now());
    assert!(exchanges.waiting(Instant::now()).is_some());
    exchanges.belong_to(known_connection());
    assert!(exchanges.waiting(Instant::now()).is_none());
}

#[test]
fn a_connection_is_new_and_waits_since_its_first_answer_until_that_is_over() {
    let start = Instant::now();
    let exchanges = Exchanges::new(Arc::default(), start);
    let waiting = || exchanges.waiting(Instant::now()).unwrap();
    let answered = || {
        let open = exchanges.begin(start, Version::HTTP_2);
        open.id().working(true);
        open.id().working(false);
        open
    };
    // A reset makes no difference.
    drop(exchanges.begin(start, Version::HTTP_2));
    assert!(waiting().is_new);
    let first = answered();
    let new = waiting();
    assert!(new.is_new && new.gives_way > start + GRACE);

    let second = answered();
    drop(answered());
    let broken_off = exchanges.begin(start, Version::HTTP_2);
    broken_off.id().working(true);
    drop(broken_off);
    assert_eq!(waiting(), new, "further answers do not renew it");

    drop(first);
    assert_eq!(
        (waiting().is_new, waiting().gives_way),
        (false, new.gives_way)
    );
    drop(second);
    drop(answered());
    assert!(waiting().gives_way > new.gives_way);
}

#[test]
fn an_exchange_that_ends_before_it_has_a_stream_ends_no_other() {
    let exchanges = Exchanges::new(Arc::default(), Instant::now());
    let open = exchanges.begin(Instant::now(), Version::HTTP_2);
    assert!(open.id().end().is_none());
    let (stream, _task) = Stream::new(Box::pin(std::future::pending()));
    exchanges.attach(&stream);
    assert!(stream.end().is_none(), "it has ended");
    let dismissed = exchanges.dismissed();
    assert!(futures_util::FutureExt::now_or_never(dismissed).is_none());
}

/// A request with a stream of its own; the exchange lives in its work.
fn stream(exchanges: &Arc<Exchanges>, begun: Instant) -> Arc<Stream> {
    let open = exchanges.begin(begun, Version::HTTP_2);
    let (stream, _task) = Stream::new(Box::pin(async move {
        std::future::pending::<()>().await;
        drop(open);
    }));
    exchanges.attach(&stream);
    stream
}

#[test]
fn an_overdue_stream_ends_alone_and_the_connection_with_its_last() {
    let limits = Arc::new(Limits::default());
    let start = Instant::now();
    let exchanges = Exchanges::new(Arc::clone(&limits), start);
    stream(&exchanges, start);
    let new = stream(&exchanges, start + Duration::from_secs(5));
    assert!(
        exchanges.end_overdue(start + limits.exchange),
        "another is in time"
    );
    let deadline = start + Duration::from_secs(5) + limits.exchange;
    assert_eq!(exchanges.deadline(), (deadline, Overdue::Stalled));
    assert!(!exchanges.end_overdue(deadline), "nothing else is open");
    assert!(new.end().is_none(), "it has ended");
    assert_eq!(exchanges.deadline().1, Overdue::Idle);
}

#[tokio::test]
async fn an_exchange_without_a_stream_ends_with_its_connection() {
    let exchanges = Exchanges::new(Arc::default(), Instant::now());
    let open = exchanges.begin(Instant::now(), Version::HTTP_11);
    assert!(open.id().end().is_none());
    exchanges.dismissed().await;
}
