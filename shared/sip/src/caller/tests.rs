use super::*;
use crate::answer::{Answer, Carry, Redirection};
use crate::message::LineEnds;
use crate::peer::{Path, Peer};
use crate::server::{Action, Server, TableLimits};

fn parts(transport: Transport) -> CallParts {
    CallParts {
        called: "sip:+12155550100@h;user=phone".parse().unwrap(),
        calling: "sip:+17325551000@h;user=phone".parse().unwrap(),
        local: "192.0.2.1:5062".parse().unwrap(),
        transport,
        random: [7; 16],
        headers: vec![AddedHeader::identity("a.b.c;info=<https://x>").unwrap()],
    }
}

fn raw(bytes: &[u8]) -> RawMessage {
    RawMessage::parse(bytes, LineEnds::CrLf).unwrap()
}

fn sent(event: &CallEvent) -> &[u8] {
    match event {
        CallEvent::Send(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

/// A server's only message.
fn reply(actions: &[Action]) -> &[u8] {
    match actions {
        [Action::Send(outgoing)] => &outgoing.bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_and_our_server_understand_each_other() {
    let now = Instant::now();
    let (mut call, invite) = OutgoingCall::new(now, parts(Transport::Udp));
    let peer = Peer {
        address: "192.0.2.1:5062".parse().unwrap(),
        path: Path::Datagrams(0),
    };
    let mut server = Server::new([1; 16], TableLimits::default());
    let asked = server.on_datagram(now, peer, sent(&invite));
    let [Action::Decide(asked)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(asked.request.identities().count(), 1);
    let answer = Answer::redirect(Redirection::default(), Carry::Both, None)
        .with(AddedHeader::identity("d.e.f;info=<https://y>").unwrap())
        .unwrap();
    let answered = server.on_answer(now, asked.id, &answer);
    let answer = reply(&answered);

    let events = call.on_message(raw(answer));
    let [ack, CallEvent::Answered(response)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (response.code(), response.reason()),
        (302, "Moved Temporarily")
    );
    let embedded = response.embedded_headers().unwrap();
    assert_eq!(
        embedded,
        [("Identity".to_owned(), "d.e.f;info=<https://y>".to_owned())]
    );
    // The ACK was lost, so the answer comes again.
    assert_eq!(call.on_message(raw(answer)), std::slice::from_ref(ack));
    assert!(server.on_datagram(now, peer, sent(ack)).is_empty());
    assert!(server.on_timer(now + Duration::from_secs(2)).is_empty());
    assert_eq!(call.next_timer(), None);
}

#[test]
fn an_invite_is_sent_again_until_somebody_answers() {
    let start = Instant::now();
    let (mut call, invite) = OutgoingCall::new(start, parts(Transport::Udp));
    let mut pauses = Vec::new();
    let mut last = start;
    while let Some(at) = call.next_timer() {
        assert_eq!(call.on_timer(at - Duration::from_millis(1)), None);
        match call.on_timer(at) {
            Some(CallEvent::TimedOut) => break,
            again => assert_eq!(again, Some(invite.clone())),
        }
        pauses.push((at - last).as_millis());
        last = at;
    }
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000]);
    assert_eq!(call.next_timer(), None);
}

#[test]
fn a_provisional_answer_ends_the_retransmissions_and_a_connection_needs_none() {
    let now = Instant::now();
    let (mut call, invite) = OutgoingCall::new(now, parts(Transport::Udp));
    let trying = String::from_utf8_lossy(sent(&invite)).replacen(
        "INVITE sip:+12155550100@h;user=phone SIP/2.0",
        "SIP/2.0 100 Trying",
        1,
    );
    let other = trying.replace("branch=z9hG4bK", "branch=z9hG4bKx");
    assert!(call.on_message(raw(other.as_bytes())).is_empty());
    assert_eq!(call.next_timer(), Some(now + T1));
    assert!(call.on_message(raw(trying.as_bytes())).is_empty());
    assert_eq!(call.next_timer(), Some(now + TIMER_B));
    let (call, invite) = OutgoingCall::new(now, parts(Transport::Tcp));
    assert!(String::from_utf8_lossy(sent(&invite)).contains("SIP/2.0/TCP 192.0.2.1:5062"));
    assert_eq!(call.next_timer(), Some(now + TIMER_B));
}
