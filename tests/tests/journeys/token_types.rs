//! VOPRF tokens, where one operator runs issuer and CPS: drawn and spent like any
//! others, in single requests, generic and amortized batches.

use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_issuer::signer::KeyType;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_privacypass::voprf::{
    AMORTIZED_REQUEST_TYPE, AMORTIZED_RESPONSE_TYPE, AmortizedRequest, AmortizedResponse,
    PendingVoprfToken, finalize_amortized,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Spendable, attestation};
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const VOPRF: [KeyType; 2] = [KeyType::VoprfRistretto255, KeyType::VoprfP384];

fn world(tokens: KeyType, same_operator: bool) -> World {
    let mut world = World::new(Clock::system());
    world.issuer.token_keys.token_type = tokens;
    let keys = world.issuer.issuer.data_directory.join("keys");
    world.cps.issuer[0].voprf_keys = same_operator.then_some(keys);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn voprf_tokens_are_drawn_and_spent_like_any_others() {
    for tokens in VOPRF {
        let world = world(tokens, true);
        let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        let _cps = Process::start(SERVICE, Role::Cps, &world).await;
        let mailbox = world.mailbox().await;
        let drawn = world.draw(3).await;
        assert_eq!(drawn[0].token.token_type, tokens.token_type());
        for token in &drawn {
            let request = world.spend(token, &mailbox, "a.passport.x");
            world.store(&request).await.unwrap().assert_created();
            world.store(&request).await.unwrap().assert_created();
        }
        assert_eq!(world.read(&mailbox).await, ["a.passport.x"; 3]);
        let twice = world.spend(&drawn[0], &mailbox, "another.passport.x");
        let refusal = world.store(&twice).await.unwrap();
        assert_eq!(refusal.problem(), ProblemType::TokenAlreadySpent);

        let mut forged = world.draw_one().await;
        forged.token.authenticator[7] ^= 1;
        let forged = world.spend(&forged, &mailbox, "a.passport.x");
        let refusal = world.store(&forged).await.unwrap();
        assert_eq!(refusal.problem(), ProblemType::TokenInvalid);

        // The key is found again, and what was drawn with it is good.
        let kept = world.draw_one().await;
        issuer.kill();
        let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        let request = world.spend(&kept, &mailbox, "a.passport.x");
        world.store(&request).await.unwrap().assert_created();
        world.draw_one().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amortized_batch_is_answered_with_one_proof() {
    for tokens in VOPRF {
        let world = world(tokens, true);
        let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        let _cps = Process::start(SERVICE, Role::Cps, &world).await;
        let TokenKey::Voprf(key) = world.signing_key().await else {
            panic!("another type");
        };
        let challenge = world.challenge().digest();
        let secrets: Vec<_> = (0..5)
            .map(|_| SpendKey::generate(&mut rand::rng()))
            .collect();
        let pending: Vec<_> = secrets
            .iter()
            .map(|secret| PendingVoprfToken::blind(&key, secret.nonce(), challenge).unwrap())
            .collect();
        let request = AmortizedRequest {
            kind: key.kind(),
            truncated_token_key_id: key.id().truncated(),
            blinded: pending.iter().map(|one| one.blinded().into()).collect(),
        };
        let body = request.to_bytes();
        let jwt = attestation(
            &world.carrier,
            world.issuer_name(),
            &body,
            world.clock.now(),
        );
        let url = format!("http://{}/token-request", world.issuer_name());
        let post = world.client.post(url).bearer_auth(jwt).body(body);
        let answer = Answer::to(post.header("content-type", AMORTIZED_REQUEST_TYPE)).await;
        let answer = answer.unwrap();
        assert_eq!(answer.headers["content-type"], AMORTIZED_RESPONSE_TYPE);
        let response = AmortizedResponse::parse(key.kind(), answer.content(), 5).unwrap();
        let pending: Vec<_> = pending.iter().collect();
        let mailbox = world.mailbox().await;
        let drawn = finalize_amortized(&pending, &response).unwrap();
        for (token, key) in drawn.into_iter().zip(secrets) {
            let request = world.spend(&Spendable { token, key }, &mailbox, "a.passport.x");
            world.store(&request).await.unwrap().assert_created();
        }
        assert_eq!(world.read(&mailbox).await.len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_without_the_issuers_key_takes_no_voprf_token_and_says_why() {
    let mut world = world(KeyType::VoprfRistretto255, false);
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    // It is never ready: no token could be redeemed.
    let config = pennyblack_tests::process::write_config(Role::Cps, &world);
    let mut command = std::process::Command::new(SERVICE);
    command.arg("cps").arg("--config").arg(config);
    let [_, log] = Process::output(Role::Cps, &world);
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = pennyblack_tests::wait::until(
        "the reason in the log",
        std::time::Duration::from_secs(30),
        async || {
            let text = std::fs::read_to_string(&log).unwrap();
            text.contains("issuer.voprf_keys").then_some(text)
        },
    )
    .await;
    assert!(said.contains("tokens of a key are not taken"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    // With the key, everything is well again.
    let keys = world.issuer.issuer.data_directory.join("keys");
    world.cps.issuer[0].voprf_keys = Some(keys);
    let _cps = Process::start(SERVICE, Role::Cps, &world).await;
    let mailbox = world.mailbox().await;
    let request = world.spend(&world.draw_one().await, &mailbox, "a.passport.x");
    world.store(&request).await.unwrap().assert_created();
}
