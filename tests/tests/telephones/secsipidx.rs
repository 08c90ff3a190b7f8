//! Identity headers of the gateway before a verifier of others: secsipidx, which is part of
//! Debian.

use std::fs;
use std::path::Path;
use std::process::Command;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, trunk};
use pennyblack_tests::world::World;

use super::SERVICE;

const CALLS: u32 = 100;

/// Whether secsipidx accepts an Identity header, by the key of this certificate.
fn accepts(identity: &str, certificate: &Path, folder: &Path) -> bool {
    let file = folder.join("identity");
    fs::write(&file, identity).unwrap();
    let mut command = Command::new("secsipidx");
    command.arg("-check").args(["-expire", "60"]);
    command.arg("-fidentity").arg(&file);
    command.arg("-fpubkey").arg(certificate);
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("secsipidx: {error}; tests/run installs it"));
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("ok")
}

#[tokio::test(flavor = "multi_thread")]
async fn secsipidx_accepts_a_hundred_of_a_hundred_identities() {
    let world = World::new(Clock::system());
    let beginning = Beginning {
        tokens: 1,
        config: trunk(&world, "switch"),
        ..Beginning::default()
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let (certificate, folder) = (
        scene.world.pki.certificate_path("carrier"),
        scene.world.path("."),
    );
    let mut identity = String::new();
    for call in 0..CALLS {
        let (status, body) = scene
            .sign(&(17_325_551_000 + u64::from(call)).to_string())
            .await;
        assert_eq!(status, 200, "{body}");
        let signed = body["signingResponse"]["identity"].as_str();
        signed.unwrap().clone_into(&mut identity);
        assert!(accepts(&identity, &certificate, &folder), "{identity}");
    }
    let (jws, parameters) = identity.split_once(';').unwrap();
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    let forged = format!("{signed}.{other};{parameters}");
    assert!(
        !accepts(&forged, &certificate, &folder),
        "it accepts anything"
    );
    scene.gateway.stop().await;
}
