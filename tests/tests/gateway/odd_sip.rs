//! Odd requests by SIP, each of which a real peer has sent.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_tests::gateway_scene::CALLED;
use pennyblack_tests::wait::until;
use tokio::time::Instant;

use super::sip::{SOON, SipScene, identity};
use super::switch::{Said, Switch};

const CALLER: &str = "17325551000";

/// Longer than T1, after which an answer would be sent again.
const LONGER_THAN_T1: Duration = Duration::from_millis(900);

/// An odd way to say that `CALLER` calls.
async fn redirected(gateway: SocketAddr, invite: impl Fn(&Switch) -> String) -> Said {
    let mut switch = Switch::udp(gateway).await;
    let invite = invite(&switch);
    let said = switch.asks(&invite).await;
    identity(&said);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_are_answered_as_the_standards_say() {
    // While there are tokens, it is ready.
    let scene = SipScene::open(32).await;
    every_way_to_write_an_invite(scene.sign).await;
    answers_find_their_way(scene.sign).await;
    other_requests(&scene).await;
    connections(scene.sign).await;
    scene.scene.gateway.stop().await;
}

async fn every_way_to_write_an_invite(gateway: SocketAddr) {
    let to = format!("To: <sip:+{CALLED}@x>\r\n");
    let via = |switch: &Switch| {
        format!(
            "Via: SIP/2.0/UDP {};rport;branch={}\r\n",
            switch.local, switch.branch
        )
    };
    redirected(gateway, |switch| {
        let invite = switch.request("INVITE", CALLER, "Require: 100rel\r\nSupported: timer\r\n");
        let names = [
            ("Via", "v"),
            ("From", "f"),
            ("To", "t"),
            ("Call-ID", "i"),
            ("Content-Length", "l"),
        ];
        names.iter().fold(invite, |invite, (long, short)| {
            invite.replace(&format!("\n{long}:"), &format!("\n{short}:"))
        })
    })
    .await;
    let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    redirected(gateway, |switch| {
        let asserted = format!("Privacy: id\r\nP-Asserted-Identity: \"X\" <sip:+{CALLER}@x>\r\n");
        switch.request_of("INVITE", &via(switch), anonymous, &to, &asserted)
    })
    .await;
    let from = format!("\"sip:911@x\" <sip:+{CALLER}@x>");
    redirected(gateway, |switch| {
        let ported = format!("To: <sip:+{CALLED};npdi;rn=+12155559999@x;user=phone>\r\n");
        switch.request_of("INVITE", &via(switch), &from, &ported, "")
    })
    .await;
    let nothing = async |from: &str, to: &str| {
        let mut switch = Switch::udp(gateway).await;
        let invite = switch.request_of("INVITE", &via(&switch), from, to, "");
        assert_eq!(switch.asks(&invite).await.code(), 404, "{from} {to}");
    };
    nothing(&from, "To: <sip:911@x>\r\n").await;
    nothing(&from, "To: <urn:service:sos>\r\n").await;
    nothing(anonymous, &to).await;
    nothing("<sip:alice@x>", &to).await;
}

async fn answers_find_their_way(gateway: SocketAddr) {
    let said = redirected(gateway, |switch| {
        let more =
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb, SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKc\r\n";
        switch.request("INVITE", CALLER, more)
    })
    .await;
    let vias = said.all("Via").join(", ");
    let [first, second] = [vias.find("10.0.0.1"), vias.find("10.0.0.2")];
    assert!(first.is_some() && first < second, "{vias}");
    assert!(said.one("To").contains(";tag="), "{said:?}");
    assert_eq!(said.one("CSeq"), "1 INVITE");
    // Without rport the answer goes to the port of Via (RFC 3261 section 18.2.2).
    let (mut switch, mut other) = (Switch::udp(gateway).await, Switch::udp(gateway).await);
    let elsewhere =
        |text: String| text.replace(&switch.local.to_string(), &other.local.to_string());
    let invite = elsewhere(switch.request("INVITE", CALLER, "")).replace(";rport", "");
    let ack = invite
        .replace("INVITE sip", "ACK sip")
        .replace("1 INVITE", "1 ACK");
    switch.send(invite).await;
    identity(&other.hears_final().await);
    switch.send(ack).await;
}

async fn other_requests(scene: &SipScene) {
    let ready = until("the answer to OPTIONS", SOON, async || {
        let mut switch = Switch::udp(scene.sign).await;
        switch.send(switch.request("OPTIONS", CALLER, "")).await;
        let said = switch.hears().await;
        (said.code() == 200).then_some(said)
    })
    .await;
    assert!(ready.one("Allow").contains("INVITE"), "{ready:?}");
    for (method, code) in [("REGISTER", 405), ("CANCEL", 481), ("BYE", 405)] {
        let mut switch = Switch::udp(scene.sign).await;
        switch.send(switch.request(method, CALLER, "")).await;
        assert_eq!(switch.hears().await.code(), code, "{method}");
    }
    // A stray ACK is answered by nothing, and a re-INVITE belongs to no dialog of ours.
    let mut switch = Switch::udp(scene.sign).await;
    switch.send(switch.request("ACK", CALLER, "")).await;
    let again = switch
        .request("INVITE", CALLER, "")
        .replace(";user=phone>", ">;tag=b");
    assert_eq!(switch.asks(&again).await.code(), 481);
    let mut switch = Switch::udp(scene.sign).await;
    for garbage in [
        &b"\r\n\r\n"[..],
        b"\0",
        &b"\xff\xfe".repeat(700),
        b"INVITE",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE  sip:a  SIP/2.0\r\nVia: x\r\n\r\n",
        &b"A".repeat(60_000),
    ] {
        switch.send(garbage).await;
    }
    assert_eq!(switch.invites(CALLER).await.code(), 302);
}

async fn connections(gateway: SocketAddr) {
    let mut switch = Switch::tcp(gateway).await;
    let body = "v=0\r\n".repeat(400);
    let invite = switch.request("INVITE", CALLER, "").replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Length: {}\r\n\r\n{body}", body.len()),
    );
    for piece in invite.as_bytes().chunks(97) {
        switch.send(piece).await;
    }
    identity(&switch.hears_final().await);
    let unasked = switch.heard_until(Instant::now() + LONGER_THAN_T1).await;
    assert_eq!(unasked, None, "a connection loses nothing");

    let mut switch = Switch::tcp(gateway).await;
    let options = switch.request("OPTIONS", CALLER, "");
    let invite = switch
        .request("INVITE", CALLER, "")
        .replace(";branch=", ";branch=z9hG4bKother");
    switch.send(format!("\r\n\r\n{options}{invite}")).await;
    let mut codes = Vec::new();
    for _ in 0..2 {
        // The answer to the keep-alive is before one of them.
        let said = switch.hears_final().await;
        codes.push(Said(said.0.trim_start().to_owned()).code());
    }
    codes.sort_unstable();
    assert_eq!(codes, [200, 302]);

    // What has no clear length ends the connection, and no other.
    let mut odd = Switch::tcp(gateway).await;
    odd.send(
        switch
            .request("INVITE", CALLER, "")
            .replace("Content-Length", "X"),
    )
    .await;
    assert_eq!(odd.heard_until(Instant::now() + SOON).await, None);
    let mut switch = Switch::tcp(gateway).await;
    identity(&switch.invites(CALLER).await);
}
