//! SIP over UDP.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_tests::gateway_scene::CALLED;
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::super::judge;
use super::desk::Desk;
use super::peer::{Message, Peer, Reply, SOON};

/// The claims of the Identity header of a redirect.
fn claims(reply: &Reply) -> serde_json::Value {
    assert_eq!(reply.code(), 302, "{reply:?}");
    judge::claims(reply.one("Identity")).unwrap()
}

pub(super) async fn redirects_with_the_identity_in_both_places(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let reply = peer.call(&peer.invite(&from)).await;
    assert_eq!(claims(&reply)["orig"]["tn"], from, "{reply:?}");
    let contact = reply.one("Contact");
    let uri = contact
        .strip_prefix('<')
        .and_then(|uri| uri.split_once('>'));
    let uri = uri.unwrap_or_else(|| panic!("{contact} has no brackets")).0;
    assert!(
        uri.starts_with(&format!("sip:+{CALLED}@127.0.0.1")),
        "{uri}"
    );
    let (_, embedded) = uri.split_once('?').unwrap();
    let mut headers = embedded.split('&').map(|one| one.split_once('=').unwrap());
    let (_, escaped) = headers.find(|(name, _)| *name == "Identity").unwrap();
    let identity = percent_decode_str(escaped).decode_utf8().unwrap();
    assert_eq!(identity, reply.one("Identity"));
    let unescaped = embedded.contains(['<', '>', ';', ',', ':', '"', '@', ' ']);
    assert!(!unescaped, "{embedded}");
    assert!(reply.one("To").contains(";tag="), "{reply:?}");
    assert_eq!(reply.one("CSeq"), "1 INVITE");
    assert_eq!(reply.one("Content-Length"), "0");
}

pub(super) async fn redirects_with_a_verdict(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &format!("{from}s")).await;
    let signed = peer.call(&peer.invite(&from)).await;
    let mut peer = Peer::udp(desk.verify, &format!("{from}v")).await;
    let reply = peer.call(&peer.invite(&from)).await;
    assert_eq!(reply.code(), 302, "{reply:?}");
    let asserted = reply.one("P-Asserted-Identity");
    assert!(
        asserted.contains("verstat=TN-Validation-Passed"),
        "{asserted}"
    );
    assert_eq!(reply.one("Identity"), signed.one("Identity"));
}

pub(super) async fn says_404_if_nothing_was_found(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.verify, &from).await;
    let reply = peer.call(&peer.invite(&from)).await;
    assert_eq!(reply.code(), 404, "{reply:?}");
}

pub(super) async fn says_that_it_is_there(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let reply = peer.ask(&peer.invite(&from).as_method("OPTIONS")).await;
    assert_eq!(reply.code(), 200, "{reply:?}");
    assert!(reply.one("Allow").contains("INVITE"), "{reply:?}");
}

pub(super) async fn refuses_other_methods(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    for method in ["REGISTER", "BYE"] {
        let reply = peer.ask(&peer.invite(&from).as_method(method)).await;
        assert_eq!(reply.code(), 405, "{reply:?}");
        assert!(!reply.one("Allow").is_empty(), "{reply:?}");
    }
}

/// A call that goes on has a tag in `To`; the gateway has no dialogs.
pub(super) async fn refuses_a_call_within_a_dialog(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    let invite = Message {
        to: format!("{};tag=b", invite.to),
        ..invite
    };
    let reply = peer.call(&invite).await;
    assert_eq!(reply.code(), 481, "{reply:?}");
}

pub(super) async fn answers_a_retransmission_as_before(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    let (first, second) = (peer.ask(&invite).await, peer.call(&invite).await);
    assert_eq!(first, second);
}

/// Timer G (RFC 3261 section 17.2.1): half a second.
pub(super) async fn answers_again_until_the_ack(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    let first = peer.ask(&invite).await;
    let began = Instant::now();
    let second = peer.final_answer(SOON).await.unwrap();
    let took = began.elapsed();
    assert_eq!(first, second);
    assert!(took > Duration::from_millis(300), "{took:?}");
    peer.send(invite.as_method("ACK").text()).await;
    // One may have been on its way. The next two would come after one second, and after two.
    let _crossed = peer.final_answer(Duration::from_millis(100)).await;
    let third = peer.final_answer(Duration::from_millis(1_500)).await;
    assert_eq!(third, None, "sent again after the ACK");
}

pub(super) async fn sends_all_vias_back_in_order(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let more = "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb, SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKc";
    let invite = Message {
        vias: format!("{}\r\n{more}", peer.via()),
        ..peer.invite(&from)
    };
    let reply = peer.call(&invite).await;
    let vias = reply.all("Via").join(",");
    let vias: Vec<_> = vias.split(',').collect();
    let [first, second, third] = vias[..] else {
        panic!("{vias:?}");
    };
    assert!(
        first.contains(&format!("rport={}", peer.address.port())),
        "{first}"
    );
    assert!(
        second.contains("10.0.0.1") && third.contains("10.0.0.2"),
        "{vias:?}"
    );
}

