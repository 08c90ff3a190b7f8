//! Entries that are dropped for newer ones, over restarts and as others expire.

use pennyblack_sealing::envelope::Cursor;

use super::*;

#[tokio::test]
async fn a_restart_drops_again_what_was_dropped() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    for i in 0..25 {
        let stored = store
            .spend_and_append(spend(1, i.into(), i, 1), START)
            .await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    let window = Window {
        after: Cursor::START,
        max: 64,
        slot_size: 2048,
    };
    let newest: Vec<u8> = (5..25).collect();
    for store in [store, open(&disk.after_power_loss(1), &hand).unwrap()] {
        assert_eq!(contents(&store, 1, START).await, newest);
        let page = store.page(MailboxId([1; 32]), window, START).await.unwrap();
        assert!(page.dropped);
    }
}

#[tokio::test]
async fn what_was_dropped_lets_no_other_entry_die_with_it() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = open(&disk, &hand).unwrap();
    let stores = async |tokens: std::ops::Range<u8>, now| {
        for i in tokens {
            let stored = store.spend_and_append(spend(1, i.into(), i, 1), now).await;
            assert_eq!(stored, Ok(Outcome::Stored));
        }
    };
    stores(0..20, hand.now()).await;
    hand.advance(40);
    stores(20..40, hand.now()).await;
    // The first twenty would die now; they are gone already.
    hand.advance(30);
    store
        .spend_and_append(spend(1, 99, 99, 2), hand.now())
        .await
        .unwrap();
    until("the first second is tidied up", || {
        store.mailboxes.seconds_noted() <= 2
    })
    .await;
    let newest: Vec<u8> = (20..40).collect();
    assert_eq!(contents(&store, 1, hand.now()).await, newest);
}

/// Whatever happens in whatever order: an unexpired entry that was acknowledged is in its
/// mailbox, or the page says that one was dropped; and it says so for nothing else, as long
/// as nobody sets the clock back.
#[tokio::test]
async fn nothing_is_missing_without_a_word() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut disk, hand) = (FaultDisk::default(), Hand::new());
        let mut store = open(&disk, &hand).unwrap();
        // In every second history the clock is set back now and then, by less than a lifetime.
        let is_set_back = seed % 2 == 1;
        let mut latest = START;
        let (mut count, mut stored) = (0, Vec::<(u8, UnixTime)>::new());
        let window = Window {
            after: Cursor::START,
            max: 64,
            slot_size: 2048,
        };
        while count < 240 {
            match rng.random_range(0..10) {
                0 => hand.advance(rng.random_range(0..60)),
                1 if is_set_back && latest < hand.now().plus(Duration::from_secs(25)) => {
                    hand.0.fetch_sub(rng.random_range(0..20), Ordering::SeqCst);
                }
                2 if rng.random_range(0..4) == 0 => {
                    drop(store);
                    disk = disk.after_power_loss(seed);
                    store = open(&disk, &hand).unwrap();
                }
                _ => {
                    for _ in 0..rng.random_range(1..8) {
                        let i = count;
                        count += 1;
                        let one = spend(1, i.into(), i, 1);
                        let outcome = store.spend_and_append(one, hand.now()).await;
                        assert_eq!(outcome, Ok(Outcome::Stored));
                        stored.push((i, hand.now()));
                    }
                }
            }
            let now = hand.now();
            latest = latest.max(now);
            stored.retain(|(_, at)| LIMITS.is_alive(*at, now));
            let there = contents(&store, 1, now).await;
            let is_missing = stored.iter().any(|(content, _)| !there.contains(content));
            let page = store.page(MailboxId([1; 32]), window, now).await.unwrap();
            let history = format!("seed {seed} at {now}: {there:?} of {stored:?}");
            assert!(page.dropped || !is_missing, "no word, {history}");
            assert!(is_missing || is_set_back || !page.dropped, "{history}");
        }
    }
}
