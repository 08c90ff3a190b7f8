//! A CPS that wants to see nobody.

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_protocol::key_record::KEYS_PATH;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_tests::sealed::{ask, first_key, inner_get, inner_store};
use pennyblack_tests::world::FIRST_NUMBER;

use super::{gateway, section};

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_store_is_refused_before_its_token_is_looked_at_and_spends_it_not() {
    let scene = gateway(|world| section(world).relays_only = true).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let key = first_key(world).await;
    let signed = world.spend(&world.draw_one().await, &mailbox, "a.b.c");
    let direct = world.store(&signed).await.unwrap();
    assert_eq!(direct.problem(), ProblemType::RelayRequired);
    assert!(!direct.headers.contains_key("www-authenticate"));
    // Nor is one without a token told that it needs one, or one that claims to be a node's.
    assert_eq!(
        world.post_nothing().await.problem(),
        ProblemType::RelayRequired
    );
    let as_node = world
        .store_request(&signed)
        .header("pennyblack-nodes", "00");
    let as_node = pennyblack_tests::answer::Answer::to(as_node).await.unwrap();
    assert_eq!(as_node.problem(), ProblemType::RelayRequired);
    assert_eq!(world.read(&mailbox).await, Vec::<String>::new());

    let sealed = ask(world, &key, &inner_store(world, &signed)).await;
    sealed.inner.assert_created();
    assert_eq!(scene.counted().await["totals"]["stored"], 1);
    // Polls may come directly: whose mailbox it is, is known.
    let poll = world.poll(mailbox.id(), Slots::Four, Cursor::START).await;
    assert_eq!(poll.status, StatusCode::OK);
    assert_eq!(world.read(&mailbox).await, ["a.b.c"]);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_look_up_is_refused_and_a_sealed_one_answered() {
    let scene = gateway(|world| section(world).relays_only = true).await;
    let world = &scene.world;
    // Its record is registered directly.
    let _mailbox = world.mailbox().await;
    let key = first_key(world).await;
    for path in [
        format!("/{FIRST_NUMBER}"),
        "?prefix=1212".to_owned(),
        "/x".to_owned(),
    ] {
        let path = format!("{KEYS_PATH}{path}");
        let direct = world.get(&path).await;
        assert_eq!(direct.problem(), ProblemType::RelayRequired, "{path}");
        let sealed = ask(world, &key, &inner_get(world, &path)).await.inner;
        assert_ne!(sealed.status, StatusCode::FORBIDDEN, "{path}");
    }
    scene.close().await;
}
