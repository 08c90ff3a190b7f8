//! **`audit follow --roster`**: the logs of all CPSs of a roster over sockets, of which one may
//! be away, or have another key than the roster says. And `oblivious keys --rosters`, which goes by
//! the same keys.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use pennyblack_cps::{Config as CpsConfig, Cps, ObliviousConfig};
use pennyblack_http::{HttpOptions, Request, RetryPolicy};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start::RunningService;
use serde_json::Value;

use super::*;
use crate::terminal::{NETWORK, Scene};

const USAGE: i32 = 2;
const UNACCOUNTED: i32 = 9;
const FOLLOW: &str = "audit follow --roster rosters --state audit";

/// A CPS that is known by the address at which it listens. Of its log the first entries are
/// keys for relays; no issuer is there.
struct Place {
    address: String,
    config: CpsConfig,
}

impl Place {
    fn new(home: &Path, name: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        let issuer = absent_issuer();
        let (data, roots) = (home.join(name), home.join("pki/roots"));
        let mut config = CpsConfig::local(address.parse().unwrap(), data, roots, issuer);
        config.public.listen = address.parse().unwrap();
        config.oblivious = Some(ObliviousConfig::default());
        Self { address, config }
    }

    async fn start(&self) -> RunningService {
        Cps::start(self.config.clone(), Clock::system())
            .await
            .unwrap()
    }

    async fn log_key(&self) -> VerifierKey {
        let client = HttpOptions::default().client().unwrap();
        let request = Request::get(format!("http://{}/log/key", self.address), 1_024);
        let answer = client.send(&request, RetryPolicy::SHORT).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.trim_end().parse().unwrap()
    }

    fn member(&self, operator: &str, key: VerifierKey) -> Member {
        let uri = format!("http://{}", self.address);
        member(Role::Cps, &uri, operator, vec![key])
    }
}

/// What was found of a service, by its JSON.
fn of_service<'a>(document: &'a Value, place: &Place) -> &'a Value {
    let mut services = document["services"].as_array().unwrap().iter();
    let found = services.find(|one| one["service"] == place.address.as_str());
    found.unwrap_or_else(|| panic!("{document}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_logs_of_a_federation_are_followed_at_once_and_each_that_is_not_sound_is_named() {
    let scene = Scene::new();
    let (one, other) = (
        Place::new(scene.home.path(), "one"),
        Place::new(scene.home.path(), "other"),
    );
    let (first, second) = (one.start().await, other.start().await);
    let keys = (one.log_key().await, other.log_key().await);
    let (council, today) = (Council::new(), (now(), now().plus(DAY)));
    let roster = |before: Option<&SignedRoster>, key: &VerifierKey| {
        let members = vec![
            one.member("operator-a", keys.0.clone()),
            other.member("operator-b", key.clone()),
        ];
        council.of(before, members, today, &[0, 1])
    };
    let office = Office(scene.home);
    fs::create_dir(office.0.path().join("rosters")).unwrap();
    let good = roster(None, &keys.1);
    office.write("rosters/pin", &good.pin().to_string());
    office.write("rosters/1.roster", &good.to_string());
    let both = office.pennyblack(FOLLOW);
    both.exits_with(0).has("sound").has("No new double spends");
    for line in both.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    // Each has a state like that of any CPS.
    for place in [&one, &other] {
        let report = format!("audit report --state audit/{}", place.address);
        office.pennyblack(&report).exits_with(0);
    }

    // One is away: it is named, and the other is followed.
    second.stop().await;
    let away = office.pennyblack(FOLLOW);
    away.exits_with(NETWORK).has("away").has(&other.address);
    let json = office.pennyblack(&format!("{FOLLOW} --json"));
    let document: Value = serde_json::from_str(&json.exits_with(NETWORK).stdout).unwrap();
    assert_eq!(document["exit_code"], NETWORK);
    let there = of_service(&document, &one);
    assert_eq!(
        (&there["complete"], &there["exit_code"]),
        (&true.into(), &0.into())
    );
    assert_eq!(of_service(&document, &other)["exit_code"], NETWORK);
    assert_eq!(of_service(&document, &other)["operator"], "operator-b");

    // It has another key than the roster says.
    let second = other.start().await;
    let name = keys.1.name().clone();
    let lie = VerifierKey::new(name, SignatureType::Ed25519, *keys.0.public()).unwrap();
    office.write("rosters/2.roster", &roster(Some(&good), &lie).to_string());
    let wrong = office.pennyblack(&FOLLOW.replace("--state audit", "--state fresh"));
    wrong
        .exits_with(BAD_SIGNATURE)
        .has("bad signature")
        .has(&format!("{}/log", other.address))
        .has("ask the operator and the governors")
        .has("sound");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_for_relays_must_be_in_the_log_that_the_roster_names() {
    let scene = Scene::new();
    let place = Place::new(scene.home.path(), "one");
    let cps = place.start().await;
    let (council, key) = (Council::new(), place.log_key().await);
    let public = *council.0[0].verifier().public();
    let lie = VerifierKey::new(key.name().clone(), SignatureType::Ed25519, public).unwrap();
    let office = Office(scene.home);
    fs::create_dir(office.0.path().join("rosters")).unwrap();
    let keys = |of: &VerifierKey, at: &str| {
        let members = vec![place.member("operator-a", of.clone())];
        let roster = council.of(None, members, (now(), now().plus(DAY)), &[0, 1]);
        office.write("rosters/pin", &roster.pin().to_string());
        office.write("rosters/1.roster", &roster.to_string());
        office.pennyblack(&format!(
            "oblivious keys --cps http://{at} --rosters rosters --wallet wallet.db"
        ))
    };
    keys(&lie, &place.address).exits_with(UNACCOUNTED);
    keys(&key, "127.0.0.1:1")
        .exits_with(USAGE)
        .has("--cps: 127.0.0.1:1 is no CPS in the roster of fed.example");
    let good = keys(&key, &place.address);
    good.exits_with(0).has("1 key of").has(&key.to_string());
    // Nothing is left to be compared by hand.
    assert!(!good.stderr.contains("WARN"), "{}", good.stderr);
    cps.stop().await;
}
