use std::path::Path;

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};

use super::*;
use crate::store::conformance::LIMITS;

async fn server() -> RedisServer {
    RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await
}

/// A node's connection, with what it remembers.
async fn store(server: &RedisServer, directory: &Path) -> RedisStore {
    let options = RedisOptions::new(server.url().parse().unwrap());
    let repeatable = Duration::from_secs(120);
    let store = RedisStore::open(&options, LIMITS, repeatable, &directory.join("redis")).unwrap();
    store.examine().await;
    store
}

fn secret_in(directory: &Path) -> Arc<DecoySecret> {
    Arc::new(DecoySecret::shared(directory.join("decoy-secret")))
}

#[tokio::test]
async fn nodes_that_come_one_after_the_other_have_one_secret_and_keep_it() {
    let server = server().await;
    let homes = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut found = Vec::new();
    for home in &homes {
        let store = store(&server, home.path()).await;
        let secret = secret_in(home.path());
        assert!(secret.keys().is_err());
        secret.agree(&store).await.unwrap();
        secret.agree(&store).await.unwrap();
        found.push(*secret.keys().unwrap().secret());
        // What it has after a restart.
        let again = secret_in(home.path());
        again.agree(&store).await.unwrap();
        assert_eq!(again.keys().unwrap().secret(), found.last().unwrap());
    }
    assert!(found.iter().all(|secret| *secret == found[0]));
}

#[tokio::test]
async fn a_node_that_was_alone_brings_its_secret_and_another_is_told_what_to_do() {
    let server = server().await;
    let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [mine, other] = homes.each_ref().map(|home| {
        let own = DecoySecret::own(home.path().join("decoy-secret")).unwrap();
        *own.keys().unwrap().secret()
    });
    assert_ne!(mine, other);
    let first = store(&server, homes[0].path()).await;
    secret_in(homes[0].path()).agree(&first).await.unwrap();
    assert_eq!(server.command::<Vec<u8>>("GET cps{decoys}s").await, mine);

    let second = store(&server, homes[1].path()).await;
    let secret = secret_in(homes[1].path());
    let refused = secret.agree(&second).await.unwrap_err();
    assert!(matches!(refused, DecoySecretError::Differs { .. }));
    assert!(refused.to_string().contains("remove the file"));
    assert!(secret.keys().is_err());
    // What the sentence says, done.
    std::fs::remove_file(homes[1].path().join("decoy-secret")).unwrap();
    secret.agree(&second).await.unwrap();
    assert_eq!(*secret.keys().unwrap().secret(), mine);
}

#[tokio::test]
async fn nothing_but_a_secret_is_taken_for_one() {
    let server = server().await;
    let home = tempfile::tempdir().unwrap();
    let store = store(&server, home.path()).await;
    server.command::<()>("SET cps{decoys}s short").await;
    let refused = secret_in(home.path()).agree(&store).await.unwrap_err();
    assert!(matches!(refused, DecoySecretError::Form { actual: 5, .. }));
    assert!(!home.path().join("decoy-secret").exists());
}
