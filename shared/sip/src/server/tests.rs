//! The server as a peer sees it.

use std::time::Duration;

use super::*;
use crate::answer::{AddedHeader, Carry, Redirection, Refusal};
use crate::peer::Path;

mod malformed;
mod memory;
mod random;
mod torture;

const T1: Duration = Duration::from_millis(500);

pub(super) fn udp(address: &str) -> Peer {
    Peer {
        address: address.parse().unwrap(),
        path: Path::Datagrams(1),
    }
}

pub(super) fn tcp(connection: u64) -> Peer {
    Peer {
        address: "192.0.2.1:33000".parse().unwrap(),
        path: Path::Connection(connection),
    }
}

pub(super) fn server() -> Server {
    let mut server = Server::new([1; 16], TableLimits::default());
    server.set_ready(true);
    server
}

/// A request of transaction `number`, with more headers.
pub(super) fn request(method: &str, number: u32, more: &str) -> String {
    format!(
        "{method} sip:+12155550100@h;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK{number};rport\r\n\
         From: <sip:+17325551000@h>;tag=a\r\nTo: <sip:+12155550100@h>\r\n\
         Call-ID: c{number}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

pub(super) fn redirect() -> Answer {
    Answer::redirect(Redirection::default(), Carry::Both, None)
        .with(AddedHeader::identity("a.b.c").unwrap())
        .unwrap()
}

/// The messages among the actions, as texts.
pub(super) fn sent(actions: &[Action]) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Send(outgoing) => Some(String::from_utf8_lossy(&outgoing.bytes).into_owned()),
        _ => None,
    };
    actions.iter().filter_map(text).collect()
}

/// The first lines of what is sent.
pub(super) fn codes(actions: &[Action]) -> Vec<u16> {
    let code = |text: &String| text.split(' ').nth(1).unwrap().parse().unwrap();
    sent(actions).iter().map(code).collect()
}

pub(super) fn decision(actions: &[Action]) -> TransactionId {
    match actions {
        [Action::Decide(invite)] => invite.id,
        other => panic!("{other:?}"),
    }
}

struct Scene {
    server: Server,
    peer: Peer,
    start: Instant,
}

impl Scene {
    fn new(peer: Peer) -> Self {
        let start = Instant::now();
        let server = server();
        Self {
            server,
            peer,
            start,
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    fn send(&mut self, milliseconds: u64, text: &str) -> Vec<Action> {
        let now = self.at(milliseconds);
        self.server.on_datagram(now, self.peer, text.as_bytes())
    }

    fn pass(&mut self, milliseconds: u64) -> Vec<Action> {
        let now = self.at(milliseconds);
        self.server.on_timer(now)
    }
}

#[test]
fn a_call_is_redirected_and_acknowledged() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let id = decision(&scene.send(0, &request("INVITE", 1, "Require: 100rel\r\n")));
    let actions = scene.server.on_answer(scene.at(5), id, &redirect());
    assert_eq!(
        sent(&actions),
        ["SIP/2.0 302 Moved Temporarily\r\n\
          Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;received=192.0.2.1;rport=5070\r\n\
          From: <sip:+17325551000@h>;tag=a\r\n\
          To: <sip:+12155550100@h>;tag=TAG\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
          Contact: <sip:+12155550100@h;user=phone?Identity=a.b.c>\r\nIdentity: a.b.c\r\n\
          Content-Length: 0\r\n\r\n"
            .replace("TAG", tag_of(&sent(&actions)[0]))]
    );
    assert!(scene.send(10, &request("ACK", 1, "")).is_empty());
    assert!(scene.pass(4000).is_empty());
    assert_eq!(
        scene.server.transactions(),
        1,
        "retransmissions are absorbed for five seconds"
    );
    assert!(scene.pass(5011).is_empty());
    assert_eq!(
        (scene.server.transactions(), scene.server.next_timer()),
        (0, None)
    );
}

#[test]
fn a_closed_server_finishes_what_has_begun_and_begins_nothing() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let id = decision(&scene.send(0, &request("INVITE", 1, "")));
    scene.server.close();
    assert_eq!(codes(&scene.send(1, &request("INVITE", 2, ""))), [503]);
    assert_eq!(codes(&scene.send(2, &request("OPTIONS", 3, ""))), [503]);
    assert_eq!(scene.server.unfinished(), 1);
    let actions = scene.server.on_answer(scene.at(5), id, &redirect());
    assert_eq!((codes(&actions), scene.server.unfinished()), (vec![302], 1));
    scene.send(10, &request("ACK", 1, ""));
    assert_eq!(scene.server.unfinished(), 0);
}

