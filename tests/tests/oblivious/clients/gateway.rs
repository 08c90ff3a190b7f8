//! The telephone gateway as a program, with `[oblivious]`: it stores calls through a relay, and
//! nothing of it goes directly when the relay is away.

use std::fs;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_cps::ObliviousConfig;
use pennyblack_roster::{
    Governors, Member, Members, Position, Role, Roster, SignedRoster, Validity,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_load::{Books, caller, counted};
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, WALLET, trunk};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{NoteSigner, VerifierKey};

use super::scene::{SOON, start_relay};
use crate::SERVICE;

const TOKENS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stores_through_its_relay_and_sends_nothing_when_that_is_away() {
    let mut world = World::new(Clock::system());
    world.cps.oblivious = Some(ObliviousConfig::default());
    // What clients know as the CPS, and what the relay does.
    let front = LossyProxy::before_cps(&mut world).await.unwrap();
    let behind = LossyProxy::start(world.cps.public.listen).await.unwrap();
    let relay = start_relay(behind.address()).await;
    let beginning = Beginning {
        tokens: TOKENS,
        config: trunk(&world, "switch"),
        settings: vec![
            format!(
                "oblivious.relays=[\"http://{}/cps\"]",
                relay.addresses().public
            ),
            // Else mailboxes are polled directly, and counted.
            "oblivious.polls=true".to_owned(),
            "signing.keep_trying=\"2s\"".to_owned(),
        ],
        ..Beginning::default()
    };
    // It is ready: it has a key of the CPS, and has read key records and mailbox by the relay.
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let fetches = front.connections();
    assert!(fetches > 0, "keys are fetched directly, and counted");
    let (status, said) = scene.sign(&caller(0)).await;
    assert_eq!(status, 200, "{said}");
    let books = Books::settled(&scene, &[WALLET], TOKENS).await;
    assert_eq!((books.spent, books.stored), (1, 1), "{said}");
    assert!(behind.connections() > 0);
    assert_eq!(front.connections(), fetches);

    relay.stop().await;
    let (status, said) = scene.sign(&caller(1)).await;
    assert_eq!(
        (status, &said["signingResponse"]["oob"]["stored"]),
        (200, &false.into()),
        "{said}"
    );
    let metric = "pennyblack_gateway_copies_total{result=\"not-stored\"}";
    let given_up = until("the store given up", SOON, async || {
        let metrics = scene.admin("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(metric));
        line.and_then(|count| count.trim().parse().ok())
            .filter(|count: &u64| *count > 0)
    });
    given_up.await;
    assert_eq!(counted(&scene, "pennyblack_cps_stored_total").await, 1);
    assert_eq!(front.connections(), fetches);
    scene.gateway.stop().await;
}

/// A roster that one governor signs, of a CPS and a relay of this operator.
fn roster(
    governor: &NoteSigner,
    (before, now): (Option<&SignedRoster>, UnixTime),
    (cps, relay, operator): (&str, &str, &str),
) -> SignedRoster {
    let member = |role, at: &str, operator: &str, keys| {
        let uri = format!("http://{at}").parse().unwrap();
        Member::new(role, uri, operator.parse().unwrap(), keys).unwrap()
    };
    let log = format!("{cps}/log").parse().unwrap();
    let kind = SignatureType::Ed25519;
    let log = VerifierKey::new(log, kind, *governor.verifier().public()).unwrap();
    let members = vec![
        member(Role::Cps, cps, "operator-c", vec![log]),
        member(Role::Relay, relay, operator, Vec::new()),
    ];
    let roster = Roster {
        origin: "fed.example".parse().unwrap(),
        position: before.map_or(Position::First, |before| Position::After(before.pin())),
        validity: Validity::new(now, now.plus(Duration::from_secs(86_400))).unwrap(),
        governors: Governors::new(1, vec![governor.verifier().clone()]).unwrap(),
        members: Members::new(members).unwrap(),
    };
    SignedRoster::sign(roster, governor).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_takes_up_a_later_roster_on_sighup_and_keeps_the_last_when_one_is_broken() {
    let mut world = World::new(Clock::system());
    world.cps.oblivious = Some(ObliviousConfig::default());
    let relay = start_relay(world.cps.public.listen).await;
    let at = relay.addresses().public.to_string();
    let name = "governor.example".parse().unwrap();
    let governor = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
    let (rosters, cps) = (world.path("rosters"), world.cps_name().to_string());
    let now = world.clock.now();
    let write = |before: Option<&SignedRoster>, operator| {
        let roster = roster(&governor, (before, now), (&cps, &at, operator));
        let file = format!("{}.roster", roster.sequence());
        fs::write(rosters.join(file), roster.to_string()).unwrap();
        roster
    };
    fs::create_dir(&rosters).unwrap();
    let first = write(None, "operator-r");
    fs::write(rosters.join("pin"), first.pin().to_string()).unwrap();
    let beginning = Beginning {
        tokens: 1,
        config: trunk(&world, "switch"),
        settings: vec![
            format!("oblivious.relays=[\"http://{at}/cps\"]"),
            format!("oblivious.rosters=\"{}\"", rosters.display()),
        ],
        ..Beginning::default()
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let shows = async |path: &str, words: &str| {
        until(words, SOON, async || {
            scene.admin(path).await.contains(words).then_some(())
        })
        .await;
    };
    // The relay's operator is the CPS's now.
    let second = write(Some(&first), "operator-c");
    scene.gateway.hang_up();
    shows("/readyz", "operator-c runs both the relay").await;
    // What cannot be used changes nothing.
    fs::write(rosters.join("3.roster"), "no roster").unwrap();
    scene.gateway.hang_up();
    let failed = "pennyblack_reload_failed{what=\"oblivious.rosters\"}";
    shows("/metrics", &format!("{failed} 1")).await;
    shows("/readyz", "operator-c runs both the relay").await;
    write(Some(&second), "operator-r");
    scene.gateway.hang_up();
    shows("/metrics", &format!("{failed} 0")).await;
    until("readiness", SOON, async || {
        let said = scene.admin("/readyz").await;
        (!said.contains("operator-c")).then_some(())
    })
    .await;
    scene.gateway.stop().await;
    relay.stop().await;
}
