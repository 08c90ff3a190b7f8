//! Messages get lost, of SIP and between gateway and CPS: each is sent again, and nothing is
//! paid for twice.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_load::{Books, caller};
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, SipPorts, WALLET, trunk};
use pennyblack_tests::lossy_path::{Loss, LossyPath};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::sip_caller;
use pennyblack_tests::world::World;

use super::SERVICE;

const CALLS: usize = 32;

/// At a time: the copies of all of them are always waited for, however slow the CPS seems.
const AT_ONCE: usize = 3;

/// Mailboxes of the called number.
const KEYS: usize = 2;

const TOKENS: usize = 128;

/// So many of a hundred messages are lost.
const LOST: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn each_passport_costs_a_token_for_each_key_whatever_is_lost() {
    let (mut world, sip) = (World::new(Clock::system()), SipPorts::free());
    let proxy = LossyProxy::before_cps(&mut world).await.unwrap();
    let beginning = Beginning {
        tokens: TOKENS,
        config: trunk(&world, "switch"),
        settings: sip.settings().collect(),
        more_mailboxes: KEYS - 1,
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let path = LossyPath::start(sip.sign).await.unwrap();
    path.lose(Loss::Percent(LOST));
    proxy.lose_percent(LOST);
    let gateway = path.address();
    let calls = stream::iter(0..CALLS).map(async |number| {
        let signed = sip_caller::sign(gateway, &caller(number), CALLED).await;
        signed.expect("a switch asks until it is answered")
    });
    let passports: HashSet<_> = calls.buffer_unordered(AT_ONCE).collect().await;
    let books = Books::settled(&scene, &[WALLET], TOKENS).await;
    let lost = (path.lost(), proxy.lost());
    assert!(lost.0 > 0 && lost.1 > 0, "{lost:?} messages were lost");
    assert_eq!(passports.len(), CALLS, "one for each call");
    let expected = Books {
        spent: CALLS * KEYS,
        stored: CALLS * KEYS,
        double_spends: 0,
    };
    assert_eq!(books, expected);
    scene.gateway.stop().await;
}
