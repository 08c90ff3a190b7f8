use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::exchanges::{Exchange, Exchanges};
use crate::known_clients::tests::known_connection;
use http::Version;
use pennyblack_runtime::config::Limits;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static NOW: Cell<Instant> = Cell::new(Instant::now());
}

/// A clock that stands still but for [`advance`].
fn held_bytes(max: usize) -> Arc<HeldBytes> {
    HeldBytes::at(|| NOW.get(), max)
}

fn advance(span: Duration) {
    NOW.set(NOW.get() + span);
}

fn connection() -> Arc<Exchanges> {
    Exchanges::new(Arc::new(Limits::default()), Instant::now())
}

async fn is_dismissed(connection: &Exchanges) -> bool {
    let mut dismissed = pin!(connection.dismissed());
    poll_fn(|context| Poll::Ready(dismissed.as_mut().poll(context).is_ready())).await
}

/// A request on a connection of its own, which holds so many bytes.
struct Client {
    exchange: Exchange,
    held: Held,
}

impl Client {
    fn on(connection: &Arc<Exchanges>, bytes: &Arc<HeldBytes>, size: usize) -> Option<Self> {
        let exchange = connection.begin(Instant::now(), Version::HTTP_11);
        let held = bytes.hold(size, exchange.id()).ok()?;
        Some(Self { exchange, held })
    }

    fn of(bytes: &Arc<HeldBytes>, size: usize) -> Self {
        Self::on(&connection(), bytes, size).expect("room")
    }

    async fn has_ended(&self) -> bool {
        is_dismissed(self.exchange.id().of_connection()).await
    }

    fn answers(&self, size: usize) -> Arc<Untaken> {
        let untaken = Arc::new(Untaken::new(vec![b'x'; size].into()));
        self.held.wait_for_client(0, &untaken).unwrap();
        untaken
    }
}

#[tokio::test]
async fn of_two_alike_the_older_gives_way_and_bytes_that_have_gone_do_not_count() {
    let bytes = held_bytes(100);
    drop(Client::of(&bytes, 90));
    let older = Client::of(&bytes, 50);
    advance(SECOND);
    let newer = Client::of(&bytes, 50);
    assert!(!older.has_ended().await);
    assert_eq!(newer.held.grow(1), Ok(()));
    assert!(older.has_ended().await && !newer.has_ended().await);
    assert_eq!(older.held.grow(1), Err(NoRoom), "it was told to end");
    drop((older, newer));
    assert_eq!(bytes.accounts().total(), 0);
}

#[tokio::test]
async fn work_never_gives_way_and_what_finds_no_room_is_refused() {
    let bytes = held_bytes(100);
    let working = Client::of(&bytes, 10);
    working.held.begin_work(80).unwrap();
    advance(SECOND);
    let waiting = Client::of(&bytes, 10);
    assert!(
        Client::on(&connection(), &bytes, 20).is_none(),
        "too much beside the work"
    );
    assert!(!working.has_ended().await && waiting.has_ended().await);
    assert!(Client::on(&connection(), &bytes, 101).is_none());
    working.answers(0);
    assert!(Client::on(&connection(), &bytes, 100).is_some());
}

#[tokio::test]
async fn an_answer_that_gives_way_is_gone_at_once() {
    let bytes = held_bytes(100);
    let client = Client::of(&bytes, 10);
    client.held.begin_work(80).unwrap();
    let untaken = client.answers(70);
    assert_eq!(bytes.accounts().total(), 70);
    let _other = Client::of(&bytes, 60);
    assert_eq!((untaken.len(), bytes.accounts().total()), (0, 60));
    assert!(
        untaken.next_piece().is_err(),
        "its end is not that of the answer"
    );
}

#[tokio::test]
async fn what_the_http_stack_has_is_counted_until_it_lets_go() {
    let bytes = held_bytes(100);
    let client = Client::of(&bytes, 100);
    let untaken = client.answers(100);
    let piece = client.held.send(untaken.next_piece().unwrap().unwrap());
    assert_eq!(bytes.accounts().total(), 100);
    // The exchange can end, but what is sent stays: the connection has to end.
    let connection = Arc::clone(client.exchange.id().of_connection());
    drop(client);
    assert_eq!(bytes.accounts().total(), 100);
    assert!(
        Client::on(&self::connection(), &bytes, 20).is_some(),
        "it is about to go"
    );
    assert!(
        Client::on(&self::connection(), &bytes, 30).is_none(),
        "but not yet gone"
    );
    connection.dismissed().await;
    drop(piece);
    assert_eq!(bytes.accounts().total(), 0);
}

