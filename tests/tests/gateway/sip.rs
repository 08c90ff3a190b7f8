//! Calls of switches that ask by SIP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use pennyblack_tests::gateway_scene::{CALLED, GatewayScene, trunk, write_config};
use pennyblack_tests::port::free_port;
use pennyblack_tests::wait::until;
use tokio::time::Instant;

use super::SERVICE;
use super::switch::{Said, Switch};

const CALLER: &str = "17325551000";

pub(super) const SOON: Duration = Duration::from_secs(30);

/// `signing.deadline` and `verify.wait`, with what the gateway may take besides.
const DEADLINE: Duration = Duration::from_millis(300);

/// A gateway that is asked by SIP.
pub(super) struct SipScene {
    pub(super) scene: GatewayScene,
    pub(super) sign: SocketAddr,
    pub(super) verify: SocketAddr,
}

impl SipScene {
    pub(super) async fn open(tokens: usize) -> Self {
        let [sign, verify] = [free_port(), free_port()].map(at);
        // What signs is known when the world is: it comes by SIGHUP.
        let nobody = "[[trunk]]\nname = \"none\"\naddresses = [\"192.0.2.1/32\"]";
        let config = |more: &str, trunk: &str| sections(sign, verify, more) + trunk;
        let scene = GatewayScene::open(SERVICE, tokens, &config("", nobody)).await;
        let made = Self {
            scene,
            sign,
            verify,
        };
        made.configure("").await;
        made
    }

    /// Takes up `[sip.sign]` with this line, and the trunk that signs.
    async fn configure(&self, more: &str) {
        let trunk = trunk(&self.scene.world, "switch");
        let text = sections(self.sign, self.verify, more) + &trunk;
        write_config(&self.scene.world, &text);
        self.scene.gateway.hang_up();
        until("the trunk", SOON, async || {
            let mut switch = Switch::udp(self.verify).await;
            (switch.invites("17325559999").await.code() == 404).then_some(())
        })
        .await;
    }

