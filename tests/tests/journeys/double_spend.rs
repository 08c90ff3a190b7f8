//! One token, many requests at the same instant.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_cps::log::LogLine;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const AT_ONCE: usize = 32;
/// Longest wait for something that happens at once.
const SOON: Duration = Duration::from_secs(30);

/// Sends all of them at the same instant; the answers, in no order.
async fn store_at_once(world: &World, requests: Vec<SignedStoreRequest>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(requests.len()));
    let mut sending = JoinSet::new();
    for request in requests {
        let url = format!("http://{}/v1/passports", world.cps_name());
        let mut post = world.client.post(url).body(request.body().to_vec());
        for (name, value) in request.headers() {
            post = post.header(name, value);
        }
        let start = Arc::clone(&start);
        sending.spawn(async move {
            start.wait().await;
            Answer::to(post).await.unwrap()
        });
    }
    sending.join_all().await
}

async fn log_text(world: &World) -> String {
    let answer = world.get("/v1/double-spends").await;
    assert_eq!(answer.headers["content-type"], "application/jsonl");
    String::from_utf8(answer.content().to_vec()).unwrap()
}

fn evidence(log: &str) -> Vec<DoubleSpendEvidence> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<LogLine>(line).unwrap());
    lines.map(|line| line.evidence().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_token_one_is_stored_one_is_evidence_and_the_others_are_counted()
{
    let scene = Scene::open().await;
    let world = &scene.world;
    let (mailbox, token) = (world.mailbox().await, world.draw_one().await);
    let passports: Vec<_> = (0..AT_ONCE).map(|i| format!("passport.{i}.x")).collect();
    let requests = passports
        .iter()
        .map(|text| world.spend(&token, &mailbox, text));
    let answers = store_at_once(world, requests.collect()).await;

    let (stored, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(stored.len(), 1);
    for answer in &refused {
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    }
    let found = world.read(&mailbox).await;
    assert!(
        matches!(found.as_slice(), [one] if passports.contains(one)),
        "{found:?}"
    );

    // Anybody with the issuer's directory can check what the CPS says.
    let log = log_text(world).await;
    let evidence = evidence(&log);
    let [one] = evidence.as_slice() else {
        panic!("{} lines", evidence.len());
    };
    let published = world.issuer_keys().await;
    let keys = published
        .iter()
        .map(|key| TokenVerifier::BlindRsa(TokenVerifyingKey::from_spki(&key.encoded).unwrap()));
    let keys: Vec<_> = keys.collect();
    let id = one.token.token_key_id;
    let key = keys.iter().find(|key| key.id() == id).unwrap();
    let proven = one.verify(key).unwrap();
    assert_eq!(proven.nonce(), token.key.nonce());
    assert_eq!(proven.cps(), world.cps_name());
    assert!(
        !log.contains(&mailbox.id().to_string()),
        "a mailbox in the log"
    );
    // All but the one that was stored were refused, all but one more are not in the log.
    let expected = [AT_ONCE - 1, AT_ONCE - 2].map(Value::from);
    until("the counts of the key epoch", SOON, async || {
        let url = format!("{}status.json", scene.dashboard());
        let answer = Answer::to(world.client.get(url)).await.unwrap();
        let status: Value = serde_json::from_slice(answer.content()).unwrap();
        let epochs = status["epochs"].as_array().unwrap();
        let of_key = |epoch: &&Value| epoch["token_key_id"] == id.to_string();
        let epoch = epochs.iter().find(of_key).unwrap();
        let counted = ["refused", "further_double_spends"].map(|count| epoch[count].clone());
        (counted == expected).then_some(())
    })
    .await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_many_times_at_once_is_stored_once_and_accuses_nobody() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (mailbox, token) = (world.mailbox().await, world.draw_one().await);
    let request = world.spend(&token, &mailbox, "only.one.entry");
    for answer in store_at_once(world, vec![request; AT_ONCE]).await {
        answer.assert_created();
    }
    assert_eq!(world.read(&mailbox).await, ["only.one.entry"]);
    assert_eq!(log_text(world).await, "");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_same_lines_in_the_same_order_after_a_restart() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let mut requests = Vec::new();
    for token in world.draw(16).await {
        world
            .store(&world.spend(&token, &mailbox, "first.of.two"))
            .await
            .unwrap()
            .assert_created();
        requests.push(world.spend(&token, &mailbox, "second.of.two"));
    }
    for answer in store_at_once(world, requests).await {
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    }
    let before = log_text(world).await;
    assert_eq!(evidence(&before).len(), 16);
    let scene = scene.restart().await;
    assert!(
        log_text(&scene.world).await == before,
        "other lines, or in another order"
    );
    scene.close().await;
}
