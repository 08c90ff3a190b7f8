//! Several nodes of one CPS have one log: one of them leads it, all of them show it, and
//! what any of them sees is in it before anybody is told.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_audit::{Auditor, Log, LogPlace};
use pennyblack_base::problem::{PROBLEM_MEDIA_TYPE, ProblemType};
use pennyblack_cps::log::LogLine;
use pennyblack_cps::{Config, Cps};
use pennyblack_evidence::log_entry::{EpochTotals, LogEntry, Statement};
use pennyblack_http::HttpOptions;
use pennyblack_logserver::nodes::ASKED_BY_NODE;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start::RunningService;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::nodes::Nodes;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Longest wait for a node to notice something.
const NOTICED: Duration = Duration::from_secs(60);
/// Longest wait for two days by the clock that the test sets, in which keys are made.
const TWO_DAYS: Duration = Duration::from_secs(180);
/// How long an hour of the services' clock takes at least, where it is moved by hand.
const AN_HOUR_TAKES: Duration = Duration::from_millis(150);

async fn redis() -> RedisServer {
    RedisServer::start(Options::durable().with("hash-max-listpack-value", "128")).await
}

fn over(redis: &RedisServer) -> impl Fn(usize, &mut Config) {
    let url = redis.url();
    move |_, config| config.store = Some(RedisOptions::new(url.parse().unwrap()))
}

async fn get(world: &World, node: SocketAddr, path: &str) -> Answer {
    let url = format!("http://{node}{path}");
    Answer::to(world.client.get(url)).await.unwrap()
}

