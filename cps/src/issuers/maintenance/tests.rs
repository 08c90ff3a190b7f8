use std::future::IntoFuture as _;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use pennyblack_base::encoding;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_privacypass::token_key::TokenKey;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::store::Limits;
use crate::store::embedded::EmbeddedStore;

const NOW: UnixTime = UnixTime(1_795_000_000);

/// Three keys, of which the third begins in a thousand seconds.
fn keys() -> [(TokenKey, UnixTime); 3] {
    [(1, NOW.0 - 2_000), (2, NOW.0 - 1_000), (3, NOW.0 + 1_000)].map(|(number, begins)| {
        let mut modulus = [number; 256];
        modulus[0] = 0x80;
        modulus[255] = 1;
        let public = TokenPublicKey::from_modulus(&modulus).unwrap();
        (TokenKey::BlindRsa(public), UnixTime(begins))
    })
}

async fn until(what: impl Fn() -> bool) {
    // Less than the issuer may take to answer.
    let waited = tokio::time::timeout(Duration::from_secs(8), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("in time");
}

fn config(url: String) -> IssuerConfig {
    IssuerConfig {
        authority: "issuer.example".parse().unwrap(),
        url: Some(url),
        tls_roots: None,
        voprf_keys: None,
        log: Default::default(),
        log_key: None,
        tokens: Default::default(),
    }
}

fn dependencies(home: &Path, config: &IssuerConfig, clock: Clock) -> Dependencies<EmbeddedStore> {
    let cps: Authority = "cps.example".parse().unwrap();
    let limits = Limits {
        entry_lifetime: Duration::from_secs(60),
        mailbox_capacity: 10,
    };
    let now = clock.clone();
    let store = EmbeddedStore::open(home, limits, Arc::new(move || now.now()));
    Dependencies {
        issuers: Arc::new(Issuers::new(&cps, std::slice::from_ref(config))),
        store: Arc::new(store.unwrap()),
        log: Arc::new(CpsLog::open(&home.join("log"), &cps).unwrap()),
        clocks: ClockEvidence::new(clock.clone()),
        clock,
        readiness: Readiness::new(),
    }
}

#[tokio::test]
async fn known_keys_whose_file_is_elsewhere_and_not_there_are_not_none() {
    let home = tempfile::tempdir().unwrap();
    let known = home.path().join("issuer.example.json");
    std::os::unix::fs::symlink(home.path().join("gone"), &known).unwrap();
    let config = config("http://127.0.0.1:1".to_owned());
    let (clock, _hand) = Clock::by_hand(NOW);
    let dependencies = dependencies(home.path(), &config, clock);
    let opened = IssuerMaintenance::open(0, &config, home.path(), dependencies);
    let refused = opened.err().expect("a refusal").to_string();
    assert!(refused.contains("issuer.example.json"), "{refused}");
}

#[tokio::test]
async fn keys_begin_and_end_while_the_issuer_takes_its_time() {
    // It takes connections, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = config(format!("http://{}", silent.local_addr().unwrap()));
    let known = keys().map(|(key, not_before)| {
        let encoded = encoding::base64url(key.encoded());
        serde_json::json!({"token_type": 2, "key": encoded, "not_before": not_before})
    });
    let known = serde_json::to_vec(&known).unwrap();
    std::fs::write(home.path().join("issuer.example.json"), known).unwrap();
    let (clock, hand) = Clock::by_hand(NOW);
    let dependencies = dependencies(home.path(), &config, clock);
    let log = Arc::clone(&dependencies.log);
    let maintenance = IssuerMaintenance::open(0, &config, home.path(), dependencies).unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(maintenance.run(shutdown.clone()));
    let [one, two, three] = keys().map(|(key, _)| key.id());

    until(|| log.is_open(one) && log.is_open(two)).await;
    let ended = Instant::now();
    hand.advance(Duration::from_secs(1_100));
    until(|| log.is_open(three) && log.is_closed(one)).await;
    // What was taken in until its end had the time to be stored.
    assert!(ended.elapsed() >= Duration::from_secs(1));
    assert!(log.is_open(two));
    shutdown.trigger();
    running.await.unwrap();
}

#[tokio::test]
async fn the_next_directory_is_due_by_when_the_last_one_was_asked_for() {
    let (asked, mut asks) = watch::channel(0);
    let answers = Arc::new(Semaphore::new(0));
    let answer = {
        let answers = Arc::clone(&answers);
        move || async move {
            asked.send_modify(|times| *times += 1);
            answers.acquire().await.unwrap().forget();
            r#"{"issuer-request-uri":"/token-request","token-keys":[]}"#
        }
    };
    let issuer = Router::new().route(WELL_KNOWN_PATH, get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = config(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(axum::serve(listener, issuer).into_future());
    let (clock, hand) = Clock::by_hand(NOW);
    let dependencies = dependencies(home.path(), &config, clock);
    let maintenance = IssuerMaintenance::open(0, &config, home.path(), dependencies).unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(maintenance.run(shutdown.clone()));

    asks.wait_for(|times| *times == 1).await.unwrap();
    // So long a directory holds that says nothing of it: the answer is out of date.
    hand.advance(Duration::from_secs(300));
    answers.add_permits(1);
    let again = tokio::time::timeout(Duration::from_secs(30), asks.wait_for(|times| *times == 2));
    again.await.expect("it is asked again").unwrap();
    shutdown.trigger();
    running.await.unwrap();
}
