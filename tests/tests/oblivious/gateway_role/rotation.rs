//! Keys that change while clients are at work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::CACHE_CONTROL;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::oblivious_keys::KeyConfigDigest;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_service::answer_times::AnswerTimes;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::sealed::{ask, inner_get, inner_store};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

use super::keys::announced;
use super::{gateway, section};

const EPOCH: Duration = Duration::from_secs(4 * 3_600);
/// By so much the clock moves each time.
const STEP: Duration = Duration::from_secs(20);
const EPOCHS: u32 = 3;
const CLIENTS: usize = 4;
const SOON: Duration = Duration::from_secs(30);

/// What a client has fetched, and until when it keeps it.
struct Fetched {
    key: KeyConfig,
    until: UnixTime,
}

/// A client fetches keys when its copy is as old as it may be, and then the log.
async fn fetch(world: &World) -> Fetched {
    let asked = world.clock.now();
    let list: Answer = world.get(OHTTP_GATEWAY_PATH).await;
    let keys = KeyConfig::parse_list(list.content()).unwrap();
    let max_age = list.headers[CACHE_CONTROL].to_str().unwrap();
    let max_age = max_age.strip_prefix("max-age=").unwrap().parse().unwrap();
    let announced = announced(world).await;
    let now = world.clock.now();
    let is_good = |key: &KeyConfig| {
        let digest = KeyConfigDigest(key.digest());
        let entry = announced.iter().find(|entry| entry.key_config == digest);
        entry
            .expect("a key that is served is in the log")
            .is_good(now)
    };
    let key = keys.into_iter().find(is_good).expect("a key of now");
    let until = asked.plus(Duration::from_secs(max_age));
    Fetched { key, until }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_keys_change_three_times() {
    let scene = gateway(|world| {
        section(world).epoch = EPOCH;
        world.cps.retrieval.answer_delay = AnswerTimes::SHORTEST;
    })
    .await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let tokens = world.draw(256).await;
    let (next, asked, over) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    let client = async || {
        let mut fetched = fetch(world).await;
        let mut seen = vec![fetched.key.key_id()];
        while !over.load(Ordering::Relaxed) {
            if world.clock.now() >= fetched.until {
                fetched = fetch(world).await;
                seen.push(fetched.key.key_id());
            }
            let poll = inner_get(world, &format!("/v1/mailboxes/{}?slots=4", mailbox.id()));
            let _ = ask(world, &fetched.key, &poll).await.inner.content();
            let number = next.fetch_add(1, Ordering::Relaxed);
            if let Some(token) = tokens.get(number) {
                let signed = world.spend(token, &mailbox, "a.b.c");
                let store = inner_store(world, &signed);
                ask(world, &fetched.key, &store)
                    .await
                    .inner
                    .assert_created();
            }
            asked.fetch_add(1, Ordering::Relaxed);
        }
        seen.dedup();
        seen.len()
    };
    let clock = async {
        let steps = EPOCHS * u32::try_from(EPOCH.as_secs() / STEP.as_secs()).unwrap();
        for _ in 0..steps {
            scene.hand.advance(STEP);
            // Each of the clients has asked once since, on average.
            let before = asked.load(Ordering::Relaxed);
            until("requests", SOON, async || {
                let since = asked.load(Ordering::Relaxed) - before;
                (since >= CLIENTS).then_some(())
            })
            .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let clients = futures_util::future::join_all((0..CLIENTS).map(|_| client()));
    let (keys, ()) = tokio::join!(clients, clock);
    assert!(keys.iter().all(|keys| *keys >= 3), "{keys:?} keys each");
    assert!(asked.into_inner() > 500);
    scene.close().await;
}