    /// The value of a series.
    async fn count(&self, series: &str) -> u64 {
        let metrics = self.scene.admin("/metrics").await;
        let line = metrics.lines().find(|line| line.starts_with(series));
        let line = line.unwrap_or_else(|| panic!("{series} is not in\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn until_counted(&self, series: &str, expected: u64) {
        until(series, SOON, async || {
            (self.count(series).await == expected).then_some(())
        })
        .await;
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn sections(sign: SocketAddr, verify: SocketAddr, more: &str) -> String {
    format!(
        "[sip.sign]\nlisten = [\"udp:{sign}\", \"tcp:{sign}\"]\n{more}\n\
         [sip.verify]\nlisten = [\"udp:{verify}\", \"tcp:{verify}\"]\n"
    )
}

const SPENT: &str = "pennyblack_gateway_tokens_spent_total";

/// The Identity of a redirect, which stands in `Contact` too.
pub(super) fn identity(said: &Said) -> &str {
    assert_eq!(said.code(), 302, "{said:?}");
    let identity = said.one("Identity");
    assert!(identity.ends_with(";info=<https://certs.test/carrier.pem>;alg=ES256;ppt=shaken"));
    let contact = said.one("Contact");
    let (uri, embedded) = contact.split_once("?").unwrap();
    assert_eq!(uri, format!("<sip:+{CALLED}@127.0.0.1;user=phone"));
    let (jws, _) = identity.split_once(';').unwrap();
    assert!(
        embedded.contains(&format!("Identity={jws}%3Binfo%3D%3Chttps%3A")),
        "{contact}"
    );
    assert!(
        !embedded
            .trim_end_matches('>')
            .contains([';', '<', '"', '@', ' '])
    );
    identity
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_signed_stored_and_found_once_over_both_transports() {
    let scene = SipScene::open(4).await;
    for (number, caller) in [(1, CALLER), (2, "17325551001")] {
        let (mut signing, mut first, mut second) = match number {
            1 => (
                Switch::udp(scene.sign).await,
                Switch::udp(scene.verify).await,
                Switch::udp(scene.verify).await,
            ),
            _ => (
                Switch::tcp(scene.sign).await,
                Switch::tcp(scene.verify).await,
                Switch::tcp(scene.verify).await,
            ),
        };
        let signed = signing.invites(caller).await;
        let identity = identity(&signed);
        scene.until_counted(SPENT, number).await;
        let found = first.invites(caller).await;
        assert_eq!(found.code(), 302, "{found:?}");
        assert_eq!(found.one("Identity"), identity);
        assert_eq!(
            found.one("P-Attestation-Indicator"),
            "C",
            "nobody said more"
        );
        assert_eq!(
            found.one("P-Asserted-Identity"),
            format!("<sip:+{caller};verstat=TN-Validation-Passed@127.0.0.1;user=phone>")
        );
        let contact = found.one("Contact");
        for name in ["P-Asserted-Identity", "P-Origination-ID", "Identity"] {
            assert!(contact.contains(&format!("{name}=")), "{contact}");
        }
        let spoofed = second.invites(caller).await;
        assert_eq!(spoofed.code(), 404, "another call: {spoofed:?}");
    }
    scene.scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_an_invite_are_one_call_and_cost_one_token() {
    let scene = SipScene::open(4).await;
    let mut switch = Switch::udp(scene.sign).await;
    let invite = switch.request("INVITE", CALLER, "");
    for _ in 0..20 {
        switch.send(&invite).await;
    }
    let first = switch.hears_final().await;
    identity(&first);
    // As if it was lost: it comes again by itself, and again when it is asked for.
    assert_eq!(switch.hears_final().await, first);
    switch.send(&invite).await;
    assert_eq!(switch.hears_final().await, first);
    let again = "pennyblack_gateway_sip_events_total{side=\"signing\",event=\"retransmission\"}";
    scene.until_counted(again, 20).await;
    switch.send(switch.request("ACK", CALLER, "")).await;
    scene.until_counted(SPENT, 1).await;
    assert_eq!(
        scene
            .count("pennyblack_gateway_calls_total{side=\"signing\",result=\"signed\"}")
            .await,
        1
    );
    scene.scene.gateway.stop().await;
}

/// How long the quickest of some answers took: a busy machine delays some, and not all. The
/// callers are others for each code: what was signed may be stored, and found, when the CPS
/// goes on.
async fn quickest(gateway: SocketAddr, code: u16) -> Duration {
    let mut quickest = Duration::MAX;
    for number in 0..5 {
        let mut switch = Switch::udp(gateway).await;
        let began = Instant::now();
        let said = switch.invites(&format!("1732555{code}{number}")).await;
        quickest = quickest.min(began.elapsed());
        assert_eq!(said.code(), code, "{said:?}");
    }
    quickest
}

/// A switch that was told 100 and has no answer yet. Between the two are 50 ms: on a busy
/// machine the answer may come first, and not five times in a row.
async fn hears_trying(gateway: SocketAddr) -> Switch {
    for _ in 0..5 {
        let mut switch = Switch::udp(gateway).await;
        switch.send(switch.request("INVITE", CALLER, "")).await;
        match switch.hears().await.code() {
            100 => return switch,
            code => assert_eq!(code, 302),
        }
    }
    panic!("no 100 Trying");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_is_silent_or_gone_keeps_no_call_waiting() {
    let mut scene = SipScene::open(4).await;
    let cps = scene.scene.cps.take().unwrap();
    cps.freeze();
    let mut switch = hears_trying(scene.sign).await;
    let answer = switch.hears().await;
    identity(&answer);
    // After 100 the switch is silent: only the gateway can repair a loss.
    assert_eq!(switch.hears().await, answer);
    switch.send(switch.request("ACK", CALLER, "")).await;
    for (gateway, code) in [(scene.sign, 302), (scene.verify, 404)] {
        let took = quickest(gateway, code).await;
        assert!(took <= DEADLINE, "{code}: {took:?}");
    }
    cps.thaw();
    cps.stop().await;
    for (gateway, code) in [(scene.sign, 302), (scene.verify, 404)] {
        let took = quickest(gateway, code).await;
        assert!(took <= DEADLINE, "{code}: {took:?}");
    }
    scene.scene.gateway.stop().await;
}
