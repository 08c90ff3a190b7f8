mod losses;

use std::path::PathBuf;

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_storage::atomic_file;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::*;
use crate::signer::{KeyType, SigningKey};
use crate::token_keys::schedule::{KeyPhase, KeySchedule};
use crate::token_keys::{KeyPlan, TokenKeys, Withheld};

const NOW: UnixTime = UnixTime(1_790_000_000);
const PLAN: KeyPlan = KeyPlan {
    schedule: KeySchedule {
        epoch: Duration::from_secs(86_400),
        announce_ahead: Duration::from_secs(7_200),
    },
    key_type: KeyType::VoprfRistretto255,
};
const TOLERANCE: Duration = Duration::from_secs(5);

fn announced() -> UnixTime {
    NOW.plus(PLAN.schedule.epoch - PLAN.schedule.announce_ahead)
}

/// What a node is made of, and what it keeps when it goes down.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let key = "5e".repeat(32);
        atomic_file::write_private(&home.path().join("wrapping.key"), key.as_bytes()).unwrap();
        Self(home)
    }

    fn wrapping_key(&self) -> PathBuf {
        self.0.path().join("wrapping.key")
    }

    fn store(&self, server: &RedisServer, by_hand: bool) -> SharedKeys {
        let options = RedisOptions::new(server.url().parse().unwrap());
        let membership = Membership {
            authority: "issuer.test".parse().unwrap(),
            wrapping: WrappingKey::read(&self.wrapping_key()).unwrap(),
            tolerance: TOLERANCE,
            by_hand,
            memory: Arc::new(NodeMemory::open(&self.0.path().join("node")).unwrap()),
            copies: KeyFiles::open(&self.0.path().join("keys")).unwrap(),
        };
        SharedKeys::new(Redis::new(&options).unwrap(), membership)
    }

    async fn start(&self, server: &RedisServer, now: UnixTime) -> Result<Node, KeyError> {
        let store = self.store(server, true);
        let keys = spawn_blocking(move || TokenKeys::open(Box::new(store), PLAN, &[], now));
        keys.await
            .unwrap()
            .map(|keys| Node(Arc::new(keys.publish())))
    }
}

#[derive(Clone)]
struct Node(Arc<TokenKeys>);

impl Node {
    async fn turn(&self, now: UnixTime) -> Result<UnixTime, KeyError> {
        let keys = Arc::clone(&self.0);
        let turned = spawn_blocking(move || {
            let turned = keys.publish(keys.prepare(&[], now)?);
            keys.delete(&turned.withdrawn)?;
            Ok(turned.next)
        });
        turned.await.unwrap()
    }

    fn etag(&self) -> String {
        self.0.live().etag().to_owned()
    }

    /// What each key may sign, earliest first.
    fn phases(&self, now: UnixTime) -> Vec<KeyPhase> {
        let live = self.0.live();
        let phase = |id: pennyblack_privacypass::token::TokenKeyId| {
            live.find(id.truncated(), now)
                .map_or(KeyPhase::Silent, |(_, phase)| phase)
        };
        live.ids().map(phase).collect()
    }
}

const LIST: &str = "issuer:{issuer.test}:keys";

async fn server() -> RedisServer {
    RedisServer::start(Options::durable()).await
}

#[tokio::test]
async fn of_nodes_that_start_at_once_one_makes_the_first_key() {
    let server = server().await;
    let homes = [Home::new(), Home::new(), Home::new()];
    let [one, two, three] = &homes;
    let (one, two, three) = tokio::join!(
        one.start(&server, NOW),
        two.start(&server, NOW),
        three.start(&server, NOW)
    );
    let nodes = [one.unwrap(), two.unwrap(), three.unwrap()];
    let first = nodes[0].0.live();
    assert_eq!(first.ids().count(), 1);
    for node in &nodes {
        assert_eq!(node.0.live().directory(), first.directory());
        assert_eq!(node.etag(), first.etag());
    }
}

