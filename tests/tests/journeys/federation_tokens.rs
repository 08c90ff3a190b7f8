//! Federation tokens over real sockets: one stock for three CPSs, at each of which a token is
//! good once, and CPSs that take only tokens of the other kind.

use std::time::Duration;

use http::StatusCode;
use pennyblack_audit::{Auditor, Log, LogPlace, StateDirectory};
use pennyblack_base::authority::Authority;
use pennyblack_base::problem::ProblemType;
use pennyblack_client::auth_service::OobAuthenticationError;
use pennyblack_client::carrier::{Carrier, CarrierError};
use pennyblack_client::wallet::{SpendError, Wallet};
use pennyblack_cps::AcceptedTokens::{Both, Federation, Own};
use pennyblack_cps::log::LogLine;
use pennyblack_http::RetryPolicy;
use pennyblack_issuer::signer::KeyType;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{TokenScope, TokenType};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_protocol::store_request::{MEDIA_TYPE, SignedStoreRequest};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Drawing, Spendable};
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::three_cpss::{ThreeCpss, call, until_read};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const CALLS: u64 = 8;
/// Longest wait for what comes into a log within a second or two.
const SOON: Duration = Duration::from_secs(30);

/// Draws in plain protocol.
async fn draw(world: &World, scope: &TokenScope, tokens: usize) -> Vec<Spendable> {
    let challenge = scope.challenge(TokenType::BLIND_RSA_2048, world.issuer_name());
    let challenge = challenge.unwrap().digest();
    let drawing = Drawing::blind(&world.signing_key().await, challenge, tokens);
    let answer = world.send_drawing(&drawing).await.unwrap();
    drawing.finish(answer.content())
}

/// The CPSs, for requests in plain protocol.
struct Scene(ThreeCpss);

impl Scene {
    /// Sends a request to a CPS, for which it may have been signed or not.
    async fn send(&self, cps: usize, request: &SignedStoreRequest) -> Answer {
        let address = self.0.names[cps].as_str().parse().unwrap();
        self.0.world.store_at(address, request).await
    }

    fn spend(&self, token: &Spendable, cps: usize, passport: &str) -> SignedStoreRequest {
        let now = self.0.world.clock.now();
        token.spend_on(&self.0.mailbox(), &self.0.names[cps], passport, now)
    }

