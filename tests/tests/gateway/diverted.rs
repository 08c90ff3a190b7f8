//! A call that was sent on: its first PASSporT and a `div` travel together.

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, trunk};
use pennyblack_tests::world::World;
use serde_json::{Value, json};

use super::SERVICE;

const CALLER: &str = "17325551000";

/// Who was called first.
const FIRST: &str = "12125550199";

async fn sign(scene: &GatewayScene, dest: &str, more: Value) -> Value {
    let mut request = json!({
        "orig": {"tn": CALLER}, "dest": {"tn": [dest]}, "iat": scene.world.clock.now().0,
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    let body = json!({"signingRequest": request}).to_string();
    let path = "/stir/v1/signing";
    let (status, body) = scene.post(path, "application/json", body).await;
    assert_eq!(status, 200, "{body}");
    body["signingResponse"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diverted_call_is_found_with_the_passport_that_it_had() {
    let world = World::new(Clock::system());
    let beginning = Beginning {
        tokens: 8,
        config: trunk(&world, "switch"),
        ..Beginning::default()
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let original = sign(&scene, FIRST, json!({})).await;
    assert_eq!(original["oob"]["reason"], "no-key-records", "{original}");

    let div = json!({"ppt": "div", "div": {"tn": FIRST}});
    let alone = sign(&scene, CALLED, div.clone()).await;
    assert_eq!(alone["oob"]["reason"], "no-original", "{alone}");
    let identity = alone["identity"].as_str().unwrap();
    assert!(identity.ends_with(";ppt=div"), "{identity}");
    let (_, body) = scene.verify(CALLER, "early").await;
    let said = &body["verificationResponse"];
    assert_eq!(said["verstat"], "No-TN-Validation", "{body}");

    let mut with_original = div;
    with_original["identityHeader"] = original["identity"].clone();
    let diverted = sign(&scene, CALLED, with_original).await;
    assert_eq!(diverted["oob"], json!({"stored": true, "copies": 2}));

    let (_, body) = scene.verify(CALLER, "first").await;
    let said = &body["verificationResponse"];
    assert_eq!(said["verstat"], "TN-Validation-Passed", "{body}");
    let passed = json!([{"div": {"tn": FIRST}, "verstatValue": "TN-Validation-Passed"}]);
    assert_eq!(said["divResult"], passed, "{body}");
    let identities: Vec<_> = said["oob"]["identities"].as_array().unwrap().clone();
    for one in [&original["identity"], &diverted["identity"]] {
        assert!(identities.contains(one), "{body}");
    }
    let (_, body) = scene.verify(CALLER, "second").await;
    assert_eq!(body["verificationResponse"]["verstat"], "No-TN-Validation");
    scene.gateway.stop().await;
}
