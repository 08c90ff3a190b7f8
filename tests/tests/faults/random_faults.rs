//! A CPS with the embedded store dies at random instants, and clients see nothing
//! that it does not promise.
//!
//! `PENNYBLACK_SCHEDULES` sets how many schedules of faults are run, and
//! `PENNYBLACK_SEED` the seed of the first.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::history::{Anomaly, Rules};
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::schedule::{Figures, a_while, seeds};
use pennyblack_tests::traffic::{Traffic, mailboxes};
use pennyblack_tests::world::World;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const RULES: Rules = Rules {
    lifetime: Duration::from_secs(5),
    tolerance: Duration::from_secs(2),
    capacity: 1_024,
};
const CLIENTS: u64 = 8;
const TOKENS: usize = 300;
const KILLS: usize = 8;
/// Longest time from a start to a death.
const LIFE: Duration = Duration::from_millis(300);

/// A world whose CPS takes requests again long after they were signed.
fn world() -> World {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 100_000_000;
    world.cps.entries.lifetime = RULES.lifetime;
    world.cps.entries.oldest_signature = Duration::from_secs(3_600);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_killed_at_random_gives_its_clients_a_legal_history() {
    let world = Arc::new(world());
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut nodes = Nodes::start(SERVICE, &world, 1, |_, _| ()).await;
    let mailboxes = mailboxes(&world, &nodes.addresses(), 3).await;
    let mut figures = Figures::default();
    for seed in seeds(1) {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let traffic = Traffic::new(&world, nodes.addresses(), &mailboxes, TOKENS).await;
        let deaths = async {
            for _ in 0..KILLS {
                a_while(&mut rng, LIFE).await;
                nodes.restart(0, &world).await;
                figures.count("CPS killed");
            }
        };
        traffic.during(CLIENTS, seed, deaths).await;
        traffic.settle(RULES.lifetime).await;
        figures.assert_legal(seed, &traffic, &RULES);
    }
    println!("{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_restored_from_an_old_backup_is_found_out() {
    let world = Arc::new(world());
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut nodes = Nodes::start(SERVICE, &world, 1, |_, _| ()).await;
    let mailboxes = mailboxes(&world, &nodes.addresses(), 3).await;
    let traffic = Traffic::new(&world, nodes.addresses(), &mailboxes, 40).await;
    let [data, backup] = ["cps-0-data", "backup"].map(|name| world.path(name));
    nodes.kill(0);
    copy(&data, &backup);
    nodes.restart(0, &world).await;
    let forgetting = async {
        let mut rng = StdRng::seed_from_u64(1);
        let all_spent = || {
            traffic
                .statuses()
                .get(&201)
                .is_some_and(|spent| *spent > 40)
        };
        while !all_spent() {
            a_while(&mut rng, LIFE).await;
        }
        nodes.kill(0);
        std::fs::remove_dir_all(&data).unwrap();
        copy(&backup, &data);
        nodes.restart(0, &world).await;
    };
    traffic.during(CLIENTS, 1, forgetting).await;
    traffic.settle(RULES.lifetime).await;
    let anomalies = Figures::default().verify(&traffic, &RULES);
    let twice = |anomaly: &Anomaly| matches!(anomaly, Anomaly::TwoBodies { .. });
    assert!(anomalies.iter().any(twice), "{anomalies:?}");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}
