//! Section 3: what fits into which mailbox, and who is told that nobody has one.

use pennyblack_base::problem::ProblemType;
use pennyblack_protocol::store_request::{SignedStoreRequest, sign_store_request};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sealing::sealed::{seal_passport, slot_size};
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::{FIRST_NUMBER, World};

#[tokio::test(flavor = "multi_thread")]
async fn every_kem_has_its_own_slot_size_and_no_other() {
    let scene = Scene::open().await;
    let world = &scene.world;
    for kem in Kem::ALL {
        let mailbox = Mailbox::new(kem, FIRST_NUMBER);
        world.register(&mailbox).await;
        let token = world.draw_one().await;
        for other in Kem::ALL {
            if slot_size(other) != slot_size(kem) {
                let other = Mailbox::new(other, FIRST_NUMBER);
                let request = sealed_for_another(world, &token, &mailbox, &other);
                let answer = world.store(&request).await.unwrap();
                assert_eq!(answer.problem(), ProblemType::WrongSlotSize);
            }
        }
        let good = world.spend(&token, &mailbox, "a.b.c");
        world.store(&good).await.unwrap().assert_created();
        assert_eq!(world.read(&mailbox).await, ["a.b.c"]);
    }
    scene.close().await;
}

/// A good request to store what was sealed for the key of another mailbox.
fn sealed_for_another(
    world: &World,
    token: &Spendable,
    mailbox: &Mailbox,
    other: &Mailbox,
) -> SignedStoreRequest {
    let (cps, now) = (world.cps_name(), world.clock.now());
    let sealed = seal_passport(other.config(), cps, "a.b.c", &mut rand::rng()).unwrap();
    let signed = sign_store_request(&token.token, &token.key, cps, mailbox.id(), &sealed, now);
    signed.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_token_is_told_that_nobody_has_a_mailbox() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let nobodys = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let token = world.draw_one().await;
    let request = world.spend(&token, &nobodys, "a.b.c");
    let answer = world.store(&request).await.unwrap();
    assert_eq!(answer.problem(), ProblemType::UnknownMailbox);
    // The same without a token that is worth anything, for it and for a mailbox
    // that somebody has.
    let mailbox = world.mailbox().await;
    for mailbox in [&nobodys, &mailbox] {
        let mut forged = world.draw_one().await;
        forged.token.authenticator[9] ^= 1;
        let request = world.spend(&forged, mailbox, "a.b.c");
        let answer = world.store(&request).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::TokenInvalid);
    }
    // The token was not spent.
    let request = world.spend(&token, &mailbox, "a.b.c");
    world.store(&request).await.unwrap().assert_created();
    scene.close().await;
}
