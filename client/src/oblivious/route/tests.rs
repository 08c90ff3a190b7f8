//! A relay and a CPS in one process: what the one sees, what the other reads, and what
//! becomes of requests that do not come through.

mod scene;

use std::time::Duration;

use http::Method;
use pennyblack_evidence::oblivious_keys::ObliviousKey;
use pennyblack_hpke::Kem;
use pennyblack_http::{HttpClient, RetryPolicy, RouteFault};

use self::scene::{Relaying, Scene};
use super::*;
use crate::oblivious::CpsKeys;

const NOW: UnixTime = UnixTime(1_800_000_000);
const CPS: &str = "https://cps.example";

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

fn route(relays: &[RelayAddress], keys: TrustedKeys) -> Arc<ObliviousRoute> {
    let cpss = [CPS.parse().unwrap()];
    let http = HttpOptions::default();
    let clock = Clock::by_hand(NOW).0;
    ObliviousRoute::new(&cpss, relays, keys, &http, Fallback::None, clock).unwrap()
}

fn client(route: &Arc<ObliviousRoute>) -> HttpClient {
    let route: Arc<dyn Route> = Arc::<ObliviousRoute>::clone(route);
    HttpOptions::default().routed(route).client().unwrap()
}

fn store() -> Request<'static> {
    let url = format!("{CPS}{STORE_PATH}");
    Request::post(url, "sealed", 4_096).header("authorization", "PrivateToken token=abc")
}

