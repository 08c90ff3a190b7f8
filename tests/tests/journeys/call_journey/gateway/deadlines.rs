//! What is wrong behind the gateway, and how long its calls take then.

use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_engine::{
    Counts, EngineParts, Finding, Passport, Reason, SignOutcome, SigningParts, Trunk,
};
use pennyblack_http::HttpOptions;
use pennyblack_tests::faulty_proxy::Fault;
use pennyblack_tests::wait::until;
use tokio::time::Instant;

use super::super::CALLER;
use super::super::scene::Scene;
use super::desk::{Desk, SOON, incoming, outgoing, trunk};

const DEADLINE: Duration = Duration::from_millis(250);

/// What the machine may add while other tests run.
const SLACK: Duration = Duration::from_secs(2);

fn signing(parts: &mut EngineParts) -> &mut SigningParts {
    parts.signing.as_mut().unwrap()
}

async fn until_counted(desk: &Desk, is_so: impl Fn(&Counts) -> bool) -> Counts {
    until("a count", SOON, async || {
        let counts = desk.engine.counts();
        is_so(&counts).then_some(counts)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_says_nothing_makes_no_call_wait_longer_and_gets_the_copy_later() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));
    desk.proxy.set(Fault::Silent);

    let began = Instant::now();
    let call = outgoing("2155550100", "2125550142");
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    let took = began.elapsed();
    assert!((DEADLINE..DEADLINE + SLACK).contains(&took), "{took:?}");
    assert!(matches!(outcome.passport, Passport::Signed { .. }));
    assert_eq!((outcome.oob.copies, outcome.oob.wanted), (0, 1));
    assert_eq!(outcome.oob.reason, Some(Reason::Deadline));

    desk.proxy.set(Fault::None);
    let counts = until_counted(&desk, |counts| counts.stored_late == 1).await;
    assert_eq!((counts.tokens_spent, counts.stored_in_time), (1, 0));
    let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    assert_eq!(verdict.verstat(), "TN-Validation-Passed", "{verdict:?}");
    desk.engine.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_ends_when_it_is_of_no_use_and_the_outcome_is_counted() {
    let scene = Scene::set(4).await;
    let change = |parts: &mut EngineParts| {
        signing(parts).signing.keep_trying = Duration::from_millis(600);
    };
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    desk.proxy.set(Fault::Silent);
    let call = outgoing("2155550100", "2125550142");
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert_eq!(outcome.oob.reason, Some(Reason::Deadline));
    assert_eq!(desk.engine.status(&[]).await.under_way, 1);
    let counts = until_counted(&desk, |counts| counts.not_stored == 1).await;
    assert_eq!(counts.of(Reason::NoAnswer), 1);
    assert_eq!(desk.engine.status(&[]).await.under_way, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_is_down_ends_no_call() {
    let scene = Scene::set(4).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let trunk = trunk(&scene, Some("carrier"));
    desk.proxy.set(Fault::BrokenOff);
    let began = Instant::now();
    let call = outgoing("2155550100", "2125550142");
    let outcome = desk.engine.sign(&trunk, call).await.unwrap();
    assert!(began.elapsed() < DEADLINE + SLACK);
    assert!(matches!(outcome.passport, Passport::Signed { .. }));
    assert!(!outcome.oob.is_stored());

    let began = Instant::now();
    let verdict = desk.engine.verify(&trunk, incoming("a", CALLER)).await;
    assert!(began.elapsed() < DEADLINE + SLACK);
    assert!(matches!(verdict.finding, Finding::None(_)), "{verdict:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_stores_are_under_way_than_may_be_and_none_costs_a_token_then() {
    let scene = Scene::set(4).await;
    let change = |parts: &mut EngineParts| signing(parts).signing.max_stores = 2;
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    desk.proxy.set(Fault::Silent);
    let call = || outgoing("2155550100", "2125550142");
    for expected in [Reason::Deadline, Reason::Deadline, Reason::Busy] {
        let outcome = desk.engine.sign(&trunk, call()).await.unwrap();
        assert_eq!(outcome.oob.reason, Some(expected));
    }
    assert_eq!(scene.tokens(), 2);
    desk.proxy.set(Fault::None);
    let counts = until_counted(&desk, |counts| counts.stored_late == 2).await;
    assert_eq!((counts.of(Reason::Busy), counts.tokens_spent), (1, 2));
    let outcome = desk.engine.sign(&trunk, call()).await.unwrap();
    assert!(outcome.oob.is_stored());
    scene.end().await;
}

/// How many of so many calls at once waited for the deadline, and how many did not.
async fn rush(desk: &Desk, trunk: &Trunk, calls: usize) -> (usize, usize) {
    let call = async |_| {
        let call = outgoing("2155550100", "2125550142");
        desk.engine.sign(trunk, call).await.unwrap()
    };
    let outcomes = join_all((0..calls).map(call)).await;
    let is_signed = |outcome: &SignOutcome| matches!(outcome.passport, Passport::Signed { .. });
    assert!(outcomes.iter().all(is_signed));
    let of = |reason| {
        let reasons = outcomes.iter().map(|outcome| outcome.oob.reason);
        reasons.filter(|found| *found == Some(reason)).count()
    };
    (of(Reason::Deadline), of(Reason::Busy))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_wait_for_their_stores_than_came_in_time_lately() {
    let scene = Scene::set(128).await;
    let change = |parts: &mut EngineParts| {
        // So long that all calls begin in the first half of it.
        signing(parts).signing.deadline = Duration::from_secs(1);
    };
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    desk.proxy.set(Fault::Silent);
    for waiting in [64, 32] {
        let found = rush(&desk, &trunk, 80).await;
        assert_eq!(found, (waiting, 80 - waiting));
    }
    assert_eq!(desk.engine.status(&[]).await.under_way, 96);
    assert_eq!(scene.tokens(), 128 - 96, "what is not begun costs nothing");

    desk.proxy.set(Fault::None);
    until_counted(&desk, |counts| counts.stored_late == 96).await;
    // How many of the others are in time is the machine's matter.
    let (_, busy) = rush(&desk, &trunk, 24).await;
    assert_eq!(busy, 8);
    desk.engine.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_has_waited_is_answered_by_the_deadline_that_began_when_it_came() {
    let scene = Scene::set(4).await;
    let waited = 2 * SLACK;
    let change = |parts: &mut EngineParts| {
        let config = &mut parts.verifying.as_mut().unwrap().config;
        (config.wait, config.deadline) = (waited, 2 * waited);
    };
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    let call = || outgoing("2155550100", "2125550142");
    let arrived = Instant::now().checked_sub(waited).unwrap();
    let outcome = desk.engine.sign_since(arrived, &trunk, call()).await;
    let outcome = outcome.unwrap();
    assert!(matches!(outcome.passport, Passport::Signed { .. }));
    assert_eq!(outcome.oob.reason, Some(Reason::Busy));
    assert_eq!(scene.tokens(), 4);
    let began = Instant::now();
    let verdict = desk
        .engine
        .verify_since(arrived, &trunk, incoming("a", CALLER))
        .await;
    let is_so = matches!(verdict.finding, Finding::None(Reason::NoPassport));
    assert!(is_so, "{verdict:?}");
    assert!(began.elapsed() < SLACK, "it was to wait for nothing");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_is_away_costs_a_few_tokens_and_is_noticed_when_it_is_back() {
    let scene = Scene::set(64).await;
    let change = |parts: &mut EngineParts| {
        signing(parts).signing.keep_trying = Duration::from_millis(400);
    };
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    let signed = async || {
        let call = outgoing("2155550100", "2125550142");
        desk.engine.sign(&trunk, call).await.unwrap().oob
    };
    desk.proxy.set(Fault::Silent);
    let mut calls = 0;
    while signed().await.reason != Some(Reason::CpsAway) {
        calls += 1;
        assert!(calls <= 20, "a token for each call");
    }
    assert!(calls >= 8, "{calls}");
    let spent = 64 - scene.tokens();
    let began = Instant::now();
    for _ in 0..50 {
        assert!(!signed().await.is_stored());
    }
    let tries = 64 - scene.tokens() - spent;
    assert!(tries <= 1 + began.elapsed().as_secs(), "{tries}");

    desk.proxy.set(Fault::None);
    until("a stored call", SOON, async || {
        signed().await.is_stored().then_some(())
    })
    .await;
    assert!(signed().await.is_stored());
    desk.engine.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_passport_is_waited_for() {
    let scene = Scene::set(4).await;
    let change = |parts: &mut EngineParts| {
        parts.verifying.as_mut().unwrap().config.wait = SOON;
    };
    let desk = Desk::open(&scene, change).await;
    let trunk = trunk(&scene, Some("carrier"));
    let call = outgoing("2155550100", "2125550142");
    let (verdict, outcome) = tokio::join!(
        desk.engine.verify(&trunk, incoming("a", CALLER)),
        desk.engine.sign(&trunk, call)
    );
    assert!(outcome.unwrap().oob.is_stored());
    assert_eq!(verdict.verstat(), "TN-Validation-Passed", "{verdict:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_comes_by_its_deadline_and_nothing_found_means_nothing_said() {
    let scene = Scene::set(1).await;
    for (wait, deadline, reason) in [
        (SOON, DEADLINE, Reason::Deadline),
        (DEADLINE, SOON, Reason::NoPassport),
    ] {
        let change = |parts: &mut EngineParts| {
            let config = &mut parts.verifying.as_mut().unwrap().config;
            (config.wait, config.deadline) = (wait, deadline);
        };
        let desk = Desk::open(&scene, change).await;
        let began = Instant::now();
        let verdict = desk
            .engine
            .verify(&trunk(&scene, None), incoming("a", CALLER))
            .await;
        let took = began.elapsed();
        assert!((DEADLINE..DEADLINE + SLACK).contains(&took), "{took:?}");
        let is_so = matches!(verdict.finding, Finding::None(why) if why == reason);
        assert!(is_so, "{verdict:?}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_or_certificates_calls_go_on_with_a_reason() {
    let scene = Scene::set(1).await;
    let desk = Desk::open(&scene, |_| ()).await;
    let signer = trunk(&scene, Some("carrier"));
    let call = || outgoing("2155550100", "2125550142");
    assert!(
        desk.engine
            .sign(&signer, call())
            .await
            .unwrap()
            .oob
            .is_stored()
    );
    let outcome = desk.engine.sign(&signer, call()).await.unwrap();
    assert!(matches!(outcome.passport, Passport::Signed { .. }));
    assert_eq!(outcome.oob.reason, Some(Reason::NoToken));
    let status = desk.engine.status(&[&signer]).await;
    assert_eq!(status.not_ready.len(), 1, "{status:?}");

    let outcome = desk
        .engine
        .sign(&trunk(&scene, None), call())
        .await
        .unwrap();
    let is_none = matches!(outcome.passport, Passport::None(Reason::NoCertificate));
    assert!(is_none, "{outcome:?}");

    // 12155550100 is in no block that is followed, and 12125559999 has no key.
    for dest in ["2155550100", "2125559999"] {
        let call = outgoing("2155550100", dest);
        let outcome = desk.engine.sign(&signer, call).await.unwrap();
        assert_eq!(outcome.oob.reason, Some(Reason::NoKeyRecords));
    }
    let emergency = desk
        .engine
        .sign(&signer, outgoing("2155550100", "911"))
        .await;
    let counts = desk.engine.counts();
    assert_eq!(counts.of(Reason::PassedOver), 1);
    assert_eq!(counts.of(Reason::NoCertificate), 1);
    assert_eq!(counts.of(Reason::NoKeyRecords), 2);
    let is_none = matches!(
        emergency.unwrap().passport,
        Passport::None(Reason::PassedOver)
    );
    assert!(is_none);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_through_a_relay_that_is_gone_ends_no_call() {
    let scene = Scene::set(1).await;
    let change = |parts: &mut EngineParts| {
        let http = HttpOptions {
            proxy: Some("http://127.0.0.1:1".to_owned()),
            ..HttpOptions::default()
        };
        signing(parts).transport = std::sync::Arc::new(http.fresh_clients().unwrap());
    };
    let desk = Desk::open(&scene, change).await;
    let call = outgoing("2155550100", "2125550142");
    let outcome = desk
        .engine
        .sign(&trunk(&scene, Some("carrier")), call)
        .await;
    assert!(!outcome.unwrap().oob.is_stored());
    scene.end().await;
}
