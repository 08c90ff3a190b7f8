//! A call from end to end over real sockets: a carrier stores the PASSporT for
//! the OOB-VS of the called number, which verifies the call; also when
//! answers are lost, when the OOB-AS's process dies, and when tokens are
//! copied.

mod clocks;
mod copies;
mod crowds;
mod gateway;
mod scene;

use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{
    KeyLookup, OobAuthenticationError, ResendTotals, SecondAttempt,
};
use pennyblack_client::verification_service::{OobVerificationError, PublishError};
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpError, RetryPolicy};
use pennyblack_privacypass::token::Token;
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::prepared_answers::{PreparedAnswers, header};

use self::scene::{Scene, call_from, number};

const NOW: UnixTime = UnixTime(1_800_000_000);
const CALLER: &str = "12155550100";
const CALLEE: &str = "12125550142";

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

#[tokio::test]
async fn a_call_is_verified_by_everybody_who_answers_the_called_number() {
    let scene = Scene::set(4).await;
    let desk = RecipientKey::generate(Kem::XWing, &mut rand::rng()).unwrap();
    scene
        .register("office", &desk, Coverage::Number(number(CALLEE)))
        .await
        .unwrap();

    assert_eq!(scene.place_call(scene.address(), QUICK).await.unwrap(), 2);
    assert_eq!(scene.tokens(), 2, "one token for each copy");
    for key in [&scene.office, &desk] {
        let verdict = scene.verify(key, CALLER).await;
        assert!(verdict.is_valid(), "{verdict:?}");
        assert_eq!(
            verdict.passports[0]
                .signer()
                .spcs()
                .next()
                .unwrap()
                .as_str(),
            "683G"
        );
    }
    scene.end().await;
}

#[tokio::test]
async fn no_connection_links_two_stores_nor_a_store_with_a_look_up() {
    let scene = Scene::set(3).await;
    let proxy = LossyProxy::start(scene.address()).await.unwrap();
    let caller = scene.federation.caller(proxy.address(), QUICK).unwrap();
    let found = caller
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    for _ in 0..3 {
        let passport = scene.passport();
        caller
            .store(
                &scene.wallet,
                &passport,
                &found.keys[0],
                &SecondAttempt::default(),
                NOW,
            )
            .await
            .unwrap();
    }
    assert_eq!(proxy.connections(), 4);
    assert_eq!(scene.entries(&scene.office).await, 3);
    scene.end().await;
}

#[tokio::test]
async fn a_recipient_who_waits_hears_of_the_call_when_it_comes() {
    let scene = Scene::set(1).await;
    let follower = scene
        .federation
        .follow(&scene.office, scene.address(), None);
    let follower = follower.unwrap();
    let mut changes = follower.changes();
    let heard = async {
        while !follower.peek(&call_from(CALLER)).is_valid() {
            changes.changed().await.unwrap();
        }
    };
    let waiting = tokio::time::timeout(Duration::from_secs(60), heard);
    let placing = async {
        // The first look has found nothing by now or finds it later: both are fine.
        tokio::task::yield_now().await;
        scene.place_call(scene.address(), QUICK).await.unwrap();
    };
    let (heard, ()) = tokio::join!(waiting, placing);
    heard.unwrap();
    follower.stop().await;
    scene.end().await;
}

