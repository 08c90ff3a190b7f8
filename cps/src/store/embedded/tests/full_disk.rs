//! A disk that is full.

use super::*;

#[tokio::test]
async fn a_full_disk_is_known_before_a_spend_meets_it_and_so_is_its_end() {
    let (disk, hand) = (FaultDisk::default(), Hand::new());
    let store = Arc::new(open(&disk, &hand).unwrap());
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let watching = tokio::spawn({
        let (store, readiness, shutdown) =
            (Arc::clone(&store), readiness.clone(), shutdown.clone());
        async move { store.watch(readiness, shutdown).await }
    });
    let spent = async |token| {
        let spend = spend(1, token, 1, 1);
        store.spend_and_append(spend, START).await
    };
    assert_eq!(spent(1).await, Ok(Outcome::Stored));
    assert!(readiness.is_ready());
    disk.limit(Some(4_000));
    until("unready", || !readiness.is_ready()).await;
    assert!(matches!(spent(2).await, Err(StoreError::Unavailable(_))));
    disk.limit(None);
    until("ready", || readiness.is_ready()).await;
    assert_eq!(spent(2).await, Ok(Outcome::Stored));
    // One that refuses though it has room, until it is tried again.
    disk.fail_next_sync(SyncFault::Lost);
    assert!(spent(3).await.is_err());
    until("unready", || !readiness.is_ready()).await;
    until("ready", || readiness.is_ready()).await;
    shutdown.trigger();
    watching.await.unwrap();
}
