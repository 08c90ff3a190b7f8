//! Losses that something written since hides.

use super::*;

#[tokio::test]
async fn spends_that_the_store_has_lost_are_not_counted_as_none() {
    let server = RedisServer::start(options()).await;
    let options = at(&server.url());
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = redeeming(&options, &directories[0]).await;
    let spent = async || store.spent(TokenKeyId([1; 32])).await;
    store
        .spend_and_append(spend(1, 1, 1, 1), START)
        .await
        .unwrap();
    assert_eq!(spent().await, Ok(1));
    // Before anybody has looked, just after an operator has accepted what is left, and
    // behind a node that took the empty store for a new one.
    for _ in 0..2 {
        server.command::<()>("FLUSHALL").await;
        let stranger = redeeming(&options, &directories[1]).await;
        assert!(matches!(spent().await, Err(StoreError::Unavailable(_))));
        drop(stranger);
        std::fs::remove_file(fence_file(directories[1].path())).unwrap();
        store.examine().await;
        store.save().await;
        RedisStore::accept_older(&options, directories[0].path())
            .await
            .unwrap();
        store.examine().await;
        assert_eq!(spent().await, Ok(0));
    }
}