#[tokio::test]
async fn without_a_passport_for_the_call_the_verdict_says_so() {
    let scene = Scene::set(1).await;
    let before = scene.verify(&scene.office, CALLER).await;
    assert!(
        before.is_no_passport() && before.incomplete.is_empty(),
        "{before:?}"
    );
    scene.place_call(scene.address(), QUICK).await.unwrap();
    let another = scene.verify(&scene.office, "12155550199").await;
    assert!(another.is_no_passport(), "{another:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_cps_that_is_gone_gives_no_verdict() {
    let scene = Scene::set(1).await;
    let Scene {
        federation,
        issuer,
        cps,
        office,
        ..
    } = scene;
    let address = cps.addresses().public;
    cps.stop().await;
    let follower = federation.follow(&office, address, Some(3)).unwrap();
    follower.finished().await;
    let verdict = follower.peek(&call_from(CALLER));
    assert_eq!(verdict.incomplete.len(), 1);
    assert!(matches!(
        follower.take_failure(),
        Some(OobVerificationError::Http(HttpError::NoAnswer { .. }))
    ));
    issuer.stop().await;
}

#[tokio::test]
async fn a_lost_answer_stores_one_copy_for_one_token() {
    let scene = Scene::set(2).await;
    let proxy = LossyProxy::start(scene.address()).await.unwrap();
    proxy.lose(2);
    scene.place_call(proxy.address(), QUICK).await.unwrap();
    assert_eq!(proxy.lost(), 2);
    assert_eq!(scene.entries(&scene.office).await, 1);
    assert_eq!(scene.tokens(), 1);
    assert!(scene.wallet.outbox().unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn an_oob_as_that_died_before_the_answer_sends_the_same_request_after_its_restart() {
    let scene = Scene::set(2).await;
    let proxy = LossyProxy::start(scene.address()).await.unwrap();
    proxy.lose(1);
    let cut_off = scene.place_call(proxy.address(), RetryPolicy::NONE).await;
    assert!(
        matches!(cut_off, Err(OobAuthenticationError::Unknown { .. })),
        "{cut_off:?}"
    );
    assert_eq!(scene.tokens(), 1);

    // Another process, with the same wallet file.
    let reopened = Wallet::open(&scene.federation.home().join("wallet.db")).unwrap();
    let caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    let resent = caller.delivery().resend(&reopened, NOW).await.unwrap();
    let all_stored = ResendTotals {
        stored: 1,
        ..ResendTotals::default()
    };
    assert_eq!(resent, all_stored);
    assert_eq!(
        scene.entries(&scene.office).await,
        1,
        "the first had arrived"
    );
    assert_eq!(
        caller.delivery().resend(&reopened, NOW).await.unwrap(),
        ResendTotals::default()
    );
    scene.end().await;
}

#[tokio::test]
async fn a_stale_passport_costs_no_token_and_a_busy_cps_has_stored_nothing() {
    let scene = Scene::set(1).await;
    let lookup = scene.federation.caller(scene.address(), QUICK).unwrap();
    let found = lookup
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    let answer = |status: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    };
    let answers = ["429 Too Many Requests", "201 Created"].map(answer);
    let cps = PreparedAnswers::start(answers.to_vec()).await.unwrap();
    let caller = scene.federation.caller(cps.address(), RetryPolicy::NONE);
    let caller = caller.unwrap();
    let second = SecondAttempt::default();
    for at in [UnixTime(NOW.0 - 61), UnixTime(NOW.0 + 11)] {
        let passport = scene.passport_at(at);
        let stored = caller.store(&scene.wallet, &passport, &found.keys[0], &second, NOW);
        let refused = stored.await.unwrap_err();
        let is_not_fresh = matches!(refused, OobAuthenticationError::NotFresh(_));
        assert!(is_not_fresh, "{refused}");
        assert_eq!((scene.tokens(), cps.requests().len()), (1, 0));
    }
    let passport = scene.passport();
    let stored = caller.store(&scene.wallet, &passport, &found.keys[0], &second, NOW);
    let busy = stored.await.unwrap_err();
    assert!(busy.to_string().starts_with("not stored: "), "{busy}");
    assert!(busy.is_kept());
    let resent = caller.delivery().resend(&scene.wallet, NOW).await.unwrap();
    assert_eq!(resent.stored, 1);
    let requests = cps.requests();
    assert_eq!(requests[0], requests[1]);
    scene.end().await;
}

#[tokio::test]
async fn a_token_from_a_copied_wallet_is_refused_as_spent() {
    let scene = Scene::set(1).await;
    let original = scene.federation.home().join("wallet.db");
    let copy = scene.federation.home().join("copy.db");
    // Everything is in the -wal file until the wallet is closed.
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", original.display());
        std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
    }
    let copied = Wallet::open(&copy).unwrap();
    scene.place_call(scene.address(), QUICK).await.unwrap();

    let caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    let found = caller
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    let again = caller
        .store(
            &copied,
            &scene.passport(),
            &found.keys[0],
            &SecondAttempt::default(),
            NOW,
        )
        .await;
    let Err(OobAuthenticationError::Refused { error }) = again else {
        panic!("{again:?}");
    };
    assert_eq!(
        error.refused().unwrap().kind(),
        Some(ProblemType::TokenAlreadySpent)
    );
    assert_eq!(scene.entries(&scene.office).await, 1);
    scene.end().await;
}

#[tokio::test]
async fn a_call_whose_tokens_key_is_closed_is_paid_for_with_one_of_another_key_once() {
    let (clock, hand) = Clock::by_hand(NOW);
    let scene = Scene::set_by(clock, 3).await;
    let lookup = scene.federation.caller(scene.address(), QUICK).unwrap();
    let found = lookup
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    scene.draw_two_under_another_key(&hand).await;
    let now = scene.federation.clock().now();

    let refusal = ProblemType::TokenInvalid.document().to_json();
    let refused = format!(
        "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{refusal}",
        refusal.len()
    );
    let taken = "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    for (second, succeeds) in [(taken, true), (refused.as_str(), false)] {
        let answers = vec![refused.clone(), second.to_owned()];
        let cps = PreparedAnswers::start(answers).await.unwrap();
        let caller = scene.federation.caller(cps.address(), QUICK).unwrap();
        let attempt = SecondAttempt::default();
        let stored = caller
            .store(
                &scene.wallet,
                &scene.passport_at(now),
                &found.keys[0],
                &attempt,
                now,
            )
            .await;
        match stored {
            Ok(_) => assert!(succeeds),
            Err(OobAuthenticationError::Refused { .. }) => assert!(!succeeds),
            Err(other) => panic!("{other}"),
        }
        let requests = cps.requests();
        let [first, second] = requests.as_slice() else {
            panic!("{} requests", requests.len());
        };
        let token = |request| Token::from_authorization(header(request, "authorization")).unwrap();
        assert_ne!(token(first).token_key_id, token(second).token_key_id);
        // Sealed and signed anew: nothing of the one is in the other.
        for field in ["content-digest", "signature"] {
            assert_ne!(header(first, field), header(second, field), "{field}");
        }
        if !succeeds {
            // Another copy of the same call has no second attempt.
            let other = caller
                .store(
                    &scene.wallet,
                    &scene.passport_at(now),
                    &found.keys[0],
                    &attempt,
                    now,
                )
                .await;
            let is_refused = matches!(other, Err(OobAuthenticationError::Refused { .. }));
            assert!(is_refused, "{other:?}");
            assert_eq!(cps.requests().len(), 3);
        }
    }
    assert_eq!(scene.tokens(), 0);
    assert!(scene.wallet.outbox().unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_block_look_up_finds_the_same_key_without_telling_the_number() {
    let scene = Scene::set(1).await;
    let caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    let block = KeyLookup::Block { digits: 7 };
    let found = caller.keys_of(&number(CALLEE), block, NOW).await.unwrap();
    let mailboxes: Vec<_> = found.keys.iter().map(|key| key.mailbox()).collect();
    assert_eq!(mailboxes, [scene.office.mailbox()]);
    let nobody = caller
        .keys_of(&number("12125550999"), block, NOW)
        .await
        .unwrap();
    assert!(nobody.keys.is_empty() && nobody.refused.count == 0);
    scene.end().await;
}

#[tokio::test]
async fn a_key_for_numbers_that_the_certificate_does_not_hold_is_not_registered() {
    let scene = Scene::set(1).await;
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    for name in ["carrier", "office"] {
        let elsewhere = Coverage::Number(number("12125559999"));
        let PublishError::Http(error) = scene.register(name, &key, elsewhere).await.unwrap_err()
        else {
            panic!("not a refusal");
        };
        let kind = error.refused().unwrap().kind();
        assert_eq!(
            kind,
            Some(ProblemType::NumberNotAuthorized),
            "{name}: {error}"
        );
    }
    scene.end().await;
}