#[tokio::test]
async fn all_nodes_change_to_the_same_key_at_the_same_instant() {
    let server = server().await;
    let (home, other) = (Home::new(), Home::new());
    let one = home.start(&server, NOW).await.unwrap();
    let two = other.start(&server, NOW).await.unwrap();
    for day in 1..4 {
        let start = NOW.plus(PLAN.schedule.epoch * day);
        let announced = start.minus(PLAN.schedule.announce_ahead);
        // Both wake at once; one of them makes the key.
        let (first, second) = tokio::join!(one.turn(announced), two.turn(announced));
        assert_eq!((first.unwrap(), second.unwrap()), (start, start));
        // The node that was overtaken has loaded it.
        assert_eq!(one.etag(), two.etag());
        let (late, early) = (
            start.plus(Duration::from_secs(31)),
            start.minus(Duration::from_secs(31)),
        );
        for now in [announced, early, start, late] {
            assert_eq!(one.phases(now), two.phases(now));
        }
        assert_eq!(one.phases(late).last(), Some(&KeyPhase::Signs));
        assert_eq!(one.phases(early).last(), Some(&KeyPhase::Silent));
        let (first, second) = tokio::join!(one.turn(start), two.turn(start));
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(one.etag(), two.etag());
        assert_eq!(one.0.live().ids().count(), 2);
    }
    // What nobody signs with any more leaves Redis when its time of grace has ended.
    let now = NOW.plus(PLAN.schedule.epoch * 3 + GRACE);
    one.turn(now).await.unwrap();
    two.turn(now).await.unwrap();
    assert_eq!(one.etag(), two.etag());
    let third = Home::new().start(&server, now).await.unwrap();
    assert_eq!(third.0.stored.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_successor_that_one_node_hastens_is_every_nodes() {
    let server = server().await;
    let (home, other) = (Home::new(), Home::new());
    let one = home.start(&server, NOW).await.unwrap();
    let two = other.start(&server, NOW).await.unwrap();
    let soon = NOW.plus(Duration::from_secs(60));
    // Both see that the key is soon used up.
    one.0.hasten(soon);
    two.0.hasten(soon);
    let (first, second) = tokio::join!(one.turn(soon), two.turn(soon));
    let start = soon.plus(PLAN.schedule.announce_ahead);
    assert_eq!((first.unwrap(), second.unwrap()), (start, start));
    assert_eq!(one.etag(), two.etag());
    assert_eq!(one.0.live().ids().count(), 2);
}

#[tokio::test]
async fn a_crash_after_any_step_ends_in_the_same_keys() {
    let server = server().await;
    let home = Home::new();
    let node = home.start(&server, NOW).await.unwrap();
    let before = node.etag();
    drop(node);

    // Accounts opened, key not published: nobody has heard of it.
    let store = home.store(&server, true);
    let orphan = spawn_blocking(move || {
        let kept = store.load(announced()).unwrap();
        let key = SigningKey::generate(PLAN.key_type).unwrap();
        let id = key.public().id();
        store
            .runtime
            .block_on(open_epoch(&store.redis, id))
            .unwrap();
        assert_eq!(kept.len(), 1);
    });
    orphan.await.unwrap();
    let node = home.start(&server, NOW).await.unwrap();
    assert_eq!(node.etag(), before);
    drop(node);

    // Published, and the node died before it could remember or show it.
    let memory = std::fs::read(home.0.path().join("node/seen.json")).unwrap();
    let node = home.start(&server, announced()).await.unwrap();
    let after = node.etag();
    assert_ne!(after, before);
    drop(node);
    atomic_file::write_private(&home.0.path().join("node/seen.json"), &memory).unwrap();
    let node = home.start(&server, announced()).await.unwrap();
    assert_eq!(node.etag(), after);
}

#[tokio::test]
async fn a_node_with_another_wrapping_key_is_refused_with_a_sentence() {
    let server = server().await;
    let home = Home::new();
    home.start(&server, NOW).await.unwrap();
    let stranger = Home::new();
    let other = "07".repeat(32);
    atomic_file::write_private(&stranger.wrapping_key(), other.as_bytes()).unwrap();
    let Err(error) = stranger.start(&server, NOW).await else {
        panic!("it started");
    };
    let said = error.to_string();
    assert!(said.contains("another wrapping key"), "{said}");
    assert!(said.contains("token_keys.wrapping_key"), "{said}");
    assert!(!said.contains(&other), "{said}");
}

#[test]
fn a_wrapping_key_that_is_none_or_exposed_is_refused_with_the_command_that_makes_one() {
    let home = Home::new();
    let path = home.wrapping_key();
    let said = || WrappingKey::read(&path).unwrap_err().to_string();
    atomic_file::write_public(&path, "5e".repeat(32).as_bytes()).unwrap();
    assert!(said().contains("chmod 600"), "{}", said());
    for text in ["", "5e", "not hexadecimal"] {
        atomic_file::write_private(&path, text.as_bytes()).unwrap();
        assert!(said().contains("openssl rand -hex 32"), "{}", said());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(said().contains("openssl rand -hex 32"), "{}", said());
}

#[tokio::test]
async fn a_clock_that_is_off_stops_the_node_before_it_touches_a_key() {
    let server = server().await;
    let home = Home::new();
    let theirs: Vec<u64> = server.command("TIME").await;
    let now = UnixTime(theirs[0]);
    for wrong in [
        now.plus(Duration::from_secs(3_600)),
        now.minus(Duration::from_secs(3_600)),
    ] {
        let store = home.store(&server, false);
        let opened = spawn_blocking(move || TokenKeys::open(Box::new(store), PLAN, &[], wrong));
        let said = opened.await.unwrap().unwrap_err().to_string();
        assert!(said.contains("token_keys.clock_tolerance is 5 s"), "{said}");
        let way = if wrong > now { "ahead of" } else { "behind" };
        assert!(said.contains(way), "{said}");
    }
    assert_eq!(server.command::<u64>("DBSIZE").await, 0);

    // While it runs, too; and it goes on when the clock is right again.
    let store = home.store(&server, false);
    let opened = spawn_blocking(move || TokenKeys::open(Box::new(store), PLAN, &[], now));
    let node = Node(Arc::new(opened.await.unwrap().unwrap().publish()));
    let wrong = now.plus(Duration::from_secs(3_600));
    node.turn(wrong).await.unwrap_err();
    assert!(node.0.usable(wrong).is_err());
    node.turn(now).await.unwrap();
    assert!(node.0.usable(now).is_ok());
}

#[tokio::test]
async fn while_redis_is_away_known_keys_stay_until_an_unknown_one_could_begin() {
    let mut server = server().await;
    let home = Home::new();
    let node = home.start(&server, NOW).await.unwrap();
    node.turn(NOW).await.unwrap();
    let until = node.0.live().complete_until();
    assert!(until <= NOW.plus(PLAN.schedule.announce_ahead));
    server.kill();
    node.turn(NOW).await.unwrap_err();
    assert!(node.0.usable(until.minus(Duration::from_secs(1))).is_ok());
    let refused = node.0.usable(until).unwrap_err();
    assert_eq!(refused, Withheld::OutOfDate);
}

#[tokio::test]
async fn a_node_that_stood_still_between_looking_and_writing_adds_no_key() {
    let server = server().await;
    let home = Home::new();
    let node = home.start(&server, NOW).await.unwrap();
    drop(node);
    let store = home.store(&server, true);
    let added = spawn_blocking(move || {
        let keys = store.load(announced()).unwrap();
        let late = store.known().seen.minus(REPLACE_WITHIN * 2);
        store.known().seen = late;
        let key = SigningKey::generate(PLAN.key_type).unwrap();
        let key = Arc::new(TokenKey::new(key, NOW.plus(PLAN.schedule.epoch)));
        store.add(&keys, &key).unwrap()
    });
    assert!(!added.await.unwrap());
}

/// A CPS beside any node verifies with them.
#[tokio::test]
async fn every_node_has_files_of_the_voprf_keys_that_are_live_and_of_no_others() {
    let server = server().await;
    let homes = [Home::new(), Home::new()];
    let one = homes[0].start(&server, NOW).await.unwrap();
    let two = homes[1].start(&server, NOW).await.unwrap();
    for day in 1..4 {
        let start = NOW.plus(PLAN.schedule.epoch * day);
        for now in [start.minus(PLAN.schedule.announce_ahead), start.plus(GRACE)] {
            one.turn(now).await.unwrap();
            two.turn(now).await.unwrap();
            // The list may have changed after a node looked.
            one.turn(now).await.unwrap();
            two.turn(now).await.unwrap();
        }
        for home in &homes {
            let files = KeyFiles::open(&home.0.path().join("keys")).unwrap();
            let files: Vec<_> = files
                .load(NOW)
                .unwrap()
                .iter()
                .map(|key| key.id())
                .collect();
            assert_eq!(files, one.0.live().ids().collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn nothing_that_lies_in_redis_gives_a_key_away() {
    let server = server().await;
    let home = Home::new();
    let node = home.start(&server, NOW).await.unwrap();
    let list: Vec<Vec<u8>> = server.command(&format!("HVALS {LIST}")).await;
    let stored = node.0.stored.lock().unwrap().clone();
    let file = stored[0].signing().to_file().unwrap();
    for value in list {
        assert!(
            !value
                .windows(16)
                .any(|part| file.windows(16).any(|other| other == part))
        );
    }
}
