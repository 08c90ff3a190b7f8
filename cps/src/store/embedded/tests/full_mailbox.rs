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
