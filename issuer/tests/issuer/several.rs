//! Two nodes of one issuer over one Redis, on real sockets with one clock that the
//! test sets.

use std::time::Duration;

use crate::scene::{DAY, NOW, Scene, finished, ids, pending};
use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_issuer::Issuer;
use pennyblack_privacypass::directory::{DirectoryKey, WELL_KNOWN_PATH};
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start::RunningService;
use pennyblack_storage::atomic_file;
use pennyblack_tlog::EntryBundle;

/// How long before it signs a key is announced, by default.
const AHEAD: Duration = Duration::from_secs(3 * 3_600);

/// A scene that talks to one node, and the other node.
struct Nodes {
    server: RedisServer,
    scene: Scene,
    other: RunningService,
}

impl Nodes {
    async fn open(quota: u64) -> Self {
        let server = RedisServer::start(Options::durable()).await;
        let scene = scene_over(&server, quota).await;
        let other = scene.start_another("other").await;
        Self {
            server,
            scene,
            other,
        }
    }

    fn swap(&mut self) {
        self.scene.talk_to(&mut self.other);
    }

    /// The directory and its entity tag at each node, when both satisfy `wanted`.
    async fn directories(&mut self, wanted: impl Fn(&[DirectoryKey]) -> bool) -> [Shown; 2] {
        let mut shown = Vec::new();
        for _ in 0..2 {
            self.scene.directory_until(&wanted).await;
            let answer = self.scene.get(WELL_KNOWN_PATH, &[]).await;
            let etag = answer.headers["etag"].to_str().unwrap().to_owned();
            shown.push((answer.body, etag));
            self.swap();
        }
        shown.try_into().unwrap()
    }

    async fn same_directory(&mut self, wanted: impl Fn(&[DirectoryKey]) -> bool) {
        let [one, other] = self.directories(wanted).await;
        assert_eq!(one, other);
    }
}

/// The bytes of a directory, and its entity tag.
type Shown = (Vec<u8>, String);

async fn scene_over(server: &RedisServer, quota: u64) -> Scene {
    let mut scene = Scene::prepare();
    scene.pki.install_root(&scene.config.trust.roots);
    let key = scene.path("wrapping.key");
    atomic_file::write_private(&key, "5e".repeat(32).as_bytes()).unwrap();
    scene.config.token_keys.wrapping_key = Some(key);
    scene.config.quota.tokens = quota;
    scene.config.store = Some(RedisOptions::new(server.url().parse().unwrap()));
    scene.start().await;
    scene
}

#[tokio::test]
async fn the_quota_is_one_and_each_node_repeats_what_the_other_granted() {
    let mut nodes = Nodes::open(4).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let key = nodes.scene.signing_key().await;
    for _ in 0..4 {
        let drawn = pending(&key);
        let first = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
        finished(&drawn, first.ok());
        nodes.swap();
        let again = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
        assert_eq!(again.ok(), first.ok());
    }
    for _ in 0..2 {
        let one_more = pending(&key).request();
        let refused = nodes.scene.draw(&carrier, "683G", &one_more).await;
        assert_eq!(refused.problem(), ProblemType::QuotaExceeded);
        nodes.swap();
    }
}

#[tokio::test]
async fn both_nodes_show_the_same_directory_and_change_keys_at_the_same_instant() {
    let mut nodes = Nodes::open(100).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let first = nodes.scene.signing_key().await;
    nodes.same_directory(|keys| keys.len() == 1).await;

    nodes.scene.hand.set(NOW.plus(DAY - AHEAD));
    nodes.same_directory(|keys| keys.len() == 2).await;

    // By more than clocks may be off before the change, and after it.
    let margin = Duration::from_secs(60);
    for (now, old_signs) in [
        (NOW.plus(DAY).minus(margin), true),
        (NOW.plus(DAY + margin), false),
    ] {
        nodes.scene.hand.set(now);
        nodes.same_directory(|keys| keys.len() == 2).await;
        let key = nodes.scene.signing_key().await;
        assert_eq!(key == first, old_signs);
        for _ in 0..2 {
            assert_eq!(nodes.scene.signing_key().await, key);
            let drawn = pending(&key);
            let answer = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
            finished(&drawn, answer.ok());
            let old = pending(&first).request();
            let old = nodes.scene.draw(&carrier, "683G", &old).await;
            assert_eq!(old.status == StatusCode::OK, old_signs);
            nodes.swap();
        }
    }
    // The first key goes from both directories when the third begins.
    nodes.scene.hand.set(NOW.plus(2 * DAY - AHEAD));
    nodes.same_directory(|keys| keys.len() == 3).await;
    nodes.scene.hand.set(NOW.plus(2 * DAY));
    let gone = |keys: &[DirectoryKey]| !ids(keys).contains(&first.id());
    nodes.same_directory(gone).await;
}

