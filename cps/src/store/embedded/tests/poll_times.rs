//! What the time of an answer to a poll tells.

use crate::store::Window;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::{Kem, MailboxId};

use super::*;
use crate::sealed_pages::poll_times;

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing_of_the_mailbox() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), poll_times::LIMITS, Hand::new().clock());
    poll_times::check(Arc::new(store.unwrap()), &Kem::ALL).await;
}

#[tokio::test]
async fn an_answer_whose_time_tells_something_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), poll_times::LIMITS, Hand::new().clock());
    let store = Arc::new(store.unwrap());
    poll_times::plants::a_late_leak_is_found(Arc::clone(&store)).await;
    poll_times::plants::a_slow_read_is_found_without_the_delay_alone(store).await;
}

/// How much longer than an empty page a filled one of 256 slots takes to copy, in parts. The
/// machine's noise only adds to a time, so of each the one that few are below counts.
async fn apart(store: &EmbeddedStore, mailboxes: [MailboxId; 2]) -> f64 {
    const PAGES: usize = 1_000;
    let slots = Slots::TwoHundredFiftySix;
    let window = Window::new(Cursor::START, slots, Kem::DhkemX25519);
    let mut times = [const { Vec::new() }; 2];
    for turn in 0..2 * PAGES {
        // Each as often first as last.
        let at = (turn + turn / 2) % 2;
        let begun = Instant::now();
        let page = store.page(mailboxes[at], window, START).await.unwrap();
        times[at].push(begun.elapsed().as_secs_f64());
        assert_eq!(page.entries().len(), at * usize::from(slots.count()));
    }
    let [empty, filled] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[PAGES / 20]
    });
    filled / empty - 1.0
}

/// It took half as long again while one filler in a near cache was copied for all slots.
#[tokio::test]
async fn an_empty_page_takes_as_much_work_to_copy_as_a_filled_one() {
    const TRIES: usize = 5;
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), poll_times::LIMITS, Hand::new().clock());
    let store = Arc::new(store.unwrap());
    let filled = poll_times::filled(&store, Kem::DhkemX25519, 300).await;
    let mailboxes = [MailboxId([1; 32]), filled.mailbox()];
    let mut tries = Vec::new();
    while tries.last().is_none_or(|apart: &f64| apart.abs() > 0.25) {
        assert!(tries.len() < TRIES, "{tries:.3?}");
        tries.push(apart(&store, mailboxes).await);
        println!("{tries:.3?}");
    }
}
