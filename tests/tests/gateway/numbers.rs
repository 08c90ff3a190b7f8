//! No telephone number in log lines, lines of calls and metrics, unless it is said.

use std::fs;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_numbers::{make_calls, needles, written};
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, SipPorts, trunk};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

use super::SERVICE;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_written_unless_it_is_said() {
    let (world, sip) = (World::new(Clock::system()), SipPorts::free());
    let beginning = Beginning {
        tokens: 16,
        config: trunk(&world, "switch"),
        settings: sip.settings().collect(),
        ..Beginning::default()
    };
    let mut scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let calls = make_calls(&scene, sip).await;
    scene.cps.as_ref().unwrap().freeze();
    let calls = calls + make_calls(&scene, sip).await;
    let written = written(&scene, calls).await;
    let found = needles().found_in(&written);
    assert!(found.is_empty(), "{found:?}");

    // What is searched for is found where it is.
    scene.cps.as_ref().unwrap().thaw();
    let told = scene.world.path("told.jsonl");
    let sip = SipPorts::free();
    let mut settings = vec![
        format!("calls.file={}", told.display()),
        "calls.numbers=full".to_owned(),
    ];
    settings.extend(sip.settings());
    scene.gateway = scene.start_another(SERVICE, "telling", &settings).await;
    make_calls(&scene, sip).await;
    until("lines with numbers", SOON, async || {
        let lines = fs::read(&told).ok()?;
        (!needles().found_in(&lines).is_empty()).then_some(())
    })
    .await;
}
