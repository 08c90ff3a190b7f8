//! Losses that something written since hides.

use super::*;
use crate::store::redis::keys::Place;

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

#[tokio::test]
async fn a_lost_spend_is_found_although_one_that_was_under_way_took_its_number() {
    let mut server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    let inner = &store.0;
    let [first, second] = [spend(1, 1, 1, 1), spend(1, 2, 1, 1)];
    let shard = Place::of(&first.nonce).shard;
    assert_eq!(Place::of(&second.nonce).shard, shard);
    // The second is sent before the first is answered, and comes after it was lost.
    let known = inner.guard.known(shard).unwrap();
    let backup = server.back_up();
    let record = first.record.to_bytes();
    let spent = inner.spend(first.token_key_id, &first.nonce, &record);
    assert!(matches!(spent.await, Ok(Spent::Now(_))));
    server.restore(&backup).await;
    let record = second.record.to_bytes();
    let late = until("the late request to be answered", PATIENCE, async || {
        let (epoch, nonce) = (second.token_key_id, &second.nonce);
        let spent = inner.spent.spend(inner.at(), known, epoch, nonce, &record);
        spent.await.ok()
    });
    let late = late.await;
    assert!(matches!(late, Spent::Now(_)));
    assert!(inner.noted(shard, late).is_err());
    // It is not forgotten: not by a look, nor by a restart.
    store.examine().await;
    refuses(&store, "older").await;
    store.save().await;
    drop(store);
    refuses(&open(&options, &directory).await, "older").await;
}
