use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Cluster, Manner, Options, Proxy, RedisServer, until};
use pennyblack_storage::fault_disk::FaultDisk;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng as _};
use tempfile::TempDir;

use super::*;
use crate::ledger::conformance::{self, LIVE, NEXT, charge, draw, repeat};
use crate::ledger::embedded::EmbeddedLedger;

const A: TokenKeyId = LIVE[0];

/// A node: its ledger, and the directory of what it remembers.
struct Node {
    ledger: RedisLedger,
    home: TempDir,
}

fn redis(url: &str) -> Redis {
    Redis::new(&RedisOptions::new(url.parse().unwrap())).unwrap()
}

fn ledger(url: &str, home: &TempDir) -> RedisLedger {
    let memory = NodeMemory::open(home.path()).unwrap();
    RedisLedger::new(redis(url), conformance::allowance(), Arc::new(memory))
}

impl Node {
    async fn start(url: &str) -> Self {
        let home = TempDir::new().unwrap();
        let ledger = ledger(url, &home);
        ledger.follow(LIVE.to_vec()).await.unwrap();
        Self { ledger, home }
    }

    /// As after a crash: nothing is written down at the end.
    fn restart(self, url: &str) -> Self {
        let Self { ledger: old, home } = self;
        drop(old);
        let ledger = ledger(url, &home);
        Self { ledger, home }
    }
}

async fn open_epochs(url: &str) {
    for epoch in [LIVE[0], LIVE[1], NEXT] {
        open_epoch(&redis(url), epoch).await.unwrap();
    }
}

async fn conforms(url: &str) {
    open_epochs(url).await;
    let home = TempDir::new().unwrap();
    let fresh = ledger(url, &home);
    fresh.follow(LIVE.to_vec()).await.unwrap();
    conformance::check(fresh, async |old, live| {
        drop(old);
        let again = ledger(url, &home);
        again.follow(live.to_vec()).await.unwrap();
        again
    })
    .await;
}

#[tokio::test]
async fn it_conforms_on_one_server() {
    let server = RedisServer::start(Options::durable()).await;
    conforms(&server.url()).await;
}

#[tokio::test]
async fn it_conforms_on_a_cluster() {
    let cluster = Cluster::start(Options::in_memory()).await;
    let addresses: Vec<_> = cluster
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    conforms(&format!("redis+cluster://{}", addresses.join(","))).await;
}

