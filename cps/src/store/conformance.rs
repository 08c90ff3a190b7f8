//! What every backend must do, as tests that take a way to open one. A backend
//! calls [`check`] with a fresh store, and once more with one that survived a
//! restart.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc
)]

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::spend::{Created, RequestDigest, SpendSignature};
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_sealing::envelope::Cursor;
use pennyblack_sealing::mailbox::MailboxId;

use super::{Limits, Outcome, Page, Spend, Store, StoreError, Window};

/// The limits that [`check`] expects of the store.
pub const LIMITS: Limits = Limits {
    entry_lifetime: Duration::from_secs(60),
    mailbox_capacity: 20,
};

/// Bytes of each entry of [`spend`].
const SLOT_SIZE: usize = 2048;

/// A time to begin with.
pub const START: UnixTime = UnixTime(1_790_000_000);

/// A spend of token `token` in epoch `epoch` with the content `content`.
#[must_use]
pub fn spend(epoch: u8, token: u32, content: u8, mailbox: u8) -> Spend {
    let mut nonce = [epoch; 32];
    nonce[..4].copy_from_slice(&token.to_be_bytes());
    let sealed: Box<[u8]> = vec![content; SLOT_SIZE].into();
    Spend {
        token_key_id: TokenKeyId([epoch; 32]),
        nonce: Nonce(nonce),
        record: SpendRecord {
            digest: RequestDigest::of(&[mailbox, content]),
            signature: SpendSignature {
                created: Created(7),
                signature: [content; 64],
            },
        },
        mailbox: MailboxId([mailbox; 32]),
        sealed,
    }
}

/// Every unexpired entry of a mailbox, by its first byte, page by page.
///
/// # Panics
/// When the store fails or goes round in circles.
pub async fn contents(store: &impl Store, mailbox: u8, now: UnixTime) -> Vec<u8> {
    let (mut found, mut after) = (Vec::new(), Cursor::START);
    loop {
        let page = page(store, mailbox, after, 4, now).await;
        found.extend(page.entries().map(|entry| entry[0]));
        assert!(page.next.0 > after.0 || page.entries().len() == 0);
        after = page.next;
        if !page.more {
            return found;
        }
    }
}

async fn page(store: &impl Store, mailbox: u8, after: Cursor, max: usize, now: UnixTime) -> Page {
    let mailbox = MailboxId([mailbox; 32]);
    let window = Window {
        after,
        max,
        slot_size: SLOT_SIZE,
    };
    store.page(mailbox, window, now).await.unwrap()
}

/// Runs every check on an empty store; epochs 1 to 9 and mailboxes 1 to 9 are
/// used. `reopen` makes the store go down and come back.
///
/// # Panics
/// When the store does not conform.
pub async fn check<S: Store, F: AsyncFnMut(S) -> S>(store: S, mut reopen: F) {
    let store = Arc::new(store);
    a_retry_is_stored_once_and_another_request_conflicts(&*store).await;
    simultaneous_spends_of_one_token_store_one_entry(Arc::clone(&store)).await;
    a_full_mailbox_answers_as_any_other_and_keeps_its_newest(&*store).await;
    dropping_is_said_as_long_as_any_dropped_entry_would_live(&*store).await;
    entries_die_and_do_not_come_back(&*store).await;
    pages_follow_each_other(&*store).await;
    a_closed_epoch_stays_closed(&*store).await;
    let store = Arc::into_inner(store).unwrap();
    let store = reopen(store).await;
    what_was_answered_is_there_after_a_restart(&store).await;
}

async fn a_retry_is_stored_once_and_another_request_conflicts(store: &impl Store) {
    let first = spend(1, 1, 10, 1);
    let stored = store.spend_and_append(first.clone(), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    let again = store.spend_and_append(first.clone(), START).await;
    assert_eq!(again, Ok(Outcome::AlreadyStored));
    let other = store.spend_and_append(spend(1, 1, 11, 2), START).await;
    assert_eq!(other, Ok(Outcome::Conflict(first.record)));
    // The same nonce under another key is another token.
    let elsewhere = store.spend_and_append(spend(2, 1, 12, 1), START).await;
    assert_eq!(elsewhere, Ok(Outcome::Stored));
    assert_eq!(contents(store, 1, START).await, [10, 12]);
    assert_eq!(contents(store, 2, START).await, [0u8; 0]);
    assert_eq!(store.spent(TokenKeyId([1; 32])).await, Ok(1));
}

async fn simultaneous_spends_of_one_token_store_one_entry<S: Store>(store: Arc<S>) {
    for (mailbox, different) in [(3, true), (4, false)] {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..32 {
            let content = if different { i } else { 99 };
            let store = Arc::clone(&store);
            let request = spend(3, u32::from(mailbox), content, mailbox);
            tasks.spawn(async move { store.spend_and_append(request, START).await.unwrap() });
        }
        let outcomes = tasks.join_all().await;
        let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|o| wanted(o)).count();
        assert_eq!(count(|outcome| *outcome == Outcome::Stored), 1);
        let conflicts = count(|outcome| matches!(outcome, Outcome::Conflict(_)));
        assert_eq!(conflicts, if different { 31 } else { 0 });
        assert_eq!(contents(&*store, mailbox, START).await.len(), 1);
    }
}

