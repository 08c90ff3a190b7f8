//! A Redis that was changed, emptied or restored below a node.

use super::*;

#[tokio::test]
async fn a_list_that_was_changed_in_redis_stops_a_node_that_runs_and_one_that_starts() {
    let server = server().await;
    let (home, other) = (Home::new(), Home::new());
    let node = home.start(&server, NOW).await.unwrap();
    // An old list under a new number.
    server
        .command::<()>(&format!("HINCRBY {LIST} number 1"))
        .await;
    let said = node.turn(NOW).await.unwrap_err().to_string();
    assert!(said.contains("changed by somebody"), "{said}");
    let refused = node.0.usable(NOW).unwrap_err();
    assert_eq!(refused, Withheld::Refused(said.as_str().into()));
    let Err(error) = other.start(&server, NOW).await else {
        panic!("it started");
    };
    assert_eq!(error.to_string(), said);

    // Put right, it goes on by itself.
    server
        .command::<()>(&format!("HINCRBY {LIST} number -1"))
        .await;
    node.turn(NOW).await.unwrap();
    assert!(node.0.usable(NOW).is_ok());
}

#[tokio::test]
async fn keys_that_redis_lost_stop_the_node_until_the_operator_decides() {
    let mut server = server().await;
    let home = Home::new();
    let node = home.start(&server, NOW).await.unwrap();
    let backup = server.back_up();
    node.turn(announced()).await.unwrap();
    server.restore(&backup).await;
    // The connections of before are gone, and noticed.
    let said = loop {
        match node.turn(announced()).await.unwrap_err() {
            KeyError::Shared(SharedKeyError::Redis(_)) => {
                assert!(node.0.usable(announced()).is_ok());
            }
            lost => break lost.to_string(),
        }
    };
    assert!(said.contains("lost token keys"), "{said}");
    assert!(said.contains("list 1") && said.contains("list 2"), "{said}");
    assert!(node.0.usable(announced()).is_err());
    drop(node);
    let Err(error) = home.start(&server, announced()).await else {
        panic!("it started");
    };
    assert_eq!(error.to_string(), said);

    std::fs::remove_file(home.0.path().join("node/seen.json")).unwrap();
    let node = home.start(&server, announced()).await.unwrap();
    assert!(node.0.usable(announced()).is_ok());
}

#[tokio::test]
async fn another_list_under_the_number_of_a_lost_one_is_not_taken_for_it() {
    let server = server().await;
    let (home, other) = (Home::new(), Home::new());
    let node = home.start(&server, NOW).await.unwrap();
    // One after the other, each hidden by the list that a new node makes.
    for _ in 0..2 {
        server.command::<()>("FLUSHALL").await;
        let stranger = other.start(&server, NOW).await.unwrap();
        let said = node.turn(NOW).await.unwrap_err().to_string();
        assert!(said.contains("lost list 1"), "{said}");
        assert!(node.0.usable(NOW).is_err());
        assert!(stranger.0.usable(NOW).is_ok());
        drop(stranger);
        std::fs::remove_file(other.0.path().join("node/seen.json")).unwrap();
    }
    drop(node);
    let node = home.start(&server, NOW).await.unwrap();
    assert!(node.0.usable(NOW).is_ok());
}

#[tokio::test]
async fn a_list_that_was_made_after_a_loss_is_not_replaced_by_one_who_knew_the_lost_one() {
    let server = server().await;
    let (home, other) = (Home::new(), Home::new());
    let store = home.store(&server, true);
    let key = |start| {
        let key = SigningKey::generate(PLAN.key_type).unwrap();
        Arc::new(TokenKey::new(key, start))
    };
    let knowing = spawn_blocking(move || {
        store.load(NOW).unwrap();
        assert!(store.add(&[], &key(NOW)).unwrap());
        store
    });
    let store = knowing.await.unwrap();
    server.command::<()>("FLUSHALL").await;
    let stranger = other.start(&server, NOW).await.unwrap();
    let theirs: Vec<u8> = server.command(&format!("HGET {LIST} sealed")).await;
    let added = spawn_blocking(move || {
        let keys = store.known().keys.clone();
        store.add(&keys, &key(announced())).unwrap()
    });
    assert!(!added.await.unwrap());
    let still: Vec<u8> = server.command(&format!("HGET {LIST} sealed")).await;
    assert_eq!(still, theirs);
    drop(stranger);
}
