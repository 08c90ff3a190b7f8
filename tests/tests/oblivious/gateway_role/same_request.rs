//! A request is the same, however it comes.

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_tests::sealed::{ask, first_key, inner_store};

use super::gateway;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_directly_and_twice_sealed_is_one_entry_and_one_spend() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let key = first_key(world).await;
    let token = world.draw_one().await;
    let signed = world.spend(&token, &mailbox, "a.b.c");
    world.store(&signed).await.unwrap().assert_created();
    for _ in 0..2 {
        let answer = ask(world, &key, &inner_store(world, &signed)).await;
        answer.inner.assert_created();
        assert!(answer.inner.headers.contains_key("date"));
    }
    assert_eq!(world.read(&mailbox).await, ["a.b.c"]);
    let counted = scene.counted().await;
    let totals = &counted["totals"];
    assert_eq!(
        (&totals["stored"], &totals["replayed"]),
        (&1.into(), &2.into()),
        "{counted}"
    );
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_spend_is_one_whichever_of_the_two_came_sealed() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let key = first_key(world).await;
    for (sealed_first, token) in [true, false].into_iter().zip(world.draw(2).await) {
        let first = world.spend(&token, &mailbox, "first.of.two");
        let second = world.spend(&token, &mailbox, "second.of.two");
        let answer = if sealed_first {
            let sealed = ask(world, &key, &inner_store(world, &first)).await;
            sealed.inner.assert_created();
            world.store(&second).await.unwrap()
        } else {
            world.store(&first).await.unwrap().assert_created();
            ask(world, &key, &inner_store(world, &second)).await.inner
        };
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    }
    let lines = world.get("/v1/double-spends").await;
    let lines = String::from_utf8(lines.content().to_vec()).unwrap();
    assert_eq!(lines.lines().count(), 2);
    scene.close().await;
}
