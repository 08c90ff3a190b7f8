//! A gateway with keys of a directory, which the CPS's own feed has filled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::directory::{Directory, DirectorySync, Judge, NoObserver};
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_client::trust::load_trust;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, trunk};
use pennyblack_tests::one_roster;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::VerifierKey;

use super::SERVICE;

const CALLER: &str = "17325551000";
const SOON: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn url(scene: &GatewayScene) -> String {
    scene.world.url_of(scene.world.cps_name().as_str())
}

async fn log_key(scene: &GatewayScene) -> VerifierKey {
    let request = scene.world.client.get(format!("{}/log/key", url(scene)));
    let answer = Answer::to(request).await.unwrap();
    String::from_utf8_lossy(&answer.body)
        .trim()
        .parse()
        .unwrap()
}

/// Keeps a roster with the CPS, or with another in its place.
async fn keep_roster(scene: &GatewayScene, name: &str, cps: Option<&str>) -> PathBuf {
    let (at, now) = (scene.world.path(name), scene.world.clock.now());
    let own = log_key(scene).await;
    let member = match cps {
        None => one_roster::cps(&url(scene), &own),
        Some(other) => {
            let log = format!("{other}/log").parse().unwrap();
            let key = VerifierKey::new(log, own.kind(), *own.public()).unwrap();
            one_roster::cps(&format!("https://{other}"), &key)
        }
    };
    one_roster::keep(&at, vec![member], (now, now.plus(DAY)));
    at
}

/// Mirrors what the CPS has, once it has published something.
async fn sync(scene: &GatewayScene, rosters: &Path) -> PathBuf {
    let (world, file) = (&scene.world, scene.world.path("directory.db"));
    let judge = Judge {
        trust: load_trust(&world.path("pki/roots"), None, world.clock.now()).unwrap(),
        numbering: None,
        service: None,
        certificates: CertificateStores::default(),
    };
    let directory = Directory::open(&file).unwrap();
    let client = world.http_options().client().unwrap();
    let sync = DirectorySync::new(directory.clone(), judge, client);
    until("a published key record", SOON, async || {
        let now = world.clock.now();
        let cpss = RosterCpss::read(rosters, RosterUse::Believing, now).unwrap();
        let round = sync.round(&cpss, now, &NoObserver).await.unwrap();
        for report in round.cpss {
            report.outcome.unwrap();
        }
        (directory.state(now).unwrap().records > 0).then_some(())
    })
    .await;
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stores_by_a_directory_and_at_no_cps_outside_of_the_roster() {
    let world = World::new(Clock::system());
    let beginning = Beginning {
        tokens: 8,
        config: trunk(&world, "switch"),
        ..Beginning::default()
    };
    let mut scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let rosters = keep_roster(&scene, "rosters", None).await;
    let file = sync(&scene, &rosters).await;
    let settings = |rosters: &Path| {
        [
            format!("store.directory={}", file.display()),
            format!("store.rosters={}", rosters.display()),
            "store.key_records.prefixes=[]".to_owned(),
        ]
    };
    scene.gateway = scene
        .start_another(SERVICE, "mirrored", &settings(&rosters))
        .await;
    until("a stored call", SOON, async || {
        let (_, body) = scene.sign(CALLER).await;
        (body["signingResponse"]["oob"]["stored"] == true).then_some(())
    })
    .await;
    until("the age of the directory", SOON, async || {
        let metrics = scene.admin("/metrics").await;
        metrics
            .contains("pennyblack_gateway_directory_age_seconds")
            .then_some(())
    })
    .await;

    let others = keep_roster(&scene, "other-rosters", Some("elsewhere.example")).await;
    scene.gateway = scene
        .start_another(SERVICE, "outside", &settings(&others))
        .await;
    until("why a call is not stored", SOON, async || {
        let (status, body) = scene.sign(CALLER).await;
        let oob = &body["signingResponse"]["oob"];
        assert_eq!((status, &oob["stored"]), (200, &false.into()), "{body}");
        (oob["reason"] == "cps-not-in-roster").then_some(())
    })
    .await;
}
