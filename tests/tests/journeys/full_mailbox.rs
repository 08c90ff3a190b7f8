//! Section 3: a mailbox keeps its newest entries, and no store tells how many it has.

use std::collections::HashSet;
use std::time::Duration;

use http::HeaderMap;
use pennyblack_base::problem::ProblemType;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::World;

/// Entries that a mailbox of these tests keeps.
const CAPACITY: usize = 4;
/// Tokens that a spy has for each mailbox.
const PROBES: usize = 6;

/// All that a spy sees of an answer. The date alone is left out, which is the same for
/// everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// The answers to a spy's stores in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen(Vec<Shown>);

impl Seen {
    fn push(&mut self, answer: &Answer) {
        let fields = |headers: &HeaderMap| {
            let fields = headers.iter().filter(|(name, _)| *name != "date");
            let mut fields: Vec<_> = fields
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect();
            fields.sort();
            fields
        };
        let shown = Shown {
            status: answer.status.as_u16(),
            fields: fields(&answer.headers),
            body: answer.body.clone(),
        };
        self.0.push(shown);
    }
}

/// Spends a spy's tokens on one mailbox.
async fn probe(world: &World, mailbox: &Mailbox, tokens: &[Spendable]) -> Seen {
    let mut seen = Seen(Vec::new());
    for token in tokens {
        let request = world.spend(token, mailbox, "s.p.y");
        // Each is sent twice: a repetition tells nothing either.
        for _ in 0..2 {
            seen.push(&world.store(&request).await.unwrap());
        }
    }
    seen
}

fn are_alike(all: &[Seen]) -> bool {
    all.iter().all(|seen| *seen == all[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spy_who_stores_sees_the_same_whatever_others_have_stored() {
    let change = |world: &mut World| world.cps.entries.mailbox_capacity = CAPACITY;
    let scene = Scene::open_with(change).await;
    let world = &scene.world;
    let mut all = Vec::new();
    for fill in 0..=CAPACITY {
        let mailbox = world.mailbox().await;
        for token in world.draw(fill).await {
            let request = world.spend(&token, &mailbox, "a.b.c");
            world.store(&request).await.unwrap().assert_created();
        }
        all.push(probe(world, &mailbox, &world.draw(PROBES).await).await);
    }
    assert!(are_alike(&all), "{all:#?}");
    // An answer that says that a mailbox is full would be seen.
    let mut refusing = all.clone();
    let full = Answer {
        status: ProblemType::QuotaExceeded.status().try_into().unwrap(),
        headers: HeaderMap::new(),
        body: Vec::new(),
    };
    refusing[CAPACITY].0.pop();
    refusing[CAPACITY].push(&full);
    assert!(!are_alike(&refusing));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_entries_stay_and_the_recipient_alone_is_told_that_older_ones_went() {
    let change = |world: &mut World| world.cps.entries.mailbox_capacity = CAPACITY;
    let scene = Scene::open_with(change).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let dropped = async || {
        let answer = world
            .poll(mailbox.id(), Slots::Sixteen, Cursor::START)
            .await;
        let page = mailbox.open(world.cps_name(), answer.content());
        page.header().dropped
    };
    let passports = ["n.o.0", "n.o.1", "n.o.2", "n.o.3", "n.o.4", "n.o.5"];
    let tokens = world.draw(passports.len()).await;
    let mut lost_some = Vec::new();
    for (token, passport) in tokens.iter().zip(passports) {
        let request = world.spend(token, &mailbox, passport);
        world.store(&request).await.unwrap().assert_created();
        lost_some.push(dropped().await);
    }
    assert_eq!(lost_some, [false, false, false, false, true, true]);
    assert_eq!(world.read(&mailbox).await, passports[2..]);
    let scene = scene.restart().await;
    assert_eq!(scene.world.read(&mailbox).await, passports[2..]);
    scene.hand.advance(Duration::from_secs(61));
    assert_eq!(scene.world.read(&mailbox).await, [""; 0]);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_mailbox_that_overflows_have_one_length() {
    let change = |world: &mut World| world.cps.entries.mailbox_capacity = 1;
    let scene = Scene::open_with(change).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let mut lengths = HashSet::new();
    for token in world.draw(3).await {
        let polled = world.poll(mailbox.id(), Slots::Four, Cursor::START).await;
        lengths.insert(polled.content().len());
        let request = world.spend(&token, &mailbox, "a.b.c");
        world.store(&request).await.unwrap().assert_created();
    }
    assert_eq!(lengths.len(), 1);
    scene.close().await;
}
