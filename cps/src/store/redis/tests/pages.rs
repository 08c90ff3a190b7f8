//! What reading a page tells those who are not its recipient: neither by its bytes nor by
//! its time.

use super::*;
use crate::sealed_pages::poll_times;

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing_of_the_mailbox() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let limits = poll_times::LIMITS;
    let store = RedisStore::open(&options, limits, REPEATABLE, directory.path()).unwrap();
    store.examine().await;
    poll_times::check(Arc::new(store), &Kem::ALL).await;
}

#[tokio::test]
async fn a_page_has_as_many_bytes_on_the_wire_whatever_is_in_it() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    let asked = async |after: u64, slots: Slots| {
        let window = Window::new(Cursor(after), slots, Kem::DhkemX25519);
        let inner = &*store.0;
        let mailbox = MailboxId([1; 32]);
        let answer = inner.mailboxes.ask(inner.at(), &mailbox, window, START);
        let sizes = answer.await.unwrap().into_iter().map(|part| match part {
            pennyblack_redis::Value::BulkString(bytes) => bytes.len(),
            pennyblack_redis::Value::Int(digit) => digit.to_string().len(),
            other => panic!("{other:?}"),
        });
        sizes.collect::<Vec<_>>()
    };
    for slots in [Slots::Four, Slots::Sixteen] {
        let empty = asked(0, slots).await;
        assert_eq!(empty[4], usize::from(slots.count()) * 2048);
        // More than the mailbox keeps, in the end.
        for token in 0..30 {
            let token = token + 100 * u32::from(slots.count());
            let stored = store.spend_and_append(spend(1, token, 1, 1), START).await;
            assert_eq!(stored, Ok(Outcome::Stored));
            assert_eq!(asked(0, slots).await, empty);
            assert_eq!(asked(u64::MAX, slots).await, empty);
        }
    }
}

#[tokio::test]
async fn a_full_mailbox_is_taken_over_as_it_is() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let home = tempfile::tempdir().unwrap();
    let old_home = home.path().join("store");
    let old = EmbeddedStore::open(&old_home, LIMITS, Arc::new(|| START)).unwrap();
    for i in 0..25 {
        let stored = old.spend_and_append(spend(1, i.into(), i, 1), START).await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    drop(old);
    let store = redeeming(&options, &directory).await;
    store.take_over(&old_home, LIMITS, START).await.unwrap();
    // They arrive at one time, in any order.
    let mut taken = contents(&store, 1, START).await;
    taken.sort_unstable();
    assert_eq!(taken, (5..25).collect::<Vec<u8>>());
    for token in 0..25 {
        let other = store.spend_and_append(spend(1, token, 99, 4), START).await;
        assert!(matches!(other, Ok(Outcome::Conflict(_))), "{other:?}");
    }
}