/// The double spends that a node tells.
async fn lines(world: &World, node: SocketAddr) -> Vec<LogLine> {
    let answer = get(world, node, "/v1/double-spends").await;
    let text = String::from_utf8(answer.content().to_vec()).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// The log as a reader has it who asks this node.
async fn log_at(world: &World, node: SocketAddr) -> Log {
    let key = get(world, node, "/log/key").await;
    let key = String::from_utf8(key.content().to_vec()).unwrap();
    let http = HttpOptions::default().client().unwrap();
    Log {
        place: LogPlace::new(&format!("http://{node}/log"), &http).unwrap(),
        key: key.trim_end().parse::<VerifierKey>().unwrap(),
        policy: WitnessPolicy::default(),
    }
}

/// What the log says, in its order, as far as it is under a checkpoint.
async fn statements(world: &World, node: SocketAddr) -> Vec<Statement> {
    let log = log_at(world, node).await;
    let reader = LogReader::new(log.place, log.key, log.policy);
    let checkpoint = reader.checkpoint().await.unwrap();
    let mut statements = Vec::new();
    let visit = |_, bytes: &[u8]| {
        statements.push(LogEntry::parse(bytes).unwrap().statement);
        Ok::<_, ReadLogError>(())
    };
    let beginning = Position::default();
    let read = reader.advance(&beginning, &checkpoint, visit);
    read.await.unwrap();
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn what_either_node_sees_is_in_one_log_that_both_show() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let mut nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let [leader, other] = nodes.addresses()[..] else {
        panic!("two nodes");
    };
    let mailbox = world.mailbox_at(&[leader, other]).await;
    let tokens = world.draw(6).await;
    let [first, second] = ["first.of.two", "second.of.two"].map(|passport| {
        let spend = |token| world.spend(token, &mailbox, passport);
        tokens.iter().map(spend).collect::<Vec<_>>()
    });
    for (place, request) in first.iter().enumerate() {
        let node = [leader, other][place % 2];
        world.store_at(node, request).await.assert_created();
    }
    // Four double spends, two at each node, the last ones at the same time.
    let refused = |answer: Answer| assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    refused(world.store_at(other, &second[0]).await);
    refused(world.store_at(leader, &second[1]).await);
    let (at_other, at_leader) = tokio::join!(
        world.store_at(other, &second[2]),
        world.store_at(leader, &second[3])
    );
    refused(at_other);
    refused(at_leader);
    let told = lines(&world, leader).await;
    assert_eq!(told.len(), 4);
    assert_eq!(lines(&world, other).await, told);
    // A repeated one is no other entry, wherever it comes.
    for node in [leader, other] {
        refused(world.store_at(node, &second[0]).await);
    }
    assert_eq!(lines(&world, other).await, told);

    // An auditor who asks a follower finds all of it sound.
    let followed = until("all entries under a checkpoint", NOTICED, async || {
        let auditor = Auditor::new(log_at(&world, other).await, None).unwrap();
        let followed = auditor
            .follow(world.clock.now(), || Ok(None), NOTICED, |_, _, _| ())
            .await
            .unwrap();
        let is_all = followed.double_spends == 4 && followed.records.published == 1;
        is_all.then_some(followed)
    })
    .await;
    assert_eq!(followed.cps.now, 6);
    let shown = get(&world, leader, "/log/checkpoint").await;
    let passed_on = get(&world, other, "/log/checkpoint").await;
    assert_eq!(passed_on.content(), shown.content());
    assert_eq!(passed_on.headers["cache-control"], "no-cache");
    for path in ["/log/tile/0/x", "/log/tile/entries/007"] {
        assert_eq!(get(&world, other, path).await.status, StatusCode::NOT_FOUND);
    }

    // Somebody who poses as a node is at fault, not the service.
    for path in [
        "/log/checkpoint",
        "/log/tile/0/000.p/1",
        "/v1/double-spends",
    ] {
        let asked = world.client.get(format!("http://{other}{path}"));
        let posing = Answer::to(asked.header(ASKED_BY_NODE, "1")).await.unwrap();
        assert_eq!(posing.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert_eq!(posing.headers["content-type"], PROBLEM_MEDIA_TYPE);
    }

    // While the leader is dead nobody is accused; everything else goes on.
    nodes.kill(0);
    let unknown = world.store_at(other, &second[4]).await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(unknown.headers.contains_key("retry-after"));
    let token = world.draw_one().await;
    let request = world.spend(&token, &mailbox, "one.more.call");
    world.store_at(other, &request).await.assert_created();
    let away = get(&world, other, "/log/checkpoint").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.headers.contains_key("retry-after"));
    nodes.restart(0, &world).await;
    refused(world.store_at(other, &second[4]).await);
    assert_eq!(lines(&world, other).await.len(), 5);

    // The other one begins anew, and takes tokens: it has read that their key is open.
    nodes.restart(1, &world).await;
    let token = world.draw_one().await;
    let request = world.spend(&token, &mailbox, "and.another.call");
    world.store_at(other, &request).await.assert_created();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_that_would_lead_the_log_does_nothing_and_says_what_to_do() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let _leader = Nodes::start(SERVICE, &world, 1, over(&redis)).await;
    let mut config = world.cps.clone();
    over(&redis)(1, &mut config);
    config.cps.data_directory = world.path("second");
    config.public = pennyblack_runtime::config::PublicConfig::plain(([127, 0, 0, 1], 0).into());
    let second = Cps::start(config, Clock::system()).await.unwrap();
    let url = format!("http://{}/readyz", second.addresses().admin);
    let said = until("why it is not ready", NOTICED, async || {
        let answer = Answer::to(world.client.get(&url)).await.unwrap();
        let said = answer.text();
        said.contains("another node leads this log").then_some(said)
    })
    .await;
    assert!(said.contains("transparency_log.leader"), "{said}");
    // It shows no log, has no key open, and so takes no token.
    let node = second.addresses().public;
    for path in ["/log/checkpoint", "/log/key"] {
        let log = get(&world, node, path).await;
        assert_eq!(log.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let asked = world.post_nothing_at(&node.to_string()).await;
    assert!(!asked.headers.contains_key("www-authenticate"));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_a_node_reports_double_spends_and_nothing_that_is_none() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let redis = redis().await;
    let nodes = Nodes::start(SERVICE, &world, 2, over(&redis)).await;
    let [leader, other] = nodes.addresses()[..] else {
        panic!("two nodes");
    };
    let mailbox = world.mailbox_at(&[leader, other]).await;
    let token = world.draw_one().await;
    let request = world.spend(&token, &mailbox, "a.b.c");
    world.store_at(leader, &request).await.assert_created();
    let request = world.spend(&token, &mailbox, "d.e.f");
    let conflict = world.store_at(other, &request).await;
    assert_eq!(conflict.problem(), ProblemType::TokenAlreadySpent);
    let evidence = lines(&world, leader).await[0].evidence().unwrap();

    let secret = fs::read(nodes.data_directory(1).join("decoy-secret")).unwrap();
    let secret = pennyblack_sealing::envelope::DecoyKeys::new(&secret.try_into().unwrap());
    let credential = secret.node_credential().to_string();
    let report = async |credential: &str, body: String| {
        let url = format!("http://{leader}/log/double-spends");
        let post = world.client.post(url).bearer_auth(credential).body(body);
        Answer::to(post).await.unwrap().status
    };
    let mut forged = evidence.clone();
    forged.requests[1].digest.0[0] ^= 1;
    let mut retry = evidence.clone();
    retry.requests[1] = retry.requests[0];
    let mut elsewhere = evidence.clone();
    elsewhere.cps = "other.example".parse().unwrap();
    for (credential, body, status) in [
        ("", evidence.to_json(), StatusCode::UNAUTHORIZED),
        ("AAAA", evidence.to_json(), StatusCode::UNAUTHORIZED),
        (&credential, "{}".to_owned(), StatusCode::BAD_REQUEST),
        (
            &credential,
            forged.to_json(),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &credential,
            retry.to_json(),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &credential,
            elsewhere.to_json(),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (&credential, evidence.to_json(), StatusCode::NO_CONTENT),
    ] {
        assert_eq!(report(credential, body).await, status);
    }
    assert_eq!(lines(&world, leader).await.len(), 1);
    // A follower takes no reports, and passes none on.
    let url = format!("http://{other}/log/double-spends");
    let post = world.client.post(url).bearer_auth(&credential);
    let answer = Answer::to(post.body(evidence.to_json())).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

/// A second node of the CPS in this process, ready; it follows the log of the first.
async fn second_node(world: &World) -> RunningService {
    let mut config = world.cps.clone();
    config.cps.data_directory = world.path("other");
    config.public = pennyblack_runtime::config::PublicConfig::plain(([127, 0, 0, 1], 0).into());
    let leader = world.cps.public.listen;
    config.transparency_log.leader = Some(format!("http://{leader}"));
    let second = Cps::start(config, world.clock.clone()).await.unwrap();
    let url = format!("http://{}/readyz", second.addresses().admin);
    until("the other node to be ready", NOTICED, async || {
        let answer = Answer::to(world.client.get(&url)).await.unwrap();
        (answer.status == StatusCode::OK).then_some(())
    })
    .await;
    second
}

async fn until_open_at(world: &World, node: SocketAddr) {
    until("the open epoch at the other node", NOTICED, async || {
        let answer = world.post_nothing_at(&node.to_string()).await;
        let has_key = answer.headers.contains_key("www-authenticate");
        has_key.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_opened_and_closed_once_and_its_totals_are_those_of_both_nodes() {
    let redis = redis().await;
    let options = RedisOptions::new(redis.url().parse().unwrap());
    let scene = Scene::open_with(|world| world.cps.store = Some(options)).await;
    let world = &scene.world;
    let leader = world.cps.public.listen;
    let second = second_node(world).await;
    let other = second.addresses().public;
    let mailbox = world.mailbox_at(&[leader, other]).await;
    let first_key = world.signing_key().await.id();
    let tokens = world.draw(4).await;
    until_open_at(world, other).await;
    let refuse = async |node, token: &Spendable, passport: &str| {
        let request = world.spend(token, &mailbox, passport);
        let refused = world.store_at(node, &request).await;
        assert_eq!(refused.problem(), ProblemType::TokenAlreadySpent);
    };
    // Each node stores two, repeats each once, and refuses another request once; then both
    // refuse one more with each token.
    for (place, token) in tokens.iter().enumerate() {
        let node = [leader, other][place % 2];
        let request = world.spend(token, &mailbox, "a.b.c");
        for _ in 0..2 {
            world.store_at(node, &request).await.assert_created();
        }
        refuse(node, token, "d.e.f").await;
        refuse(leader, token, "at.the.leader").await;
        refuse(other, token, "at.the.other").await;
    }
    // In another life the other node refuses one more, of which the leader has evidence.
    second.stop().await;
    let second = second_node(world).await;
    let other = second.addresses().public;
    until_open_at(world, other).await;
    refuse(other, &tokens[0], "after.a.restart").await;
    let said = until("the totals of the first key", TWO_DAYS, async || {
        tokio::time::sleep(AN_HOUR_TAKES).await;
        scene.hand.advance(Duration::from_secs(3600));
        let said = statements(world, other).await;
        let is_closed = said
            .iter()
            .any(|one| matches!(one, Statement::KeyEpochClosed { .. }));
        is_closed.then_some(said)
    })
    .await;
    let opened = said.iter().filter(
        |one| matches!(one, Statement::KeyEpochOpened { key, .. } if key.id() == first_key),
    );
    assert_eq!(opened.count(), 1);
    let closed: Vec<_> = said
        .iter()
        .filter_map(|one| match one {
            Statement::KeyEpochClosed {
                token_key_id,
                totals,
            } if *token_key_id == first_key => Some(*totals),
            _ => None,
        })
        .collect();
    let totals = EpochTotals {
        spent: 4,
        replayed: 4,
        refused: 4 * 3 + 1,
        further_double_spends: 4 * 2 + 1,
    };
    assert_eq!(closed, [totals]);
    let logged = said.iter();
    let logged = logged.filter(|one| matches!(one, Statement::DoubleSpend(_)));
    assert_eq!(logged.count(), tokens.len());
    // The next key is open at both.
    let mailbox = world.mailbox_at(&[leader, other]).await;
    let token = world.draw_one().await;
    let request = world.spend(&token, &mailbox, "g.h.i");
    until(
        "a token of the next key at the other node",
        NOTICED,
        async || {
            let answer = world.store_at(other, &request).await;
            match answer.status {
                StatusCode::CREATED => Some(()),
                // The log, or the issuer's directory: that of before its restart.
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::UNAUTHORIZED => None,
                status => panic!("{status}: {}", answer.text()),
            }
        },
    )
    .await;
    second.stop().await;
    scene.close().await;
}