#[tokio::test]
async fn without_redis_nothing_is_signed_and_the_directory_is_shown_until_it_is_back() {
    let mut nodes = Nodes::open(100).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let key = nodes.scene.signing_key().await;
    let drawn = pending(&key);
    nodes.server.kill();
    let refused = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
    assert_eq!(refused.problem(), ProblemType::StoreUnavailable);
    assert_eq!(nodes.scene.signing_key().await, key);
    nodes.server.restart().await;
    let answer = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let answer = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
            if answer.status == StatusCode::OK {
                return answer;
            }
        }
    });
    finished(&drawn, answer.await.unwrap().ok());
}

#[tokio::test]
async fn a_redis_that_was_emptied_stops_all_nodes_with_a_sentence() {
    let mut nodes = Nodes::open(100).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let key = nodes.scene.signing_key().await;
    nodes.server.command::<()>("FLUSHALL").await;
    for _ in 0..2 {
        let request = pending(&key).request();
        let refused = nodes.scene.draw(&carrier, "683G", &request).await;
        assert_eq!(refused.problem(), ProblemType::StoreUnavailable);
        nodes.swap();
    }
    // Maintenance, which the clock wakes, finds the keys gone, too.
    nodes.scene.hand.set(NOW.plus(DAY - AHEAD));
    for _ in 0..2 {
        let unready = nodes
            .scene
            .until_ready_is(StatusCode::SERVICE_UNAVAILABLE)
            .await;
        let said = String::from_utf8(unready.body).unwrap();
        // The keys, or, if it looks at them only next time, the accounts.
        assert!(said.contains("Redis lost"), "{said}");
        let shown = nodes.scene.get(WELL_KNOWN_PATH, &[]).await;
        assert_eq!(shown.problem(), ProblemType::StoreUnavailable);
        nodes.swap();
    }
}

#[tokio::test]
async fn a_redis_that_is_made_less_durable_stops_signing_until_it_is_not() {
    let nodes = Nodes::open(100).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let key = nodes.scene.signing_key().await;
    nodes.server.set_config("appendfsync", "no").await;
    // Maintenance looks when the clock wakes it.
    nodes.scene.hand.set(NOW.plus(DAY - AHEAD));
    let unready = nodes
        .scene
        .until_ready_is(StatusCode::SERVICE_UNAVAILABLE)
        .await;
    let said = String::from_utf8(unready.body).unwrap();
    assert!(
        said.contains("store.durability") && said.contains("appendfsync"),
        "{said}"
    );
    let drawn = pending(&key);
    let refused = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
    assert_eq!(refused.problem(), ProblemType::StoreUnavailable);

    nodes.server.set_config("appendfsync", "always").await;
    nodes
        .scene
        .hand
        .set(NOW.plus(DAY - AHEAD + Duration::from_secs(60)));
    nodes.scene.until_ready_is(StatusCode::OK).await;
    let answer = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
    finished(&drawn, answer.ok());
}

#[tokio::test]
async fn a_node_is_refused_that_promises_more_than_its_redis_or_has_no_wrapping_key() {
    let server = RedisServer::start(Options::in_memory()).await;
    let mut scene = Scene::prepare();
    let key = scene.path("wrapping.key");
    atomic_file::write_private(&key, "5e".repeat(32).as_bytes()).unwrap();
    scene.config.token_keys.wrapping_key = Some(key);
    scene.config.store = Some(RedisOptions::new(server.url().parse().unwrap()));
    let said = refusal(&scene, scene.clock.clone()).await;
    assert!(said.contains("store.durability"), "{said}");
    assert!(said.contains("appendonly yes"), "{said}");

    server.set_config("appendonly", "yes").await;
    server.set_config("appendfsync", "always").await;
    scene.config.token_keys.wrapping_key = Some(scene.path("none"));
    let said = refusal(&scene, scene.clock.clone()).await;
    assert!(said.contains("openssl rand -hex 32"), "{said}");
}

async fn refusal(scene: &Scene, clock: Clock) -> String {
    let started = Issuer::start(scene.config.clone(), clock).await;
    started.expect_err("it started").to_string()
}

