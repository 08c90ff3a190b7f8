//! What a CPS, a wallet and a disk can do wrong, and the reason that is counted for it. The
//! call goes on each time.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::assignments::Assignments;
use pennyblack_engine::{EngineParts, Finding, Passport, Reason, SigningParts, Source};
use pennyblack_tests::faulty_proxy::Fault;
use pennyblack_tests::wait::until;
use rusqlite::Connection;

use super::super::CALLER;
use super::super::scene::Scene;
use super::desk::{Desk, SOON, incoming, outgoing, trunk};
use super::passports::Signed;

const KEEP_TRYING: Duration = Duration::from_millis(1_500);

fn signing(parts: &mut EngineParts) -> &mut SigningParts {
    parts.signing.as_mut().unwrap()
}

/// What a CPS answers, or what answers in its place, and the reason that is counted.
const ANSWERS: [(&str, Reason); 11] = [
    (
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
        Reason::NoAnswer,
    ),
    ("HTTP/1.1 204 No Content\r\n\r\n", Reason::NoAnswer),
    (
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
        Reason::NoAnswer,
    ),
    (
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
        Reason::CpsBusy,
    ),
    (
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n",
        Reason::CpsBusy,
    ),
    (
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n",
        Reason::NoAnswer,
    ),
    (
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n",
        Reason::NoAnswer,
    ),
    (
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\n<html>",
        Reason::NoAnswer,
    ),
    (
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\n<html>",
        Reason::Refused,
    ),
    ("nothing of HTTP\r\n\r\n", Reason::NoAnswer),
    (
        "HTTP/1.1 201 Created\r\ncontent-length: 900",
        Reason::NoAnswer,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_answers_in_place_of_a_cps_has_a_reason_and_stores_nothing() {
    let scene = Scene::set(64).await;
    let trunk = trunk(&scene, Some("carrier"));
    for (answer, reason) in ANSWERS {
        let desk = Desk::open(&scene, |parts| {
            signing(parts).signing.keep_trying = KEEP_TRYING;
            signing(parts).signing.deadline = SOON;
        });
        let desk = desk.await;
        desk.proxy.set(Fault::Answered(answer));
        let call = outgoing("2155550100", "2125550142");
        let outcome = desk.engine.sign(&trunk, call).await.unwrap();
        assert!(matches!(outcome.passport, Passport::Signed { .. }));
        assert_eq!(outcome.oob.reason, Some(reason), "{answer}");
        let counts = desk.engine.counts();
        assert_eq!(counts.of(reason), 1, "{answer}");
        assert_eq!((counts.not_stored, counts.tokens_spent), (1, 1), "{answer}");
        desk.engine.stop().await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_is_locked_is_no_fault_of_the_cps() {
    let scene = Scene::set(16).await;
    let desk = Desk::open(&scene, |parts| {
        signing(parts).signing.keep_trying = Duration::from_millis(300);
        signing(parts).signing.deadline = SOON;
    });
    let (desk, trunk) = (desk.await, trunk(&scene, Some("carrier")));
    let call = || outgoing("2155550100", "2125550142");
    let other = Connection::open(scene.federation.home().join("wallet.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Longer than the pause after which a CPS that does not answer gets no tokens.
    for _ in 0..10 {
        let oob = desk.engine.sign(&trunk, call()).await.unwrap().oob;
        assert_eq!(oob.reason, Some(Reason::Wallet));
    }
    assert_eq!(desk.engine.counts().tokens_spent, 0);
    other.execute_batch("ROLLBACK").unwrap();
    desk.stores(&trunk, call()).await;
    desk.engine.stop().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_came_with_what_is_good_passes_while_the_file_of_used_ones_hangs() {
    let scene = Scene::set(1).await;
    let path = scene.federation.home().join("used");
    let assignments = Arc::new(Assignments::open(&path).unwrap());
    let desk = Desk::open(&scene, |parts| {
        let verifying = parts.verifying.as_mut().unwrap();
        verifying.assignments = assignments;
        // It waits longer for a file that is locked.
        verifying.config.deadline = Duration::from_millis(180);
    });
    let (desk, trunk) = (desk.await, trunk(&scene, None));
    let mut call = incoming("a", CALLER);
    call.identities = vec![Signed::default().identity(&scene)];
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Other tests run beside this one.
    let found = until("a call that passes", SOON, async || {
        let verdict = desk.engine.verify(&trunk, call.clone()).await;
        match verdict.finding {
            Finding::Passed(found) => Some(found),
            _ => None,
        }
    });
    let found = found.await;
    assert_eq!(found.source, Source::InBand);
    assert!(found.unrecorded.is_some());
    scene.end().await;
}
