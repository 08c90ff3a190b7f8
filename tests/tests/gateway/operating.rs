//! What an operator sees: metrics, readiness, the lines of calls.

use std::fs;
use std::time::Duration;

use pennyblack_client::verification_service::create_mailbox_key;
use pennyblack_pki::RevocationReason;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::gateway_scene::{
    Beginning, GatewayScene, MAILBOX, trunk, write_config, write_config_with,
};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use serde_json::Value;

use super::SERVICE;

const SOON: Duration = Duration::from_secs(30);

/// Series that must be there before the first call.
const SERIES: [&str; 17] = [
    "pennyblack_gateway_calls_total{side=\"signing\",result=\"signed\"} 0",
    "pennyblack_gateway_calls_total{side=\"verification\",result=\"passed-out-of-band\"} 0",
    "pennyblack_gateway_calls_total{side=\"verification\",result=\"failed\"} 0",
    "pennyblack_gateway_copies_total{result=\"in-time\"} 0",
    "pennyblack_gateway_copies_total{result=\"not-stored\"} 0",
    "pennyblack_gateway_reasons_total{reason=\"no-token\"} 0",
    "pennyblack_gateway_reasons_total{reason=\"deadline\"} 0",
    "pennyblack_gateway_refusals_total{error=\"SVC4001\"} 0",
    "pennyblack_gateway_refusals_total{error=\"POL5000\"} 0",
    "pennyblack_gateway_tokens_spent_total 0",
    "pennyblack_gateway_call_lines_lost_total 0",
    "pennyblack_gateway_mailboxes 1",
    "pennyblack_gateway_sip_answers_total{side=\"signing\",answer=\"redirect\"} 0",
    "pennyblack_gateway_sip_events_total{side=\"verification\",event=\"full\"} 0",
    "pennyblack_gateway_sip_open{side=\"signing\",what=\"transactions\"} 0",
    "pennyblack_gateway_sip_strangers_total{side=\"signing\"} 0",
    "pennyblack_gateway_sip_turned_away_total{side=\"verification\"} 0",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_every_series_at_zero_and_no_number_unless_it_is_said() {
    let scene = GatewayScene::open(
        SERVICE,
        2,
        "[[trunk]]\nname = \"none\"\ncountry_code = \"1\"",
    )
    .await;
    let metrics = scene.admin("/metrics").await;
    for series in SERIES {
        assert!(metrics.contains(series), "{series} is not in\n{metrics}");
    }
    // A broken configuration changes nothing.
    write_config(&scene.world, "[[trunk]]\nname = 7");
    scene.gateway.hang_up();
    until("the failed reload", SOON, async || {
        let metrics = scene.admin("/metrics").await;
        metrics
            .contains("pennyblack_reload_failed{what=\"trunks\"} 1")
            .then_some(())
    })
    .await;
    let (status, body) = scene.verify("+17325551000", "one").await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = scene.sign("+17325551000").await;
    assert_eq!(status, 500, "no certificate: {body}");
    write_config(&scene.world, &trunk(&scene.world, "switch"));
    scene.gateway.hang_up();
    until("the signing trunk", SOON, async || {
        let (status, _) = scene.sign("+17325551000").await;
        (status == 200).then_some(())
    })
    .await;
    let line = until("the line of the signed call", SOON, async || {
        let lines = fs::read_to_string(scene.world.path("calls.jsonl")).ok()?;
        let signed = lines.lines().find(|line| line.contains("\"signed\""))?;
        Some(serde_json::from_str::<Value>(signed).unwrap())
    })
    .await;
    assert_eq!(line["trunk"], "switch", "{line}");
    assert_eq!(line["attest"], "A", "{line}");
    let lines = fs::read_to_string(scene.world.path("calls.jsonl")).unwrap();
    for number in ["7325551000", "12125550100"] {
        assert!(!lines.contains(number), "{lines}");
    }
    assert!(scene.admin("/readyz").await.contains("ready"));

    let other = "other.mailbox";
    create_mailbox_key(&scene.world.path(other), Kem::DhkemX25519).unwrap();
    let trunk = trunk(&scene.world, "switch");
    write_config_with(&scene.world, &[MAILBOX, other], &trunk);
    scene.gateway.hang_up();
    until("two mailboxes", SOON, async || {
        let metrics = scene.admin("/metrics").await;
        metrics
            .contains("pennyblack_gateway_mailboxes 2")
            .then_some(())
    })
    .await;
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_only_signs_takes_up_a_newer_revocation_list_on_sighup() {
    let world = World::new(Clock::system());
    let lists = world.path("pki").join("revocation").display().to_string();
    let beginning = Beginning {
        tokens: 1,
        more_mailboxes: 0,
        config: trunk(&world, "switch"),
        settings: vec![
            "gateway.role=sign".to_owned(),
            format!("trust.revocation_lists={lists}"),
        ],
    };
    let mut scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let (status, body) = scene.sign("+17325551000").await;
    assert_eq!(status, 200, "{body}");
    let now = scene.world.clock.now();
    let (week, reason) = (
        Duration::from_secs(7 * 86_400),
        RevocationReason::KeyCompromise,
    );
    scene
        .world
        .pki
        .revoke("carrier", reason, week, now)
        .unwrap();
    scene.gateway.hang_up();
    until("the revoked certificate", SOON, async || {
        let (status, _) = scene.sign("+17325551000").await;
        (status == 500).then_some(())
    })
    .await;
    scene.gateway.stop().await;
}
