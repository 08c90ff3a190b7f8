//! SIGHUP with another certificate for HTTP, while a call by SIP is open.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pennyblack_http::{HttpError, HttpOptions, Request, RetryPolicy, TrustRoots};
use pennyblack_runtime::clock::Clock;
use pennyblack_storage::atomic_file;
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, SipPorts, trunk};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

use super::SERVICE;
use super::switch::Switch;

const SOON: Duration = Duration::from_secs(30);

const CALLER: &str = "17325551000";

/// Makes a certificate for this machine, and puts it with its key where the gateway reads it.
/// The copy is what a switch trusts.
fn install(world: &World, copy: &str) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(world.path("tls.pem"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    atomic_file::write_private(&world.path("tls.key"), key.as_bytes()).unwrap();
    fs::write(world.path(copy), made.cert.pem()).unwrap();
}

/// A request of a switch that trusts this certificate and no other.
async fn ask(scene: &GatewayScene, trusted: &Path) -> Result<(), HttpError> {
    let options = HttpOptions {
        trust_roots: TrustRoots::Only(trusted.to_owned()),
        ..HttpOptions::default()
    };
    let client = options.client().unwrap();
    let url = format!("https://{}/health", scene.gateway.addresses().public);
    let request = Request::get(url, 1024);
    client.send(&request, RetryPolicy::NONE).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_renews_the_certificate_and_an_open_call_keeps_its_answer() {
    let (world, ports) = (World::new(Clock::system()), SipPorts::free());
    install(&world, "old.pem");
    let [old, new] = ["old.pem", "new.pem"].map(|name| world.path(name));
    let at = |name: &str| world.path(name).display().to_string();
    let mut settings: Vec<_> = ports.settings().collect();
    settings.push(format!("public.tls.certificate={}", at("tls.pem")));
    settings.push(format!("public.tls.key={}", at("tls.key")));
    let beginning = Beginning {
        tokens: 4,
        more_mailboxes: 0,
        config: trunk(&world, "switch"),
        settings,
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    until("a ready gateway", SOON, async || {
        ask(&scene, &old).await.ok()
    })
    .await;
    let mut switch = Switch::udp(ports.sign).await;
    let invite = switch.request("INVITE", CALLER, "");
    switch.send(&invite).await;
    let answer = switch.hears_final().await;
    assert_eq!(answer.code(), 302, "{answer:?}");

    install(&scene.world, "new.pem");
    scene.gateway.hang_up();
    until("the new certificate", SOON, async || {
        ask(&scene, &new).await.ok()
    })
    .await;
    assert!(ask(&scene, &old).await.is_err());
    switch.send(&invite).await;
    assert_eq!(switch.hears_final().await, answer, "it is the same call");
    switch.send(switch.request("ACK", CALLER, "")).await;
    for series in [
        "pennyblack_gateway_sip_events_total{side=\"signing\",event=\"retransmission\"} 1\n",
        "pennyblack_gateway_tokens_spent_total 1\n",
    ] {
        until(series, SOON, async || {
            scene.admin("/metrics").await.contains(series).then_some(())
        })
        .await;
    }
    scene.gateway.stop().await;
}
