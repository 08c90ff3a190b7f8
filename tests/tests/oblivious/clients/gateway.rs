//! The telephone gateway as a program, with `[oblivious]`: it stores calls through a relay, and
//! nothing of it goes directly when the relay is away.

use pennyblack_cps::ObliviousConfig;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_load::{Books, caller, counted};
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, WALLET, trunk};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

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
