//! What the time of a store's answer tells of the mailbox. Not asserted: each store costs
//! a token, and its time is mostly that of a disk. The figures are in
//! docs/decisions/0011-full-mailbox.md.

use std::time::Instant;

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::time_classifier::Pairs;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::World;

use super::alone;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Entries that a mailbox keeps.
const CAPACITY: usize = 64;
/// Stores in each of a full mailbox and two that never are.
const PAIRS: usize = 1_000;

/// Microseconds until a store is answered.
async fn time(world: &World, mailbox: &Mailbox, token: &Spendable) -> f64 {
    let request = world.spend(token, mailbox, "a.b.c");
    let begun = Instant::now();
    world.store(&request).await.unwrap().assert_created();
    begun.elapsed().as_secs_f64() * 1e6
}

async fn measured(store: Option<RedisOptions>) {
    let mut world = World::new(Clock::system());
    world.cps.store = store;
    world.cps.entries.mailbox_capacity = CAPACITY;
    world.issuer.quota.tokens = 1 << 20;
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let full = world.nth_mailbox(0).await;
    for token in world.draw(CAPACITY).await {
        time(&world, &full, &token).await;
    }
    let (mut pairs, mut control) = (Pairs::default(), Pairs::default());
    for turn in 0..PAIRS / (CAPACITY / 2) {
        let nth = 16 + 2 * u64::try_from(turn).unwrap();
        let fresh = [
            world.nth_mailbox(nth).await,
            world.nth_mailbox(nth + 1).await,
        ];
        let tokens = world.draw(3 * CAPACITY / 2).await;
        for three in tokens.chunks_exact(3) {
            let mut times = [0.0; 3];
            let mut order = [0, 1, 2];
            order.swap(0, rand::random_range(0..3));
            order.swap(1, rand::random_range(1..3));
            for at in order {
                let mailbox = fresh.get(at).unwrap_or(&full);
                times[at] = time(&world, mailbox, &three[at]).await;
            }
            control.push(times[0], times[1]);
            pairs.push(times[0], times[2]);
        }
    }
    println!("two that are not full: {}", control.finding());
    println!("one that is full: {}", pairs.finding());
    cps.kill();
    issuer.kill();
}

#[test]
#[ignore = "prints figures, and asserts nothing"]
fn the_time_of_a_store_in_a_full_mailbox() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("embedded:");
    runtime.block_on(measured(None));
    println!("over Redis:");
    runtime.block_on(async {
        let options = Options::durable().with("hash-max-listpack-value", "128");
        let server = RedisServer::start(options).await;
        let url = server.url().parse().unwrap();
        measured(Some(RedisOptions::new(url))).await;
    });
}
