//! The address of a storer is in nothing that the CPS has seen.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use pennyblack_client::oblivious::Fallback;
use pennyblack_http::HttpOptions;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::port::free_port;

use super::scene::{CARRIER_AT, Scene, from_the_carrier};

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_has_the_only_connection_to_the_cps_and_no_file_of_it_names_the_storer() {
    let scene = Scene::set(4).await;
    scene.fetch_soon().await;
    let relay = from_the_carrier(scene.relay.addresses().public).await;
    let fetches = scene.front.connections();
    assert!(fetches > 0, "keys are fetched directly, and counted");
    let http = scene.http_by(relay);
    let caller = scene.caller(&http);
    let found = scene.keys(&caller).await.unwrap();
    for _ in 0..3 {
        scene.store(&caller, &found.keys[0]).await.unwrap();
    }
    // Four requests that nothing links are one connection of the relay's.
    let connections = (scene.behind.connections(), scene.front.connections());
    assert_eq!(connections, (1, fetches));
    assert_eq!(super::passports(&scene, &HttpOptions::default()).await, 3);
    let storer = CARRIER_AT.to_string();
    let admin = scene.cps.addresses().admin;
    for path in ["metrics", "status.json", ""] {
        let url = format!("http://{admin}/{path}");
        let answer = Answer::to(reqwest::Client::new().get(url)).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.is_empty() && !text.contains(&storer),
            "{path}: {text}"
        );
    }
    let Scene {
        federation,
        issuer,
        cps,
        relay,
        ..
    } = scene;
    for service in [relay, cps, issuer] {
        service.stop().await;
    }
    let home = federation.home().join("cps");
    let octets = CARRIER_AT.octets();
    let read = search(&home, &[storer.as_bytes(), &octets]);
    assert!(read > 0, "the CPS keeps files in {}", home.display());
}

/// What the other tests count would be seen if it happened.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_directly_by_the_operators_wish_is_counted() {
    let scene = Scene::set(1).await;
    scene.fetch_soon().await;
    let fetches = scene.front.connections();
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let caller = scene.caller(&scene.http_with(nobody, Fallback::Direct));
    let found = scene.keys(&caller).await.unwrap();
    scene.store(&caller, &found.keys[0]).await.unwrap();
    let connections = (scene.behind.connections(), scene.front.connections());
    assert_eq!(connections, (0, fetches + 2));
    scene.end().await;
}

/// Panics if a file below `directory` has one of these; how many files there are.
fn search(directory: &Path, needles: &[&[u8]]) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search(&path, needles);
            continue;
        }
        let content = fs::read(&path).unwrap();
        for needle in needles {
            let found = content
                .windows(needle.len())
                .any(|window| window == *needle);
            assert!(!found, "{} has the storer's address", path.display());
        }
        files += 1;
    }
    files
}