async fn a_full_mailbox_answers_as_any_other_and_keeps_its_newest(store: &impl Store) {
    let capacity = u8::try_from(LIMITS.mailbox_capacity).unwrap();
    let stores = async |contents: std::ops::Range<u8>| {
        for i in contents {
            let stored = store
                .spend_and_append(spend(4, i.into(), i, 5), START)
                .await;
            assert_eq!(stored, Ok(Outcome::Stored), "entry {i}");
        }
    };
    stores(0..capacity).await;
    let whole = page(store, 5, Cursor::START, 4, START).await;
    assert!(!whole.dropped && whole.more);
    // The page before goes up to the entry 3.
    let seen = whole.next;
    stores(capacity..capacity + 3).await;
    let newest: Vec<u8> = (3..capacity + 3).collect();
    assert_eq!(contents(store, 5, START).await, newest);
    assert!(page(store, 5, Cursor::START, 4, START).await.dropped);
    assert!(!page(store, 5, seen, 4, START).await.dropped);
    stores(capacity + 3..capacity + 5).await;
    let behind = page(store, 5, seen, 4, START).await;
    assert!(behind.dropped && behind.entries().len() == 4);
    assert!(!page(store, 5, behind.next, 4, START).await.dropped);
    // What was dropped is spent, and does not come back.
    let again = store.spend_and_append(spend(4, 0, 0, 5), START).await;
    assert_eq!(again, Ok(Outcome::AlreadyStored));
    let other = store.spend_and_append(spend(4, 1, 99, 5), START).await;
    assert!(matches!(other, Ok(Outcome::Conflict(_))));
    let newest: Vec<u8> = (5..capacity + 5).collect();
    assert_eq!(contents(store, 5, START).await, newest);
    // Nothing was dropped that would be unexpired.
    let later = START.plus(LIMITS.entry_lifetime);
    assert!(!page(store, 5, Cursor::START, 4, later).await.dropped);
    let stored = store.spend_and_append(spend(4, 90, 90, 5), later).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    assert_eq!(contents(store, 5, later).await, [90]);
}

/// The clocks of nodes differ, or one was set back: an older entry may live longer.
async fn dropping_is_said_as_long_as_any_dropped_entry_would_live(store: &impl Store) {
    let ahead = START.plus(Duration::from_secs(30));
    let more = u8::try_from(LIMITS.mailbox_capacity + 2).unwrap();
    for i in 0..more {
        let at = if i == 0 { ahead } else { START };
        let stored = store.spend_and_append(spend(9, i.into(), i, 9), at).await;
        assert_eq!(stored, Ok(Outcome::Stored), "entry {i}");
    }
    let is_dropped = async |now| {
        let page = page(store, 9, Cursor::START, 4, now).await;
        assert_eq!(page.entries().len(), 0);
        page.dropped
    };
    assert!(is_dropped(START.plus(LIMITS.entry_lifetime)).await);
    assert!(!is_dropped(ahead.plus(LIMITS.entry_lifetime)).await);
}

async fn entries_die_and_do_not_come_back(store: &impl Store) {
    let stored = store.spend_and_append(spend(5, 1, 1, 6), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    let last_second = START.plus(LIMITS.entry_lifetime - Duration::from_secs(1));
    assert_eq!(contents(store, 6, last_second).await, [1]);
    let dead = START.plus(LIMITS.entry_lifetime);
    assert_eq!(contents(store, 6, dead).await, [0u8; 0]);
    // The token stays spent.
    let again = store.spend_and_append(spend(5, 1, 2, 6), dead).await;
    assert!(matches!(again, Ok(Outcome::Conflict(_))));
}

async fn pages_follow_each_other(store: &impl Store) {
    for i in 0..6u8 {
        let request = spend(6, u32::from(i), i, 7);
        store.spend_and_append(request, START).await.unwrap();
    }
    let first = page(store, 7, Cursor::START, 4, START).await;
    assert!(first.more && first.entries().len() == 4);
    let second = page(store, 7, first.next, 4, START).await;
    assert!(!second.more && second.entries().len() == 2);
    let third = page(store, 7, second.next, 4, START).await;
    assert!(third.entries().len() == 0 && third.next == second.next);
    store
        .spend_and_append(spend(6, 6, 6, 7), START)
        .await
        .unwrap();
    let fourth = page(store, 7, second.next, 4, START).await;
    assert_eq!(fourth.entries().len(), 1);
    let far = page(store, 7, Cursor(u64::MAX), 4, START).await;
    assert!(far.entries().len() == 0 && far.next == Cursor(u64::MAX));
}

async fn a_closed_epoch_stays_closed(store: &impl Store) {
    let stored = store.spend_and_append(spend(7, 1, 1, 8), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    let epoch = TokenKeyId([7; 32]);
    for _ in 0..2 {
        assert_eq!(store.close_epoch(epoch).await, Ok(()));
        assert_eq!(store.spent(epoch).await, Ok(0));
        for token in 1..3 {
            let refused = store.spend_and_append(spend(7, token, 1, 8), START).await;
            assert_eq!(refused, Err(StoreError::EpochClosed));
        }
    }
    // What was stored with it lives its time.
    assert_eq!(contents(store, 8, START).await, [1]);
}

async fn what_was_answered_is_there_after_a_restart(store: &impl Store) {
    assert_eq!(contents(store, 1, START).await, [10, 12]);
    let retry = store.spend_and_append(spend(1, 1, 10, 1), START).await;
    assert_eq!(retry, Ok(Outcome::AlreadyStored));
    let conflict = store.spend_and_append(spend(1, 1, 11, 1), START).await;
    assert!(matches!(conflict, Ok(Outcome::Conflict(_))));
    let closed = store.spend_and_append(spend(7, 3, 1, 8), START).await;
    assert_eq!(closed, Err(StoreError::EpochClosed));
    // Cursors go on from where they were.
    let before = page(store, 1, Cursor::START, 4, START).await.next;
    let stored = store.spend_and_append(spend(8, 1, 13, 1), START).await;
    assert_eq!(stored, Ok(Outcome::Stored));
    assert_eq!(page(store, 1, before, 4, START).await.entries().len(), 1);
}
