//! The keys that a gateway serves, and its log.

use std::time::Duration;

use http::StatusCode;
use pennyblack_audit::LogPlace;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKey};
use pennyblack_http::HttpOptions;
use pennyblack_ohttp::key_ratchet::{Epochs, OfferedKem};
use pennyblack_tests::sealed::served_keys;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::{LogReader, Position, ReadLogError, VerifierKey, WitnessPolicy};

use super::{gateway, section};

const SOON: Duration = Duration::from_secs(30);

/// The keys that the log announces, as far as it is under a checkpoint.
pub(super) async fn announced(world: &World) -> Vec<ObliviousKey> {
    let key = world.get("/log/key").await;
    let key = String::from_utf8(key.content().to_vec()).unwrap();
    let http = HttpOptions::default().client().unwrap();
    let place = format!("http://{}/log", world.cps_name());
    let place = LogPlace::new(&place, &http).unwrap();
    let key: VerifierKey = key.trim_end().parse().unwrap();
    let reader = LogReader::new(place, key, WitnessPolicy::default());
    let checkpoint = reader.checkpoint().await.unwrap();
    let mut announced = Vec::new();
    let visit = |_, bytes: &[u8]| {
        if let Statement::ObliviousKeyAnnounced(key) = LogEntry::parse(bytes).unwrap().statement {
            announced.push(key);
        }
        Ok::<_, ReadLogError>(())
    };
    let beginning = Position::default();
    reader
        .advance(&beginning, &checkpoint, visit)
        .await
        .unwrap();
    announced
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_that_is_served_is_announced_for_now() {
    let scene = gateway(|world| {
        section(world).kems = vec![OfferedKem::XWing, OfferedKem::X25519];
    })
    .await;
    let world = &scene.world;
    let answer = world.get(OHTTP_GATEWAY_PATH).await;
    assert_eq!(answer.headers["cache-control"], "max-age=3600");
    let served = served_keys(world).await;
    let kems: Vec<_> = served.iter().map(|key| key.kem()).collect();
    let preferred = [OfferedKem::XWing, OfferedKem::X25519].map(OfferedKem::kem);
    assert!(kems.chunks(2).all(|epoch| epoch == preferred), "{kems:?}");
    let (announced, now) = (announced(world).await, world.clock.now());
    for key in served {
        let digest = KeyConfigDigest(key.digest());
        let entry = announced.iter().find(|entry| entry.key_config == digest);
        assert!(now < entry.unwrap().not_after);
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_serves_the_same_keys_and_announces_nothing_again() {
    let scene = gateway(|_| ()).await;
    let (epochs, now) = (Epochs::DEFAULT, scene.world.clock.now());
    // That of the next epoch is, a day ahead.
    let next_is_due = epochs.announced_from(epochs.at(now).next()) <= now;
    let expected = 1 + usize::from(next_is_due);
    let announced_before = until("announced keys", SOON, async || {
        let announced = announced(&scene.world).await;
        (announced.len() == expected).then_some(announced)
    })
    .await;
    let before = (served_keys(&scene.world).await, announced_before);
    let scene = scene.restart().await;
    scene.until_readiness_is(StatusCode::OK).await;
    let after = (
        served_keys(&scene.world).await,
        announced(&scene.world).await,
    );
    assert_eq!(before, after);
    scene.close().await;
}
