//! Messages that are not what they should be.

use super::*;

/// `request` with one text in place of another.
fn changed(method: &str, before: &str, after: &str) -> String {
    let text = request(method, 1, "");
    assert!(text.contains(before), "{before}");
    text.replacen(before, after, 1)
}

fn codes_of(text: impl AsRef<[u8]>) -> Vec<u16> {
    let mut server = server();
    let now = Instant::now();
    let codes = codes(&server.on_datagram(now, udp("192.0.2.1:1"), text.as_ref()));
    assert_eq!(server.transactions(), 0);
    codes
}

#[test]
fn what_is_wrong_with_a_request_is_said_if_it_is_known_to_whom() {
    for (before, after, code) in [
        ("INVITE ", "INVITE  ", 400),
        (" SIP/2.0\r", " SIP/2.0 \r", 400),
        ("sip:+12155550100@h;user=phone SIP", "<sip:1@h> SIP", 400),
        ("@h;user=phone SIP", "@h;user=phone?Route=x SIP", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", 400),
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE", 400),
        ("Call-ID: c1", "Call-ID: c1\r\ni: c2", 400),
        ("From: <", "From: <sip:2@h>;tag=b\r\nFrom: <", 400),
        ("To: <sip:", "To: \"open <sip:", 400),
        ("Content-Length: 0", "Content-Length: 1", 400),
        ("Content-Length: 0", "Content-Length: -1", 400),
        ("Content-Length: 0", "Content-Length: 0\r\nl: 0", 400),
        ("SIP/2.0\r", "SIP/7.0\r", 505),
    ] {
        assert_eq!(
            codes_of(changed("INVITE", before, after)),
            [code],
            "{after}"
        );
    }
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    for (before, after) in [
        ("Via: SIP/2.0/UDP", "Via: x"),
        ("Via: SIP/2.0/UDP", "X-Via: SIP/2.0/UDP"),
        ("From: ", "X: "),
        ("To: ", "X: "),
        ("Call-ID: ", "X: "),
        ("CSeq: ", "X: "),
        ("Content-Length: 0", "Content-Length 0"),
        ("From: <", "From: \0<"),
        ("\r\n\r\n", "\r\n"),
        (
            "INVITE sip:+12155550100@h;user=phone SIP/2.0",
            "SIP/2.0 200 OK",
        ),
    ] {
        assert!(
            codes_of(changed("INVITE", before, after)).is_empty(),
            "{after}"
        );
    }
    for garbage in [
        &b"\r\n\r\n"[..],
        b"\0",
        &[0xff, 0xfe].repeat(700),
        b"INVITE",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"INVITE  sip:a  SIP/2.0\r\nVia: x\r\n\r\n",
        &b"A".repeat(60_000),
    ] {
        assert!(codes_of(garbage).is_empty());
    }
    // An ACK is never answered, not even when it is malformed.
    assert!(codes_of(changed("ACK", "CSeq: 1 ACK", "CSeq: x")).is_empty());
    assert!(codes_of(changed("ACK", "ACK sip", "ACK  sip")).is_empty());
}

#[test]
fn a_caller_that_cannot_be_read_does_not_stop_the_call() {
    let mut server = server();
    let text = changed("INVITE", "From: <sip:", "From: Bell, Alexander <sip:");
    let actions = server.on_datagram(Instant::now(), udp("192.0.2.1:1"), text.as_bytes());
    let [Action::Decide(invite)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert!(invite.request.from().is_err());
}

/// Every attempt to get a line of one's own into an answer, or a number that was not
/// sent into a call.
#[test]
fn nothing_that_a_peer_sends_becomes_a_header_of_the_answer() {
    for (before, after) in [
        ("From: <", "From: \"a\nP-Asserted-Identity: <tel:+1>\" <"),
        ("From: <", "From: \"a\rIdentity: x\" <"),
        ("From: <", "From: \"a\r\n Identity: x\" <"),
        ("From: <", "From: \"%0d%0aIdentity: x\" <"),
        ("tag=a", "tag=a%0d%0aIdentity:%20x"),
        ("+12155550100@h;user=phone SIP", "+1%0d%0aIdentity:x@h SIP"),
        (
            "+12155550100@h;user=phone SIP",
            "+1@h;a=%3E%0AIdentity:x SIP",
        ),
        ("z9hG4bK1", "z9hG4bK1%0d%0aIdentity:x"),
        ("z9hG4bK1", "z9hG4bK\"\r\n\tIdentity: x\""),
        ("Call-ID: c1", "Call-ID: c1\r\n\r\nIdentity: x"),
    ] {
        let mut server = server();
        let text = changed("INVITE", before, after);
        let now = Instant::now();
        let mut actions = server.on_datagram(now, udp("192.0.2.1:1"), text.as_bytes());
        if let [Action::Decide(invite)] = actions.as_slice() {
            assert_eq!(
                invite.request.headers().all("Identity").count(),
                0,
                "{after:?}"
            );
            actions = server.on_answer(now, invite.id, &Answer::refuse(Refusal::NotFound));
        }
        for answer in sent(&actions) {
            let answer = RawMessage::parse(answer.as_bytes(), LineEnds::CrLf).unwrap();
            let forged = ["Identity", "P-Asserted-Identity"];
            assert!(
                forged
                    .iter()
                    .all(|name| answer.headers.all(name).count() == 0)
            );
            assert_eq!(answer.body, b"");
        }
    }
}

#[test]
fn a_number_with_a_line_end_in_it_is_no_number() {
    let text = changed(
        "INVITE",
        "+12155550100@h;user=phone SIP",
        "+1%0d%0aIdentity:x@h SIP",
    );
    let mut server = server();
    let actions = server.on_datagram(Instant::now(), udp("192.0.2.1:1"), text.as_bytes());
    let [Action::Decide(invite)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    let uri = invite.request.uri();
    assert_eq!(crate::number::NumberCandidate::of(uri), None);
}
