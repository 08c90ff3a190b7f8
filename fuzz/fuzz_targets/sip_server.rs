#![no_main]
//! A SIP server in use: steps, each a kind and bytes with a `uint16` length. The kinds are
//! a datagram of one of two peers, a message on a connection, a decision, and a pause.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pennyblack_base::wire::Reader;
use pennyblack_sip::answer::{AddedHeader, Answer, Carry, Redirection};
use pennyblack_sip::message::{LineEnds, RawMessage};
use pennyblack_sip::peer::{Path, Peer};
use pennyblack_sip::server::{Action, Server, TableLimits, TransactionId};

pennyblack_fuzz::fuzz_bytes!(check);

/// The clock's beginning. Only the time that passes after it matters.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const LIMITS: TableLimits = TableLimits {
    transactions: 4,
    bytes: 2 * TableLimits::LEAST_BYTES,
};

fn check(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut server = Server::new([1; 16], LIMITS);
    let mut now = *START;
    let (mut waiting, mut seen) = (Vec::new(), HashSet::new());
    while let (Ok(kind), Ok(part)) = (reader.u8(), reader.vec_u16()) {
        let actions = match kind % 5 {
            0 => server.on_datagram(now, peer("192.0.2.1:5060", Path::Datagrams(0)), part),
            1 => server.on_datagram(now, peer("[2001:db8::1]:5061", Path::Datagrams(0)), part),
            2 => server.on_datagram(now, peer("192.0.2.1:33000", Path::Connection(1)), part),
            3 => waiting.pop().map_or_else(Vec::new, |id| {
                let sent = server.on_answer(now, id, &redirect());
                assert_eq!(sent.len(), 1, "one who waits is answered");
                sent
            }),
            _ => {
                now += Duration::from_millis(100 * part.len() as u64);
                server.on_timer(now)
            }
        };
        for action in actions {
            check_action(action, &mut waiting, &mut seen);
        }
        assert!(server.transactions() <= LIMITS.transactions);
        assert_eq!(server.next_timer().is_some(), server.transactions() > 0);
    }
}

fn check_action(
    action: Action,
    waiting: &mut Vec<TransactionId>,
    seen: &mut HashSet<TransactionId>,
) {
    match action {
        Action::Decide(invite) => {
            assert!(seen.insert(invite.id), "one decision for one INVITE");
            waiting.push(invite.id);
        }
        Action::Withdraw(id) => {
            assert!(waiting.contains(&id), "it waited");
            waiting.retain(|other| *other != id);
        }
        Action::Send(outgoing) => {
            let sent = RawMessage::parse(&outgoing.bytes, LineEnds::CrLf).expect("a message");
            assert!(sent.start_line.starts_with("SIP/2.0 ") && sent.body.is_empty());
            assert_eq!(sent.headers.content_length(), Ok(Some(0)));
        }
    }
}

fn peer(address: &str, path: Path) -> Peer {
    let address = address.parse().expect("an address");
    Peer { address, path }
}

fn redirect() -> Answer {
    let identity = AddedHeader::identity("a.b.c;info=<https://x>").expect("a value");
    let answer = Answer::redirect(Redirection::default(), Carry::Both, None);
    answer.with(identity).expect("room")
}