#[tokio::test]
async fn several_nodes_count_together() {
    let server = RedisServer::start(Options::in_memory()).await;
    open_epochs(&server.url()).await;
    let mut nodes = Vec::new();
    let mut homes = Vec::new();
    for _ in 0..3 {
        let Node { ledger, home } = Node::start(&server.url()).await;
        nodes.push(ledger);
        homes.push(home);
    }
    conformance::check_nodes(nodes).await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_counted_once() {
    let server = RedisServer::start(Options::in_memory()).await;
    open_epochs(&server.url()).await;
    let proxy = Proxy::start(server.address()).await;
    let node = Node::start(&proxy.url()).await;
    assert_eq!(draw(&node.ledger, A, charge("spc:A", 1, 4)).await, Ok(4));
    proxy.set(Manner::LoseAnswers);
    let unknown = draw(&node.ledger, A, charge("spc:A", 2, 6)).await;
    assert!(matches!(unknown, Err(ChargeError::Redis(_))), "{unknown:?}");
    proxy.set(Manner::Pass);
    let soon = std::time::Duration::from_secs(10);
    let again = until("Redis to be asked again", soon, async || {
        draw(&node.ledger, A, charge("spc:A", 2, 6)).await.ok()
    });
    assert_eq!(again.await, 10);
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_charged_and_afterwards_all_is_as_before() {
    let mut server = RedisServer::start(Options::durable()).await;
    open_epochs(&server.url()).await;
    let node = Node::start(&server.url()).await;
    draw(&node.ledger, A, charge("spc:A", 1, 4)).await.unwrap();
    server.kill();
    let refused = draw(&node.ledger, A, charge("spc:A", 2, 1)).await;
    assert!(matches!(refused, Err(ChargeError::Redis(_))), "{refused:?}");
    server.restart().await;
    let soon = std::time::Duration::from_secs(10);
    let again = until("Redis to be asked again", soon, async || {
        repeat(&node.ledger, A, charge("spc:A", 1, 4)).await.ok()
    });
    assert_eq!(again.await, 4);
}

#[tokio::test]
async fn a_restored_backup_is_noticed_by_the_node_whose_charges_it_lacks() {
    let mut server = RedisServer::start(Options::durable()).await;
    open_epochs(&server.url()).await;
    let url = server.url();
    let node = Node::start(&url).await;
    draw(&node.ledger, A, charge("spc:A", 1, 1)).await.unwrap();
    let backup = server.back_up();
    draw(&node.ledger, A, charge("spc:A", 2, 1)).await.unwrap();
    server.restore(&backup).await;
    let soon = std::time::Duration::from_secs(10);
    let refused = until("Redis to be asked again", soon, async || {
        match draw(&node.ledger, A, charge("spc:B", 1, 1)).await {
            Err(ChargeError::Redis(_)) => None,
            told => Some(told.unwrap_err()),
        }
    });
    let refused = refused.await;
    let said = refused.to_string();
    assert!(
        matches!(
            refused,
            ChargeError::Lost {
                seen: 2,
                found: 1,
                ..
            }
        ),
        "{said}"
    );
    assert!(
        said.contains("backup") && said.contains("seen.json"),
        "{said}"
    );
    // By maintenance, and after a restart, too: it wrote down what it had seen.
    let noticed = node.ledger.follow(LIVE.to_vec()).await;
    assert_eq!(noticed.unwrap_err().to_string(), said);
    let node = node.restart(&url);
    let noticed = node.ledger.follow(LIVE.to_vec()).await.unwrap_err();
    assert_eq!(noticed.to_string(), said);

    // The operator decides to go on with what is there.
    let path = node.home.path().join("seen.json");
    drop(node.ledger);
    std::fs::remove_file(path).unwrap();
    let ledger = ledger(&url, &node.home);
    ledger.follow(LIVE.to_vec()).await.unwrap();
    assert_eq!(draw(&ledger, A, charge("spc:A", 2, 1)).await, Ok(2));
}

#[tokio::test]
async fn a_total_that_has_lost_charges_is_not_told_also_when_the_epoch_is_over_and_after_a_restart()
{
    let mut server = RedisServer::start(Options::durable()).await;
    open_epochs(&server.url()).await;
    let url = server.url();
    let [one, two] = [Node::start(&url).await, Node::start(&url).await];
    draw(&one.ledger, A, charge("spc:A", 1, 1)).await.unwrap();
    let backup = server.back_up();
    draw(&two.ledger, A, charge("spc:B", 1, 5)).await.unwrap();
    draw(&one.ledger, A, charge("spc:A", 2, 1)).await.unwrap();
    assert_eq!(one.ledger.total(A).await, Ok(7));
    // Nobody follows the epoch any more, and its total is still to be stated.
    one.ledger.follow(vec![LIVE[1]]).await.unwrap();
    assert_eq!(one.ledger.total(A).await, Ok(7));
    let is_lost = async |node: &Node| {
        let soon = std::time::Duration::from_secs(10);
        let told = until("Redis to be asked again", soon, async || {
            match node.ledger.total(A).await {
                Err(ChargeError::Redis(_)) => None,
                told => Some(told),
            }
        });
        matches!(told.await, Err(ChargeError::Lost { .. }))
    };
    for _ in 0..2 {
        server.restore(&backup).await;
        assert!(is_lost(&one).await);
        assert!(is_lost(&two).await);
    }
    // Hidden by what another node has charged since: the total is above the one before.
    let third = Node::start(&url).await;
    draw(&third.ledger, A, charge("spc:C", 1, 9)).await.unwrap();
    assert!(is_lost(&one).await);
    let one = one.restart(&url);
    one.ledger.follow(vec![LIVE[1]]).await.unwrap();
    assert!(is_lost(&one).await);
    // What was forgotten leaves nothing to remember.
    one.ledger.forget(A).await.unwrap();
    one.ledger.follow(vec![LIVE[1]]).await.unwrap();
    let one = one.restart(&url);
    assert_eq!(one.ledger.memory.charges(A), 0);
}

#[tokio::test]
async fn accounts_that_are_lost_alone_stop_the_draws_of_their_epoch() {
    for name in ["accounts", "bounds"] {
        let server = RedisServer::start(Options::durable()).await;
        open_epochs(&server.url()).await;
        let node = Node::start(&server.url()).await;
        draw(&node.ledger, A, charge("spc:A", 1, 1)).await.unwrap();
        let keys = Keys::of(A, &node.ledger.redis);
        let key = match name {
            "accounts" => keys.accounts,
            _ => keys.bounds,
        };
        let mut del = cmd("DEL");
        del.arg(&key);
        let removed: u64 = node
            .ledger
            .redis
            .command(del, key.as_bytes())
            .await
            .unwrap();
        assert_eq!(removed, 1, "{name}");
        for holder in ["spc:A", "spc:B"] {
            let drawn = draw(&node.ledger, A, charge(holder, 2, 1)).await;
            assert!(matches!(drawn, Err(ChargeError::Lost { .. })), "{drawn:?}");
        }
    }
}

#[tokio::test]
async fn what_another_node_has_charged_is_missed_in_a_total_too() {
    let mut server = RedisServer::start(Options::durable()).await;
    open_epochs(&server.url()).await;
    let [one, two] = [
        Node::start(&server.url()).await,
        Node::start(&server.url()).await,
    ];
    draw(&one.ledger, A, charge("spc:A", 1, 1)).await.unwrap();
    draw(&two.ledger, A, charge("spc:B", 1, 5)).await.unwrap();
    // The first node sees the others' five, by a repetition that is no new charge.
    repeat(&one.ledger, A, charge("spc:A", 1, 1)).await.unwrap();
    let keys = Keys::of(A, &redis(&server.url()));
    server
        .command::<()>(&format!("HINCRBY {} total -5", keys.epoch))
        .await;
    let told = one.ledger.total(A).await;
    assert!(matches!(told, Err(ChargeError::Lost { .. })), "{told:?}");
    server.kill();
}

#[tokio::test]
async fn accounts_that_are_gone_are_noticed_by_a_node_that_never_charged() {
    let server = RedisServer::start(Options::in_memory()).await;
    open_epochs(&server.url()).await;
    let node = Node::start(&server.url()).await;
    server.command::<()>("FLUSHALL").await;
    let refused = draw(&node.ledger, A, charge("spc:A", 1, 1)).await;
    assert!(
        matches!(refused, Err(ChargeError::Lost { .. })),
        "{refused:?}"
    );
    let noticed = node.ledger.follow(LIVE.to_vec()).await;
    assert!(matches!(noticed, Err(ChargeError::Lost { .. })));
}

#[tokio::test]
async fn a_forgotten_epoch_leaves_nothing_behind_and_takes_no_late_charge() {
    let server = RedisServer::start(Options::in_memory()).await;
    let url = server.url();
    open_epoch(&redis(&url), A).await.unwrap();
    open_epoch(&redis(&url), LIVE[1]).await.unwrap();
    let (node, late) = (Node::start(&url).await, Node::start(&url).await);
    for subject in 0..600 {
        let charge = charge(&format!("spc:{subject}"), 1, 1);
        draw(&node.ledger, A, charge).await.unwrap();
    }
    for _ in 0..2 {
        node.ledger.forget(A).await.unwrap();
        let refused = draw(&late.ledger, A, charge("spc:9", 2, 1)).await;
        assert!(
            matches!(refused, Err(ChargeError::Lost { .. })),
            "{refused:?}"
        );
        let left: Vec<String> = server.command("KEYS *").await;
        assert_eq!(left, [Keys::of(LIVE[1], &redis(&url)).epoch]);
    }
}

#[tokio::test]
async fn an_epoch_that_has_no_accounts_is_not_admitted() {
    let server = RedisServer::start(Options::in_memory()).await;
    open_epochs(&server.url()).await;
    let node = Node::start(&server.url()).await;
    node.ledger.admit(vec![NEXT]).await.unwrap();
    let refused = node.ledger.admit(vec![TokenKeyId([9; 32])]).await;
    assert!(
        matches!(refused, Err(ChargeError::Lost { .. })),
        "{refused:?}"
    );
}

/// A number with or without a mark, a range, or an SPC, of few.
fn some_extent(rng: &mut impl RngExt) -> String {
    let digits: usize = rng.random_range(3..5);
    let first: u32 = rng.random_range(80..400);
    let count: u32 = rng.random_range(1..30);
    match rng.random_range(0..8_u8) {
        0 => {
            let spcs = ["2000", "200", "20001", "2A", "2a"];
            format!("spc:{}", spcs[rng.random_range(0..spcs.len())])
        }
        1 => format!("tn:0{}#", first % 3),
        2 => format!("tn:{first:0digits$}"),
        _ => format!("tn:{first:0digits$}+{count}"),
    }
}

fn some_list(rng: &mut impl RngExt) -> String {
    let count: usize = rng.random_range(1..6);
    let extents: Vec<_> = (0..count).map(|_| some_extent(rng)).collect();
    extents.join(",")
}

#[tokio::test]
async fn it_counts_exactly_as_the_accounts_of_a_single_node_do() {
    let server = RedisServer::start(Options::in_memory()).await;
    open_epochs(&server.url()).await;
    let home = TempDir::new().unwrap();
    let mut allowance = conformance::allowance();
    // More than are needed, and not by much.
    allowance.extents = 120;
    let memory = Arc::new(NodeMemory::open(home.path()).unwrap());
    let shared = RedisLedger::new(redis(&server.url()), allowance.clone(), memory);
    shared.follow(LIVE.to_vec()).await.unwrap();
    let disk = Arc::new(FaultDisk::default());
    let alone = EmbeddedLedger::open(disk, allowance, &LIVE).unwrap();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut granted, mut exhausted) = (0_u32, 0_u32);
    for _ in 0..1_000 {
        let epoch = LIVE[rng.random_range(0..2_usize)];
        let list = some_list(&mut rng);
        let charge = charge(
            &list,
            rng.random_range(0..3_u16),
            rng.random_range(1..6_u32),
        );
        let kind = match rng.random_range(0..9_u8) {
            0 => ChargeKind::RepeatedOnly,
            _ => ChargeKind::NewOrRepeated,
        };
        let max = rng.random_bool(0.1).then_some(60);
        let ours = alone.charge(epoch, charge.clone(), kind, max).await;
        let theirs = shared.charge(epoch, charge, kind, max).await;
        assert_eq!(theirs, ours, "{list}, seed {seed}");
        match ours {
            Ok(_) => granted += 1,
            Err(ChargeError::Exhausted(_)) => exhausted += 1,
            Err(_) => {}
        }
    }
    println!("{granted} granted, {exhausted} exhausted");
    assert!(granted > 20 && exhausted > 20);
}