fn tag_of(answer: &str) -> &str {
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap();
    to.split("tag=").nth(1).unwrap()
}

#[test]
fn retransmissions_of_an_invite_are_one_call() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let invite = request("INVITE", 1, "");
    let id = decision(&scene.send(0, &invite));
    for _ in 0..20 {
        assert!(scene.send(50, &invite).is_empty());
    }
    // 100 once, and for each retransmission after it.
    assert!(scene.pass(199).is_empty());
    let trying = scene.pass(200);
    assert_eq!(codes(&trying), [100]);
    assert!(!sent(&trying)[0].contains(";tag=\r\n") && tag_count(&trying) == 0);
    assert_eq!(scene.send(300, &invite), trying);
    let answer = scene.server.on_answer(scene.at(400), id, &redirect());
    assert_eq!(scene.send(450, &invite), answer);
    assert!(
        scene
            .server
            .on_answer(scene.at(460), id, &redirect())
            .is_empty()
    );
    scene.send(470, &request("ACK", 1, ""));
    assert!(
        scene.send(480, &invite).is_empty(),
        "after the ACK retransmissions are absorbed"
    );
    assert_eq!(scene.server.counts().retransmissions, 23);
    assert_eq!(scene.server.counts().invites, 1);
}

/// Tags in `To` of all that is sent.
fn tag_count(actions: &[Action]) -> usize {
    let texts = sent(actions);
    let to = texts.iter().flat_map(|text| text.lines());
    to.filter(|line| line.starts_with("To:") && line.contains("tag="))
        .count()
}

#[test]
fn an_answer_is_sent_again_until_its_ack_or_for_32_seconds() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let id = decision(&scene.send(0, &request("INVITE", 1, "")));
    let answer = scene.server.on_answer(scene.start, id, &redirect());
    let mut times = Vec::new();
    while let Some(at) = scene.server.next_timer() {
        let before = at - Duration::from_millis(1);
        assert!(scene.server.on_timer(before).is_empty());
        let actions = scene.server.on_timer(at);
        if actions.is_empty() {
            assert_eq!(at, scene.start + 64 * T1);
            break;
        }
        assert_eq!(actions, answer);
        times.push((at - scene.start).as_millis());
    }
    let expected = [
        500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    assert_eq!(times, expected);
    assert_eq!(scene.server.transactions(), 0);
    assert_eq!(scene.server.counts().unacknowledged, 1);
    assert_eq!(scene.server.counts().retransmitted_answers, 10);
}

#[test]
fn over_a_connection_nothing_is_sent_again() {
    let mut scene = Scene::new(tcp(1));
    let id = decision(&scene.send(0, &request("INVITE", 1, "")));
    assert_eq!(codes(&scene.pass(200)), [100]);
    let answer = scene.server.on_answer(scene.at(300), id, &redirect());
    let [Action::Send(outgoing)] = answer.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(outgoing.path, Path::Connection(1));
    assert!(scene.pass(31_000).is_empty());
    scene.send(31_500, &request("ACK", 1, ""));
    // A switch may send the INVITE by another connection as well.
    assert!(scene.pass(31_550).is_empty());
    scene.peer = tcp(2);
    assert!(scene.send(31_600, &request("INVITE", 1, "")).is_empty());
    assert!(scene.pass(36_500).is_empty());
    assert_eq!(scene.server.transactions(), 0);
}

#[test]
fn a_cancelled_call_is_terminated_once() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let id = decision(&scene.send(0, &request("INVITE", 1, "")));
    let actions = scene.send(10, &request("CANCEL", 1, ""));
    assert_eq!(codes(&actions), [200, 487]);
    assert!(actions.contains(&Action::Withdraw(id)));
    let texts = sent(&actions);
    assert_eq!(tag_of(&texts[0]), tag_of(&texts[1]));
    assert!(texts[0].contains("CSeq: 1 CANCEL") && texts[1].contains("CSeq: 1 INVITE"));
    assert!(
        scene
            .server
            .on_answer(scene.at(20), id, &redirect())
            .is_empty()
    );
    assert_eq!(codes(&scene.send(30, &request("CANCEL", 1, ""))), [200]);
    assert_eq!(codes(&scene.pass(510)), [487]);
    scene.send(520, &request("ACK", 1, ""));
    assert_eq!(codes(&scene.send(530, &request("CANCEL", 1, ""))), [200]);
    assert_eq!(codes(&scene.send(30, &request("CANCEL", 2, ""))), [481]);
    assert_eq!(scene.server.counts().cancelled, 1);
}

