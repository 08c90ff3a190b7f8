//! **The whole way**: three governors, of whom two must sign; a CPS that serves what lies in a
//! directory; a client that follows it over two successors.

use std::fs;
use std::path::Path;

use pennyblack_cps::{Config as CpsConfig, Cps, FederationConfig};
use pennyblack_http::{HttpOptions, Request, RetryPolicy};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start::RunningService;

use super::making::{first_roster, found};
use super::*;
use crate::terminal::Scene;

async fn start_cps(scene: &Scene, rosters: &Path) -> Result<RunningService, String> {
    // No issuer is there: a CPS serves rosters all the same.
    let issuer = absent_issuer();
    let (data, roots) = (
        scene.home.path().join("cps"),
        scene.home.path().join("pki/roots"),
    );
    let mut config = CpsConfig::local("cps.test".parse().unwrap(), data, roots, issuer);
    config.federation = Some(FederationConfig {
        roster_directory: rosters.to_owned(),
    });
    let started = Cps::start(config, Clock::system()).await;
    started.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cps_serves_rosters_and_a_client_follows_them_over_two_successors() {
    let (scene, office) = (Scene::new(), Office::new());
    found(&office);
    let pin = first_roster(&office);
    let served = office.0.path().join("served");
    fs::create_dir(&served).unwrap();
    let publish = |name: &str| fs::copy(office.0.path().join(name), served.join(name)).unwrap();
    // Without a roster, or with a broken one, the CPS does not start.
    let refused = start_cps(&scene, &served).await.unwrap_err();
    assert!(refused.contains("federation.roster_directory"), "{refused}");
    fs::copy(office.0.path().join("1.a"), served.join("1.roster")).unwrap();
    let refused = start_cps(&scene, &served).await.unwrap_err();
    assert!(refused.contains("lacks signatures"), "{refused}");
    publish("1.roster");
    let cps = start_cps(&scene, &served).await.unwrap();
    let url = format!("http://{}", cps.addresses().public);
    let fetch = format!("fetch --roster {url} --pin {pin} --out kept");
    office.federation(&fetch).exits_with(0).has("1 roster new");

    for (number, signers) in [(2, ["a", "b"]), (3, ["b", "c"])] {
        let before = number - 1;
        let new = format!("new draft.txt --after {before}.roster --out {number}.unsigned");
        office.federation(&new).exits_with(0);
        for name in signers {
            let sign =
                format!("sign {number}.unsigned --key {name}.governor --out {number}.{name}");
            office.federation(&sign).exits_with(0);
        }
        let [one, other] = signers;
        let merge = format!("merge {number}.{one} {number}.{other} --out {number}.roster");
        office.federation(&merge).exits_with(0);
        publish(&format!("{number}.roster"));
    }
    let client = HttpOptions::default().client().unwrap();
    // Files are read again on request.
    cps.reload().trigger();
    let newest = Request::get(format!("{url}/v1/roster"), 200_000);
    while !client
        .send(&newest, RetryPolicy::SHORT)
        .await
        .unwrap()
        .body
        .starts_with(b"pennyblack-roster/v1\nfed.example\n3 after ")
    {
        tokio::task::yield_now().await;
    }
    let again = format!("fetch --roster {url} --out kept");
    office
        .federation(&again)
        .exits_with(0)
        .has("3 rosters of fed.example")
        .has("2 rosters new");
    // What a client keeps can be served as it is.
    for name in ["1.roster", "2.roster", "3.roster"] {
        let files = ["served", "kept"].map(|place| office.0.path().join(place).join(name));
        assert_eq!(fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
    }
    let answer = client.send(&newest, RetryPolicy::SHORT).await.unwrap();
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    for absent in ["0", "4", "x", "18446744073709551616", "01"] {
        let request = Request::get(format!("{url}/v1/roster/{absent}"), 1_000);
        let answer = client.exchange(&request).await.unwrap();
        assert_eq!(answer.status, 404, "{absent}");
    }
    cps.stop().await;
}