#[tokio::test]
async fn a_known_clients_connection_ends_after_those_of_strangers_while_it_has_less_than_its_part()
{
    for (has, ends_first) in [(9_000, false), (11_000, true)] {
        let bytes = held_bytes(160_000);
        let (known, strangers) = (connection(), [(); 3].map(|()| connection()));
        known.belong_to(known_connection());
        let send = |connection, size| {
            let client = Client::on(connection, &bytes, size).expect("room");
            let untaken = client.answers(size);
            client.held.send(untaken.next_piece().unwrap().unwrap())
        };
        let _taken = send(&known, has);
        let _others: Vec<_> = strangers.iter().map(|one| send(one, 5_000)).collect();
        let _ = Client::on(&connection(), &bytes, 160_000 - has - 15_000 + 1);
        assert_eq!(is_dismissed(&known).await, ends_first, "{has}");
        for stranger in &strangers {
            assert_eq!(is_dismissed(stranger).await, !ends_first, "{has}");
        }
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_do_not_cut_off_a_small_old_body() {
    let bytes = held_bytes(1_000_000);
    let honest = Client::of(&bytes, 2_000);
    advance(SECOND);
    let mut attackers = Vec::new();
    for _ in 0..500 {
        attackers.push(Client::of(&bytes, 16_000));
        attackers.retain(|attacker| attacker.held.grow(0).is_ok());
        // They come so quickly that each is lighter than the body; but that is less
        // than the average.
        advance(SECOND / 100);
    }
    assert!(!honest.has_ended().await);
}

#[tokio::test]
async fn many_that_are_each_smaller_do_not_cut_off_one_that_moves() {
    let bytes = held_bytes(1_000_000);
    let _attackers: Vec<_> = (0..1_000).map(|_| Client::of(&bytes, 1_000)).collect();
    advance(SECOND);
    for _ in 0..100 {
        let honest = Client::of(&bytes, 16_000);
        advance(SECOND / 50);
        assert!(!honest.has_ended().await);
    }
}

proptest! {
    #[test]
    fn the_maximum_holds_and_nothing_is_counted_twice_or_without_end(
        steps in proptest::collection::vec((0..7u8, 0..6usize, 0..400usize), 0..150),
    ) {
        let bytes = held_bytes(1_000);
        let connections: Vec<_> = (0..6).map(|_| connection()).collect();
        let (mut clients, mut pieces) = (Vec::<(Client, Arc<Untaken>)>::new(), Vec::new());
        for (step, which, size) in steps {
            let nothing = || Arc::new(Untaken::new(Bytes::new()));
            match (step, clients.get(which)) {
                (0, _) => clients.extend(
                    Client::on(&connections[which], &bytes, size).map(|one| (one, nothing())),
                ),
                (1, Some((client, _))) => drop(client.held.grow(size)),
                (2, Some((client, _))) => drop(client.held.begin_work(size)),
                (3, Some((client, _))) => {
                    let untaken = Arc::new(Untaken::new(vec![0; size].into()));
                    if client.held.wait_for_client(10, &untaken).is_ok() {
                        clients[which].1 = untaken;
                    }
                }
                (4, Some((client, untaken))) => {
                    if let Ok(Some(piece)) = untaken.next_piece() {
                        pieces.push(client.held.send(piece));
                    }
                }
                (5, Some(_)) => drop(clients.swap_remove(which)),
                (6, _) if which < pieces.len() => drop(pieces.swap_remove(which)),
                _ => advance(Duration::from_micros(size as u64)),
            }
            let accounts = bytes.accounts();
            prop_assert!(accounts.add_up());
            prop_assert!(accounts.total() <= 1_250);
        }
        drop((clients, pieces));
        let accounts = bytes.accounts();
        prop_assert!(accounts.total() == 0 && accounts.add_up());
    }
}