/// RFC 3261 section 18.2.2.
pub(super) async fn answers_to_the_port_of_the_via_without_rport(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let mut other = Peer::udp(desk.sign, &from).await;
    let invite = Message {
        vias: other.via().replace(";rport", ""),
        ..peer.invite(&from)
    };
    peer.send(invite.text()).await;
    let reply = other.final_answer(SOON).await.unwrap();
    assert_eq!(reply.code(), 302, "{reply:?}");
    peer.send(invite.as_method("ACK").text()).await;
}

/// And passes over what a redirect server need not understand (RFC 3261 section 8.3).
pub(super) async fn reads_compact_header_names(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let (port, branch, call_id) = (peer.address.port(), &peer.branch, &peer.call_id);
    let text = format!(
        "INVITE sip:+{CALLED}@x SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:{port};rport;branch={branch}\r\nf: <sip:+{from}@x>;tag=a\r\nt: <sip:+{CALLED}@x>\r\ni: {call_id}\r\nCSeq: 1 INVITE\r\nRequire: 100rel\r\nk: timer\r\nl: 0\r\n\r\n"
    );
    peer.send(&text).await;
    let reply = peer.final_answer(SOON).await.unwrap();
    assert_eq!(claims(&reply)["orig"]["tn"], from, "{reply:?}");
    let ack = text
        .replace("INVITE sip", "ACK sip")
        .replace("1 INVITE", "1 ACK");
    peer.send(ack).await;
}

pub(super) async fn believes_the_asserted_identity_before_from(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let more = format!("Privacy: id\r\nP-Asserted-Identity: \"X\" <sip:+{from}@x;user=phone>\r\n");
    let invite = Message {
        from: "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a".to_owned(),
        more,
        ..peer.invite(&from)
    };
    let reply = peer.call(&invite).await;
    assert_eq!(claims(&reply)["orig"]["tn"], from, "{reply:?}");
}

pub(super) async fn signs_the_dialled_number_of_a_ported_one(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let invite = Message {
        // A display name is no number.
        from: format!("\"sip:911@x\" <sip:+{from}@x>;tag=a"),
        to: format!("<sip:+{CALLED};npdi;rn=+12125559999@x;user=phone>"),
        ..peer.invite(&from)
    };
    let reply = peer.call(&invite).await;
    let claims = claims(&reply);
    assert_eq!(claims["dest"]["tn"][0], CALLED, "{reply:?}");
    assert_eq!(claims["orig"]["tn"], from, "{reply:?}");
}

pub(super) async fn lets_emergency_calls_go(desk: Arc<Desk>) {
    for (uri, to) in [
        ("sip:911@x", "<sip:911@x>"),
        ("sip:psap@x", "<urn:service:sos>"),
    ] {
        let from = desk.caller();
        let mut peer = Peer::udp(desk.sign, &from).await;
        let invite = Message {
            uri: uri.to_owned(),
            to: to.to_owned(),
            ..peer.invite(&from)
        };
        let reply = peer.call(&invite).await;
        assert_eq!(reply.code(), 404, "{reply:?}");
    }
}

pub(super) async fn lets_calls_without_a_callers_number_go(desk: Arc<Desk>) {
    for from in [
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a",
        "<sip:alice@x>;tag=a",
    ] {
        let name = desk.caller();
        let mut peer = Peer::udp(desk.sign, &name).await;
        let invite = Message {
            from: from.to_owned(),
            ..peer.invite(&name)
        };
        let reply = peer.call(&invite).await;
        assert_eq!(reply.code(), 404, "{reply:?}");
    }
}

pub(super) async fn lives_on_after_garbage(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let garbage: [&[u8]; 8] = [
        b"\r\n\r\n",
        b"\0",
        &[0xff, 0xfe].repeat(700),
        b"INVITE",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE  sip:a  SIP/2.0\r\nVia: x\r\n\r\n",
        &b"A".repeat(60_000),
    ];
    for message in garbage {
        peer.send(message).await;
    }
    let reply = peer.ask(&peer.invite(&from).as_method("OPTIONS")).await;
    assert_eq!(reply.code(), 200, "{reply:?}");
}

pub(super) async fn answers_a_stray_cancel_and_no_stray_ack(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::udp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    peer.send(invite.as_method("ACK").text()).await;
    let to_ack = peer.final_answer(Duration::from_millis(300)).await;
    assert_eq!(to_ack, None, "an ACK is not answered");
    let reply = peer.ask(&invite.as_method("CANCEL")).await;
    assert_eq!(reply.code(), 481, "{reply:?}");
}