#[test]
fn other_requests_are_answered_at_once_and_remembered_nowhere() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    for (method, code) in [
        ("OPTIONS", 200),
        ("REGISTER", 405),
        ("BYE", 405),
        ("invite", 405),
    ] {
        let actions = scene.send(0, &request(method, 1, ""));
        assert_eq!(codes(&actions), [code], "{method}");
        assert!(sent(&actions)[0].contains("\r\nAllow: INVITE, ACK, CANCEL, OPTIONS\r\n"));
        assert_eq!(tag_count(&actions), 1);
        assert_eq!(scene.send(0, &request(method, 1, "")), actions);
    }
    scene.server.set_ready(false);
    assert_eq!(codes(&scene.send(0, &request("OPTIONS", 1, ""))), [503]);
    assert!(scene.send(0, &request("ACK", 1, "")).is_empty());
    let in_dialog =
        request("INVITE", 1, "").replace("To: <sip:+12155550100@h>", "To: <sip:1@h>;tag=b");
    let actions = scene.send(0, &in_dialog);
    assert_eq!(codes(&actions), [481]);
    assert!(sent(&actions)[0].contains("To: <sip:1@h>;tag=b\r\n"));
    assert_eq!(scene.server.transactions(), 0);
}

#[test]
fn a_stranger_gets_403_and_is_remembered_nowhere() {
    let server = server();
    let ask = |text: &str| {
        let message = RawMessage::parse(text.as_bytes(), LineEnds::CrLf).unwrap();
        server.on_stranger(udp("192.0.2.66:1"), message)
    };
    assert_eq!(codes(&ask(&request("INVITE", 1, ""))), [403]);
    assert_eq!(codes(&ask(&request("OPTIONS", 1, ""))), [403]);
    assert!(ask(&request("ACK", 1, "")).is_empty());
    assert!(ask("SIP/2.0 200 OK\r\n\r\n").is_empty());
    assert_eq!(server.transactions(), 0);
}

#[test]
fn no_peer_acknowledges_or_cancels_the_call_of_another() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let id = decision(&scene.send(0, &request("INVITE", 1, "")));
    scene.peer = udp("192.0.2.2:5070");
    assert_eq!(codes(&scene.send(1, &request("CANCEL", 1, ""))), [481]);
    scene.server.on_answer(scene.at(2), id, &redirect());
    assert!(scene.send(3, &request("ACK", 1, "")).is_empty());
    assert_eq!(codes(&scene.pass(502)), [302]);
    assert_ne!(decision(&scene.send(503, &request("INVITE", 1, ""))), id);
}

#[test]
fn answers_go_to_the_port_that_is_asked_for() {
    let mut scene = Scene::new(udp("192.0.2.1:4711"));
    for (via, port) in [
        ("192.0.2.1:5070;rport", 4711),
        ("192.0.2.1:5070", 5070),
        ("h", 5060),
    ] {
        let text = request("OPTIONS", 1, "").replace("192.0.2.1:5070;branch=z9hG4bK1;rport", via);
        let actions = scene.send(0, &text);
        let [Action::Send(outgoing)] = actions.as_slice() else {
            panic!("{actions:?}");
        };
        assert_eq!(outgoing.to, format!("192.0.2.1:{port}").parse().unwrap());
        assert_eq!(outgoing.path, Path::Datagrams(1));
    }
}

#[test]
fn a_refusal_has_no_contact() {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    for (number, refusal, code) in [
        (1, Refusal::NotFound, 404),
        (2, Refusal::ServiceUnavailable, 503),
        (3, Refusal::Decline, 603),
        (4, Refusal::Forbidden, 403),
    ] {
        let id = decision(&scene.send(0, &request("INVITE", number, "")));
        let actions = scene
            .server
            .on_answer(scene.start, id, &Answer::refuse(refusal));
        assert_eq!(codes(&actions), [code]);
        assert!(!sent(&actions)[0].contains("Contact"));
    }
}
