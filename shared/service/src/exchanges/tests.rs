use std::time::Duration;

use super::*;

#[test]
fn the_oldest_open_request_decides() {
    let limits = Arc::new(Limits::default());
    let start = Instant::now();
    let exchanges = Exchanges::new(Arc::clone(&limits), start);
    assert_eq!(
        exchanges.deadline(),
        (start + limits.first_request, Overdue::NoRequest)
    );

    let first = exchanges.begin(start + Duration::from_secs(1));
    let second = exchanges.begin(start + Duration::from_secs(2));
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
fn a_connection_waits_for_its_client_but_while_this_side_works() {
    let start = Instant::now();
    let exchanges = Exchanges::new(Arc::default(), start);
    assert_eq!(exchanges.waiting_since(), Some(start));
    let half_sent = exchanges.begin(start);
    assert_eq!(
        exchanges.waiting_since(),
        Some(start),
        "half a request is no work"
    );
    let whole = exchanges.begin(start);
    whole.id().working(true);
    assert_eq!(exchanges.waiting_since(), None);
    whole.id().working(false);
    let answered = exchanges.waiting_since().unwrap();
    assert!(answered > start);
    drop((whole, half_sent));
    assert_eq!(
        exchanges.waiting_since(),
        Some(answered),
        "an answer taken is no work"
    );
}

/// A request with a stream of its own; the exchange lives in its work.
fn stream(exchanges: &Arc<Exchanges>, begun: Instant) -> Arc<Stream> {
    let open = exchanges.begin(begun);
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
    let open = exchanges.begin(Instant::now());
    assert!(open.id().end().is_none());
    exchanges.dismissed().await;
}