    /// What a CPS wants tokens for.
    async fn scopes(&self, cps: usize) -> Vec<TokenScope> {
        let world = &self.0.world;
        let url = world.url_of(self.0.names[cps].as_str());
        let post = world.client.post(format!("{url}/v1/passports"));
        let post = post.header("content-type", MEDIA_TYPE).body(vec![0; 2080]);
        let challenges = Answer::to(post).await.unwrap().challenges();
        let origins = challenges.iter().map(|one| one.challenge.origin_info());
        origins
            .map(|origin| TokenScope::of_origin_info(origin).unwrap())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_copies_at_two_of_three_cpss_costs_one_token_of_one_stock() {
    let mut scene = ThreeCpss::open(SERVICE, [Federation; 3]).await;
    scene.draw(TokenScope::Federation, 2 * CALLS).await;
    scene.register(2).await;
    for nth in 0..CALLS {
        assert_eq!(scene.place(nth).await.len(), 2);
        assert_eq!(scene.held(TokenScope::Federation), 2 * CALLS - nth - 1);
    }
    // One dies. Its copies go to the next CPS, with the token that it may have spent.
    let dead = scene.names[1].clone();
    scene.kill(1);
    for nth in CALLS..2 * CALLS {
        let at = scene.place(nth).await;
        assert!(at.len() == 2 && !at.contains(&dead), "{at:?}");
        assert_eq!(scene.held(TokenScope::Federation), 2 * CALLS - nth - 1);
    }
    let follower = scene.follow();
    until_read(&follower, &dead).await;
    for nth in 0..2 * CALLS {
        assert!(follower.peek(&call(nth)).is_valid(), "call {nth}");
    }
    follower.stop().await;
    // The stock is used up for all of them at once.
    let none = scene.try_to_place(2 * CALLS).await.unwrap_err();
    let no_token = |error: &_| {
        matches!(
            error,
            OobAuthenticationError::Spend(SpendError::NoToken { .. })
        )
    };
    assert!(no_token(&none), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once_at_each_cps_and_a_second_time_at_one_leaves_evidence_there() {
    let scene = Scene(ThreeCpss::open(SERVICE, [Federation; 3]).await);
    scene.0.register(3).await;
    let tokens = draw(&scene.0.world, &TokenScope::Federation, 2).await;
    let [token, other] = tokens.as_slice() else {
        panic!("two tokens");
    };
    for cps in 0..3 {
        let request = scene.spend(token, cps, "a.passport.x");
        scene.send(cps, &request).await.assert_created();
        // A repetition, as after a lost answer.
        scene.send(cps, &request).await.assert_created();
    }
    // A CPS, or a thief of the request, sends it to another CPS.
    let of_first = scene.spend(other, 0, "a.passport.x");
    let replayed = scene.send(1, &of_first).await;
    assert_eq!(replayed.problem(), ProblemType::SpendSignature);
    scene.send(0, &of_first).await.assert_created();
    // There the token is as it was.
    let of_second = scene.spend(other, 1, "a.passport.x");
    scene.send(1, &of_second).await.assert_created();

    let twice = scene.spend(token, 2, "another.passport.x");
    let refused = scene.send(2, &twice).await;
    assert_eq!(refused.problem(), ProblemType::TokenAlreadySpent);
    let found = [0, 1, 2].map(|cps| evidence(&scene.0, cps));
    let [first, second, third] = found;
    assert!(first.await.is_empty() && second.await.is_empty());
    let [line]: [LogLine; 1] = third.await.try_into().unwrap();
    let evidence = line.evidence().unwrap();
    let keys = scene.0.world.issuer_keys().await;
    let keys = keys
        .iter()
        .map(|key| TokenVerifyingKey::from_spki(&key.encoded).unwrap());
    let keys: Vec<_> = keys.map(TokenVerifier::BlindRsa).collect();
    let key = keys
        .iter()
        .find(|key| key.id() == evidence.token.token_key_id);
    let proven = evidence.verify(key.unwrap()).unwrap();
    assert_eq!(proven.cps(), &scene.0.names[2]);
    assert_eq!(proven.nonce(), token.key.nonce());
    // Nobody can turn what two CPSs have of an honest call into evidence.
    let mut forged = evidence.clone();
    forged.cps = scene.0.names[0].clone();
    assert!(forged.verify(key.unwrap()).is_err());
    until_audited(&scene.0, 2, 1).await;
    until_audited(&scene.0, 0, 0).await;
}

/// What a CPS publishes of double spends.
async fn evidence(scene: &ThreeCpss, cps: usize) -> Vec<LogLine> {
    let url = scene.world.url_of(scene.names[cps].as_str());
    let answer = scene.world.client.get(format!("{url}/v1/double-spends"));
    let answer = Answer::to(answer).await.unwrap();
    let lines = String::from_utf8(answer.content().to_vec()).unwrap();
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Waits until an auditor finds so many double spends in a CPS's log, beside the issuer's. It
/// finds nothing wrong with either.
async fn until_audited(scene: &ThreeCpss, cps: usize, double_spends: u64) {
    let world = &scene.world;
    let log = async |service: &Authority| {
        let url = format!("{}/log", world.url_of(service.as_str()));
        let key = Answer::to(world.client.get(format!("{url}/key"))).await;
        let key = String::from_utf8(key.unwrap().content().to_vec()).unwrap();
        Log {
            place: LogPlace::new(&url, &world.http_options().client().unwrap()).unwrap(),
            key: key.trim_end().parse::<VerifierKey>().unwrap(),
            policy: WitnessPolicy::default(),
        }
    };
    until("what the log says under a checkpoint", SOON, async || {
        let (cps, issuer) = (log(&scene.names[cps]).await, log(world.issuer_name()).await);
        let state = StateDirectory::new(&world.path("audit"));
        let auditor = Auditor::new(cps, [issuer]).unwrap();
        let followed = auditor.follow(world.clock.now(), || state.load(), SOON, |_, _, _| ());
        let followed = followed.await.unwrap();
        assert!(followed.stopped.is_none(), "{:?}", followed.stopped);
        let is_read = followed.is_complete() && followed.unfollowed.is_empty();
        (is_read && followed.double_spends == double_spends).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_names_the_tokens_that_it_takes_and_refuses_others() {
    let accepted = [Own, Federation, Both];
    let scene = Scene(ThreeCpss::open(SERVICE, accepted).await);
    scene.0.register(1).await;
    for (cps, accepted) in accepted.into_iter().enumerate() {
        let name = &scene.0.names[cps];
        assert_eq!(scene.scopes(cps).await, accepted.scopes(name));
        let all: Vec<TokenScope> = vec![name.into(), TokenScope::Federation];
        for scope in all {
            let token = draw(&scene.0.world, &scope, 1).await;
            let answer = scene.send(cps, &scene.spend(&token[0], cps, "a.b.c")).await;
            match accepted.scopes(name).contains(&scope) {
                true => answer.assert_created(),
                false => assert_eq!(answer.problem(), ProblemType::TokenInvalid),
            }
            if answer.status == StatusCode::UNAUTHORIZED {
                let named = answer.challenges().len();
                assert_eq!(named, accepted.scopes(name).len());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_first_token_is_of_the_wrong_kind_takes_one_of_the_kind_that_is_named() {
    let scene = ThreeCpss::open(SERVICE, [Federation, Own, Both]).await;
    scene.register(1).await;
    // Tokens of the first CPS alone, from before it joined; and a stock for the federation.
    scene.draw(&scene.names[0], 1).await;
    scene.draw(TokenScope::Federation, 16).await;
    let outside = scene.names[1].clone();
    for nth in 0..CALLS {
        // A token of the wrong kind costs no copy: the CPS has named another kind, or the
        // next CPS is asked.
        scene.place(nth).await;
    }
    let spent = 16 - scene.held(TokenScope::Federation);
    assert_eq!(spent, CALLS, "each call was paid with one");
    // For the CPS that is no member there are tokens now, and they are preferred.
    scene.draw(&outside, CALLS).await;
    for nth in CALLS..2 * CALLS {
        scene.place(nth).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_cpss_move_to_federation_tokens_and_no_call_is_lost() {
    let mut scene = ThreeCpss::open(SERVICE, [Own; 3]).await;
    for cps in &scene.names {
        scene.draw(cps, 4).await;
    }
    scene.register(2).await;
    let mut nth = 0..;
    let mut calls = async |scene: &ThreeCpss, calls: usize| {
        for nth in nth.by_ref().take(calls) {
            assert_eq!(scene.place(nth).await.len(), 2);
        }
    };
    calls(&scene, 1).await;
    // First each CPS takes both, one after the other. Carriers notice nothing.
    for number in 0..3 {
        scene.restart(number, Both).await;
        calls(&scene, 1).await;
    }
    assert_eq!(scene.held(TokenScope::Federation), 0);
    // Then the carrier draws for the federation. What it has left is used up.
    scene.draw(TokenScope::Federation, 64).await;
    calls(&scene, 4).await;
    let left = |scene: &ThreeCpss| scene.names.iter().map(|cps| scene.held(cps)).sum::<u64>();
    let (federation, own) = (scene.held(TokenScope::Federation), left(&scene));
    assert!(
        own <= 2 || federation < 16,
        "{own} and {federation} are left"
    );
    while left(&scene) > 0 {
        calls(&scene, 1).await;
    }
    // At last no CPS takes tokens of its own any more.
    for number in 0..3 {
        scene.restart(number, Federation).await;
        calls(&scene, 1).await;
    }
    assert!(scene.held(TokenScope::Federation) <= 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn federation_tokens_are_not_drawn_of_an_issuer_that_signs_another_type() {
    let mut world = World::new(Clock::system());
    world.issuer.token_keys.token_type = KeyType::VoprfP384;
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let carrier = Carrier {
        issuer: world.url_of(world.issuer_name().as_str()).parse().unwrap(),
        identity: world.carrier.clone(),
        batch: std::num::NonZeroUsize::MIN,
        retry: RetryPolicy::SHORT,
        log: Default::default(),
    };
    let client = world.http_options().client().unwrap();
    let wallet = Wallet::open(&world.path("wallet.db")).unwrap();
    let now = world.clock.now();
    let refused = carrier.draw(&client, &wallet, TokenScope::Federation, now);
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, CarrierError::NotForFederations(_)));
    let said = refused.to_string();
    assert!(
        said.contains("0x0001") && said.contains("blind-rsa"),
        "{said}"
    );
    // Nothing was asked for.
    assert!(wallet.pending_draws().unwrap().is_empty());
    let of_cps = carrier.draw(&client, &wallet, world.cps_name(), now).await;
    assert_eq!(of_cps.unwrap().received, 1);
    // And no CPS is set up to take such.
    world.cps.issuer[0].voprf_keys = Some(world.issuer.issuer.data_directory.join("keys"));
    for tokens in [Federation, Both] {
        world.cps.issuer[0].tokens = tokens;
        let refused = checked(&world.cps);
        assert!(refused.unwrap_err().contains("issuer.tokens"));
    }
    world.cps.issuer[0].tokens = Own;
    checked(&world.cps).unwrap();
}

fn checked(config: &pennyblack_cps::Config) -> Result<(), String> {
    let checked = pennyblack_runtime::config::Configuration::check(config);
    checked.map_err(|error| error.to_string())
}
