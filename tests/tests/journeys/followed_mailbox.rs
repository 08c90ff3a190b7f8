//! Section 4: a follower at a real CPS whose mailbox is full, and then drops entries.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::auth_service::ShakenCall;
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_http::HttpOptions;
use pennyblack_passport::{Attestation, Call, Party};
use pennyblack_sealing::envelope::Slots;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::World;
use tokio::time::Instant;

/// Entries that a mailbox of these tests keeps.
const CAPACITY: usize = 64;
const CALLER: &str = "12155550100";
const STRANGER: &str = "12155550199";

fn call(world: &World, from: &str, mailbox: &Mailbox) -> (Call, String) {
    let shaken = ShakenCall {
        orig: from.parse().unwrap(),
        dest: mailbox.number().clone(),
        attest: Attestation::Full,
        x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
    };
    let call = Call {
        orig: Party::from(shaken.orig.clone()),
        dest: Party::from(shaken.dest.clone()),
    };
    (
        call,
        shaken.sign(&world.carrier, world.clock.now()).unwrap(),
    )
}

fn follow(world: &World, mailbox: &Mailbox) -> Follower {
    let rules = world.verification_rules();
    let mailbox = FollowedMailbox {
        key: Arc::new(mailbox.copy_of_key()),
        cps: format!("http://{}", world.cps_name()).parse().unwrap(),
        source: Arc::new(HttpOptions::default().client().unwrap()),
    };
    let config = FollowerConfig {
        every: Duration::from_millis(50),
        slots: Slots::Sixteen,
        mailbox_capacity: CAPACITY,
        stale_after: Duration::from_secs(60),
        ..FollowerConfig::default()
    };
    let (task, clock) = (Task::default(), world.clock.clone());
    let rng = &mut rand::rng();
    Follower::start(&config, vec![mailbox], rules, task, clock, rng).unwrap()
}

async fn store(world: &World, mailbox: &Mailbox, passports: &[String]) {
    for (token, passport) in world.draw(passports.len()).await.iter().zip(passports) {
        let request = world.spend(token, mailbox, passport);
        world.store(&request).await.unwrap().assert_created();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_is_read_to_its_end_and_what_it_drops_unread_makes_verdicts_incomplete() {
    let change = |world: &mut World| world.cps.entries.mailbox_capacity = CAPACITY;
    let scene = Scene::open_with(change).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let (real, passport) = call(world, CALLER, &mailbox);
    let (other, _) = call(world, STRANGER, &mailbox);
    let flood = (1..CAPACITY).map(|number| format!("n.o.{number}"));
    let entries: Vec<_> = flood.chain([passport]).collect();
    store(world, &mailbox, &entries).await;

    let early = follow(world, &mailbox);
    early.read_since(Instant::now()).await;
    let verdict = early.peek(&real);
    assert!(verdict.is_valid(), "{verdict:?}");
    assert!(verdict.incomplete.is_empty(), "{verdict:?}");

    // The oldest goes, which this follower has read, and the next has not.
    store(world, &mailbox, &["n.o.0".to_owned()]).await;
    early.read_since(Instant::now()).await;
    assert_eq!(early.status()[0].2.dropped, 0);
    assert!(early.peek(&other).incomplete.is_empty());
    early.stop().await;

    let late = follow(world, &mailbox);
    late.read_since(Instant::now()).await;
    assert!(late.status()[0].2.dropped > 0);
    let verdict = late.peek(&other);
    assert!(verdict.is_no_passport(), "{verdict:?}");
    assert_eq!(verdict.incomplete, [world.cps_name().clone()]);
    assert!(late.peek(&real).is_valid());
    late.stop().await;
    scene.close().await;
}