async fn fault_of(route: &Arc<ObliviousRoute>) -> RouteError {
    match client(route).send(&store(), QUICK).await {
        Err(HttpError::Route(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_comes_through_as_it_would_directly_and_its_answer_too() {
    let scene = Scene::new(&[Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    let client = client(&route);
    let answer = client.send(&store(), QUICK).await.unwrap();
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::CREATED, &b"sealed"[..])
    );
    assert!(client.clock_gap().is_some(), "by the inner date");
    let opened = scene.opened.lock().unwrap();
    let inner = opened.first().unwrap();
    assert_eq!(
        (&inner.method, inner.path.as_str()),
        (&Method::POST, STORE_PATH)
    );
    assert_eq!(
        (inner.scheme.as_str(), inner.authority()),
        ("https", Some("cps.example"))
    );
    let fields: Vec<_> = inner.fields.keys().map(|name| name.as_str()).collect();
    assert_eq!(fields, ["authorization", "pennyblack-pad"]);
    let seen = scene.seen.lock().unwrap();
    let token = b"token=abc";
    assert!(!seen[0].windows(token.len()).any(|window| window == token));
}

#[tokio::test]
async fn a_gateway_of_others_reads_what_we_send_and_we_read_its_answer() {
    let scene = Scene::of_others();
    let route = route(&[scene.serve().await], scene.keys());
    let client = client(&route);
    let answer = client.send(&store(), QUICK).await.unwrap();
    let expected = (StatusCode::CREATED, &b"sealed"[..]);
    assert_eq!((answer.status, &*answer.body), expected);
    assert!(client.clock_gap().is_some());
}

#[tokio::test]
async fn the_relay_sees_one_length_of_stores_and_look_ups_and_of_their_answers() {
    for (kem, request) in [(Kem::DhkemX25519, 8_192 + 55), (Kem::XWing, 8_192 + 1_143)] {
        let scene = Scene::with(kem, &[Relaying::Carries]);
        let route = route(&[scene.serve().await], scene.keys());
        let look_up = Request::get(format!("{CPS}{KEYS_PATH}/12155550100"), 4_096);
        let block = Request::get(format!("{CPS}{KEYS_PATH}?prefix=1215555"), 4_096);
        for request in [store(), look_up, block] {
            client(&route).send(&request, QUICK).await.unwrap();
        }
        let seen = scene.seen.lock().unwrap();
        let lengths: Vec<_> = seen.iter().map(Vec::len).collect();
        assert_eq!(lengths, [request; 3]);
        let opened = scene.opened.lock().unwrap();
        let pads: Vec<_> = opened
            .iter()
            .map(|one| one.fields.get(PAD_FIELD).cloned().unwrap())
            .collect();
        assert_eq!(pads, ["9216", "9216", "34816"]);
    }
}

#[tokio::test]
async fn what_is_sent_again_is_sealed_again() {
    let busy = Relaying::Refuses("503 Service Unavailable", "{}");
    let scene = Scene::new(&[busy, Relaying::BreaksOff, Relaying::Lies, Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    client(&route).send(&store(), QUICK).await.unwrap();
    let seen = scene.seen.lock().unwrap();
    assert_eq!(seen.len(), 4);
    for (number, one) in seen.iter().enumerate() {
        for other in &seen[..number] {
            // Behind key, KEM, KDF and AEAD nothing is the same.
            assert_ne!(one[7..39], other[7..39]);
            let same = one
                .iter()
                .zip(other)
                .skip(39)
                .filter(|(a, b)| a == b)
                .count();
            assert!(same < 200, "{same} bytes of {}", one.len());
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_away_does_not_keep_a_request_from_another() {
    let scene = Scene::new(&[Relaying::Carries]);
    let nobody = "http://127.0.0.1:1/cps".parse().unwrap();
    let relays = [nobody, scene.serve().await];
    for _ in 0..8 {
        let route = route(&relays, scene.keys());
        client(&route)
            .send(&store(), RetryPolicy::NONE)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_relay_that_hands_nothing_on_does_not_keep_a_request_from_another() {
    for status in [
        "404 Not Found",
        "405 Method Not Allowed",
        "421 Misdirected Request",
        "429 Too Many Requests",
        "503 Service Unavailable",
    ] {
        let good = Scene::new(&[Relaying::Carries]);
        let bad = Scene::new(&[Relaying::Refuses(status, "")]);
        let relays = [good.serve().await, bad.serve().await];
        for _ in 0..16 {
            let route = route(&relays, good.keys());
            let sent = client(&route).send(&store(), RetryPolicy::NONE).await;
            assert!(sent.is_ok(), "{status}: {sent:?}");
        }
        let (carried, refused) = (good.seen.lock().unwrap(), bad.seen.lock().unwrap());
        assert!(!refused.is_empty(), "{status}");
        assert_eq!(carried.len(), 16, "{status}");
        assert!(carried.iter().all(|one| !refused.contains(one)));
    }
}

#[tokio::test]
async fn of_relays_that_hand_nothing_on_two_are_asked_and_none_twice() {
    let scene = Scene::new(&[Relaying::Refuses("503 Service Unavailable", "")]);
    for relays in 1..=3 {
        let mut named = Vec::new();
        for _ in 0..relays {
            named.push(scene.serve().await);
        }
        let route = route(&named, scene.keys());
        let sent = client(&route).send(&store(), RetryPolicy::NONE).await;
        let Err(HttpError::Route(error)) = sent else {
            panic!("{sent:?}");
        };
        assert!(error.fault.is_unread(), "{error}");
        let asked = scene.seen.lock().unwrap().split_off(0).len();
        assert_eq!(asked, relays.min(2));
    }
}

#[tokio::test]
async fn one_relay_by_two_names_is_not_another() {
    for status in ["503 Service Unavailable", "404 Not Found"] {
        let scene = Scene::new(&[Relaying::Refuses(status, "")]);
        let relay = scene.serve().await;
        let other_path = format!("http://{}/other", relay.relay());
        for second in [relay.clone(), other_path.parse().unwrap()] {
            let route = route(&[relay.clone(), second], scene.keys());
            let sent = client(&route).send(&store(), RetryPolicy::NONE).await;
            assert!(matches!(sent, Err(HttpError::Route(_))), "{sent:?}");
            assert_eq!(scene.seen.lock().unwrap().split_off(0).len(), 1);
        }
    }
}

/// A CPS that refuses would decide otherwise by which relay the next requests come.
#[tokio::test]
async fn only_a_relay_without_the_path_comes_last_from_then_on() {
    for (status, comes_last) in [
        ("404 Not Found", true),
        ("405 Method Not Allowed", true),
        ("421 Misdirected Request", true),
        ("429 Too Many Requests", false),
        ("503 Service Unavailable", false),
    ] {
        let good = Scene::new(&[Relaying::Carries]);
        let bad = Scene::new(&[Relaying::Refuses(status, "")]);
        let route = route(&[good.serve().await, bad.serve().await], good.keys());
        for _ in 0..64 {
            let sent = client(&route).send(&store(), RetryPolicy::NONE).await;
            assert!(sent.is_ok(), "{status}: {sent:?}");
        }
        let asked = bad.seen.lock().unwrap().len();
        assert_eq!(asked <= 1, comes_last, "{status}: {asked} of 64");
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_handed_on_goes_to_no_other_relay() {
    for lost in [
        Relaying::Refuses("502 Bad Gateway", ""),
        Relaying::Refuses("504 Gateway Timeout", ""),
        Relaying::Refuses("500 Internal Server Error", ""),
        Relaying::Refuses("400 Bad Request", ""),
        Relaying::BreaksOff,
        Relaying::Lies,
    ] {
        let good = Scene::new(&[Relaying::Carries]);
        let bad = Scene::new(&[lost]);
        let relays = [good.serve().await, bad.serve().await];
        let mut carried = 0;
        for _ in 0..16 {
            let route = route(&relays, good.keys());
            let sent = client(&route).send(&store(), RetryPolicy::NONE).await;
            carried += usize::from(sent.is_ok());
        }
        let seen = [&good, &bad].map(|scene| scene.seen.lock().unwrap().len());
        assert_eq!(seen, [carried, 16 - carried], "{lost:?}");
    }
}

#[tokio::test]
async fn without_a_relay_or_a_key_nothing_is_sent() {
    let scene = Scene::new(&[Relaying::Carries]);
    let relay = scene.serve().await;
    let nobody = route(&["http://127.0.0.1:1/cps".parse().unwrap()], scene.keys());
    let error = fault_of(&nobody).await;
    assert_eq!(error.fault, RouteFault::NoRelay);
    assert!(error.sentence.contains("nothing goes directly"), "{error}");
    let named = route(&[], scene.keys());
    let unknown = route(std::slice::from_ref(&relay), TrustedKeys::default());
    let late = scene.keys();
    let known = late.of(&"cps.example".parse().unwrap()).unwrap();
    let config = known.newest(NOW).unwrap().config().clone();
    let ended = ObliviousKey {
        not_after: NOW,
        ..*known.newest(NOW).unwrap().announced()
    };
    let ended = CpsKeys {
        announced: scene::log_of(ended),
        keys: vec![TrustedKey::new(config, ended)],
        read: Some(NOW),
        refused: None,
    };
    late.set(&"cps.example".parse().unwrap(), ended);
    let late = route(std::slice::from_ref(&relay), late);
    let refused = TrustedKeys::default();
    let contradicted = CpsKeys {
        refused: Some("its log does not have it".to_owned()),
        ..CpsKeys::default()
    };
    refused.set(&"cps.example".parse().unwrap(), contradicted);
    let refused = route(std::slice::from_ref(&relay), refused);
    for (route, fault, said) in [
        (named, RouteFault::NoWay, "no relay is named"),
        (
            unknown,
            RouteFault::NoWay,
            "no key configuration of cps.example is known",
        ),
        (late, RouteFault::NoWay, "ended at"),
        (refused, RouteFault::Untrusted, "its log does not have it"),
    ] {
        let error = fault_of(&route).await;
        assert_eq!(error.fault, fault, "{error}");
        assert!(error.sentence.contains(said), "{error}");
        assert_eq!(route.check(&store().url).unwrap_err().fault, fault);
    }
    assert!(scene.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_that_the_cps_does_not_have_ends_the_trying() {
    let problem = r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key","title":"key","status":400,"detail":"unknown"}"#;
    for status in ["400 Bad Request", "422 Unprocessable Content"] {
        let scene = Scene::new(&[Relaying::Refuses(status, problem)]);
        let route = route(&[scene.serve().await], scene.keys());
        let error = fault_of(&route).await;
        assert!(
            error.fault.is_unread() && !error.fault.is_closed(),
            "{error}"
        );
        assert!(error.sentence.contains("does not have the key"), "{error}");
        assert_eq!(scene.seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_a_relay_refuses_was_not_read_and_what_it_lost_may_have_been() {
    for (relaying, is_unread, tries) in [
        (Relaying::Refuses("404 Not Found", ""), true, 1),
        (Relaying::Refuses("413 Content Too Large", ""), true, 1),
        (Relaying::Refuses("429 Too Many Requests", ""), true, 4),
        (Relaying::Refuses("503 Service Unavailable", ""), true, 4),
        (Relaying::Refuses("502 Bad Gateway", ""), false, 4),
        (Relaying::Refuses("504 Gateway Timeout", ""), false, 4),
        (Relaying::Refuses("200 OK", ""), false, 4),
        (Relaying::Refuses("307 Temporary Redirect", ""), true, 1),
        (Relaying::BreaksOff, false, 4),
        (Relaying::Lies, false, 4),
    ] {
        let scene = Scene::new(&[relaying]);
        let route = route(&[scene.serve().await], scene.keys());
        let error = fault_of(&route).await;
        assert_eq!(error.fault.is_unread(), is_unread, "{relaying:?}: {error}");
        assert_eq!(scene.seen.lock().unwrap().len(), tries, "{relaying:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_sent() {
    let scene = Scene::new(&[Relaying::Carries]);
    let route = route(&[scene.serve().await], scene.keys());
    let long = Request::put(format!("{CPS}/v1/keys"), vec![0; 9_000], 4_096);
    let error = client(&route).send(&long, QUICK).await.unwrap_err();
    assert!(error.has_not_left(), "{error}");
    assert!(
        error.to_string().contains("too long for Oblivious HTTP"),
        "{error}"
    );
    assert!(scene.seen.lock().unwrap().is_empty());
}
