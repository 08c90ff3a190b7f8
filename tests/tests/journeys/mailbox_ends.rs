//! Section 5.1: a mailbox whose last record ends takes no more stores, and is read for as long
//! as what was stored before may live.

use std::time::Duration;

use http::StatusCode;
use pennyblack_sealing::envelope::{Cursor, Slots, open_envelope};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::FIRST_NUMBER;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_in_the_last_second_of_a_record_is_read_while_it_lives() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let mut record = mailbox.record(&world.holder, world.cps_name(), world.clock.now());
    record.exp = record.iat.plus(100 * SECOND);
    let token = record.sign(world.holder.certificate(), world.holder.key());
    world.put_record(&token).await.assert_created();
    let tokens = world.draw(2).await;

    scene.hand.advance(99 * SECOND);
    let last = world.spend(&tokens[0], &mailbox, "the.last.one");
    world.store(&last).await.unwrap().assert_created();
    scene.hand.advance(SECOND);
    let late = world.spend(&tokens[1], &mailbox, "a.late.one");
    let refused = world.store(&late).await.unwrap();
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        assert_eq!(world.read(&mailbox).await, ["the.last.one"]);
        scene.hand.advance(58 * SECOND);
    }
    // By now it is as any mailbox that nobody has.
    let answer = world
        .poll(mailbox.id(), Slots::Sixteen, Cursor::START)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let opened = open_envelope(&mailbox.copy_of_key(), world.cps_name(), answer.content());
    assert!(opened.is_err());
    scene.close().await;
}
