//! Calls from their signing to their verdict.

use std::time::Duration;

use pennyblack_tests::gateway_scene::{CALLED, GatewayScene, trunk, write_config};
use tokio::time::Instant;

use super::SERVICE;

const CALLER: &str = "17325551000";

/// The deadline of signing and the wait of verifying are 250 ms; what is more is for a busy
/// machine.
const IN_TIME: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_signed_stored_and_found_once_and_goes_on_when_the_cps_does_not() {
    let mut scene = GatewayScene::open(
        SERVICE,
        8,
        "[[trunk]]\nname = \"none\"\naddresses = [\"10.0.0.0/8\"]",
    )
    .await;
    // Another trunk comes by SIGHUP: what signs is not in the first configuration.
    let (status, body) = scene.sign(CALLER).await;
    assert_eq!(status, 403, "{body}");
    let with_trunk = trunk(&scene.world, "switch");
    write_config(&scene.world, &with_trunk);
    scene.gateway.hang_up();
    pennyblack_tests::wait::until("the new trunk", Duration::from_secs(30), async || {
        let (status, _) = scene.verify("+17325559999", "early").await;
        (status == 200).then_some(())
    })
    .await;

    let (status, body) = scene.sign("(732) 555-1000").await;
    let said = &body["signingResponse"];
    assert_eq!(status, 200, "{body}");
    assert_eq!(said["oob"]["stored"], true, "{body}");
    assert_eq!(said["identity"], said["identityHeader"]);
    let identity = said["identity"].as_str().unwrap();
    assert!(identity.ends_with(";info=<https://certs.test/carrier.pem>;alg=ES256;ppt=shaken"));

    let (status, body) = scene.verify("7325551000", "first").await;
    let said = &body["verificationResponse"];
    assert_eq!(status, 200, "{body}");
    assert_eq!(said["verstat"], "TN-Validation-Passed", "{body}");
    assert_eq!(said["oob"]["source"], "out-of-band");
    assert_eq!(said["oob"]["identity"], identity);
    let claims = &said["verifyResults"][0]["verifyResult"]["validClaims"];
    assert_eq!(claims["orig"]["tn"], CALLER);
    assert_eq!(claims["dest"]["tn"][0], CALLED);

    let (_, body) = scene.verify(CALLER, "first").await;
    let again = &body["verificationResponse"]["verstat"];
    assert_eq!(*again, "TN-Validation-Passed", "the same call asks again");
    let (_, body) = scene.verify(CALLER, "second").await;
    let second = &body["verificationResponse"]["verstat"];
    assert_eq!(
        *second, "No-TN-Validation",
        "another call with the same numbers"
    );

    scene.cps.take().unwrap().stop().await;
    let began = Instant::now();
    let (status, body) = scene.sign(CALLER).await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    assert_eq!(status, 200, "{body}");
    let oob = &body["signingResponse"]["oob"];
    assert_eq!(oob["stored"], false, "{body}");
    assert!(oob["reason"].is_string(), "{body}");
    assert!(body["signingResponse"]["identity"].is_string());
    let began = Instant::now();
    let (status, body) = scene.verify("+17325557777", "third").await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    let said = &body["verificationResponse"]["verstat"];
    assert_eq!(
        (status, said.as_str()),
        (200, Some("No-TN-Validation")),
        "{body}"
    );
    scene.gateway.stop().await;
}