/// What the log says of keys, as the node that is talked to shows it: the checkpoint,
/// and the statements of its only bundle.
async fn log_of(scene: &Scene) -> (Vec<u8>, Vec<Statement>) {
    let checkpoint = scene.get("/log/checkpoint", &[]).await.body;
    let text = String::from_utf8(checkpoint.clone()).unwrap();
    let size: usize = text.lines().nth(1).unwrap().parse().unwrap();
    let path = format!("/log/tile/entries/000.p/{size}");
    let bundle = scene.get(&path, &[]).await;
    assert_eq!(bundle.status, StatusCode::OK);
    let bundle = EntryBundle::parse(path["/log/".len()..].parse().unwrap(), bundle.body).unwrap();
    let entries = bundle
        .entries()
        .map(|entry| LogEntry::parse(entry).unwrap().statement);
    (checkpoint, entries.collect())
}

#[tokio::test]
async fn the_log_is_one_at_both_nodes_and_its_totals_count_what_both_have_signed() {
    let mut nodes = Nodes::open(100).await;
    let carrier = nodes.scene.pki.carrier("683G");
    let first = nodes.scene.signing_key().await;
    for _ in 0..2 {
        for _ in 0..3 {
            let drawn = pending(&first);
            let answer = nodes.scene.draw(&carrier, "683G", &drawn.request()).await;
            finished(&drawn, answer.ok());
        }
        nodes.swap();
    }
    // A key in the directory of either node is in the log there.
    for day in 1..3u32 {
        nodes.scene.hand.set(NOW.plus(day * DAY - AHEAD));
        for _ in 0..2 {
            let listed = nodes
                .scene
                .directory_until(|keys| keys.len() as u32 == day + 1)
                .await;
            let (_, said) = log_of(&nodes.scene).await;
            for key in ids(&listed) {
                let announced = |one: &Statement| matches!(one, Statement::TokenKeyAnnounced { key: said, .. } if said.id() == key);
                assert_eq!(said.iter().filter(|one| announced(one)).count(), 1);
            }
            nodes.swap();
        }
        nodes.scene.hand.set(NOW.plus(day * DAY));
    }
    // A minute after it was withdrawn no node signs with it any more.
    nodes
        .scene
        .hand
        .set(NOW.plus(2 * DAY + Duration::from_secs(120)));
    let totalled = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let (checkpoint, said) = log_of(&nodes.scene).await;
            let totals = said.into_iter().filter_map(|one| match one {
                Statement::IssuanceTotal {
                    token_key_id,
                    issued,
                } => Some((token_key_id, issued)),
                _ => None,
            });
            let totals: Vec<_> = totals.collect();
            if !totals.is_empty() {
                return (checkpoint, totals);
            }
        }
    });
    let (here, totals) = totalled.await.unwrap();
    assert_eq!(totals, [(first.id(), 6)]);
    nodes.swap();
    let (there, _) = log_of(&nodes.scene).await;
    assert_eq!(here, there);
}

#[tokio::test]
async fn an_issuer_that_becomes_one_of_several_goes_on_with_its_log_and_states_no_total_unknown() {
    let server = RedisServer::start(Options::durable()).await;
    let mut scene = Scene::prepare();
    scene.pki.install_root(&scene.config.trust.roots);
    scene.start().await;
    let carrier = scene.pki.carrier("683G");
    let alone = scene.signing_key().await;
    let drawn = pending(&alone);
    let answer = scene.draw(&carrier, "683G", &drawn.request()).await;
    finished(&drawn, answer.ok());
    let log_key = scene.get("/log/key", &[]).await.body;
    scene.stop().await;

    let wrapping = scene.path("wrapping.key");
    atomic_file::write_private(&wrapping, "5e".repeat(32).as_bytes()).unwrap();
    scene.config.token_keys.wrapping_key = Some(wrapping);
    scene.config.store = Some(RedisOptions::new(server.url().parse().unwrap()));
    // No key begins close to the one that the log has.
    let moved = NOW.plus(Duration::from_secs(3600));
    scene.hand.set(moved);
    scene.start().await;
    assert_eq!(scene.get("/log/key", &[]).await.body, log_key);
    let first = scene.signing_key().await;
    assert_ne!(first.id(), alone.id());
    // Turned once more, it has looked for totals.
    scene.hand.set(moved.plus(DAY - AHEAD));
    let listed = scene.directory_until(|keys| keys.len() == 2).await;
    let (_, said) = log_of(&scene).await;
    let announced: Vec<_> = said
        .iter()
        .map(|one| match one {
            Statement::TokenKeyAnnounced { key, .. } => key.id(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = [alone.id()].into_iter().chain(ids(&listed)).collect();
    assert_eq!(announced.len(), 3);
    assert!(expected.iter().all(|id| announced.contains(id)));
}
