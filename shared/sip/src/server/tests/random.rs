//! Random sequences of messages, decisions and pauses, from several peers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// So few calls that their messages meet.
const CALLS: u32 = 4;

const LIMITS: TableLimits = TableLimits {
    transactions: 3,
    bytes: 80_000,
};

#[derive(Debug, Clone)]
enum Step {
    /// A request of a call, by a datagram or a connection.
    Request(&'static str, u32, bool),
    /// Decides on the n-th of those that wait.
    Answer(usize),
    /// Time passes.
    Pause(u64),
    /// A datagram of noise.
    Noise(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let methods = proptest::sample::select(vec!["INVITE", "INVITE", "ACK", "CANCEL", "OPTIONS"]);
    let step = prop_oneof![
        6 => (methods, 0..CALLS, any::<bool>()).prop_map(|(m, n, tcp)| Step::Request(m, n, tcp)),
        3 => (0..4_usize).prop_map(Step::Answer),
        3 => prop_oneof![0..600_u64, 0..9_000_u64, 30_000..40_000_u64].prop_map(Step::Pause),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Noise),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What must be true of the server, whatever happens.
#[derive(Default)]
struct Model {
    /// Who waits for a decision.
    waiting: BTreeSet<TransactionId>,
    /// All that ever waited.
    seen: BTreeSet<TransactionId>,
    /// The branches of INVITEs that have no final answer yet.
    unanswered: BTreeSet<String>,
    /// By branch: each final answer that was not acknowledged, and when it is given up.
    unacknowledged: BTreeMap<String, (Arc<[u8]>, Instant)>,
}

fn branch_of(message: &str) -> String {
    let via = message.split("branch=").nth(1).unwrap();
    via.split([';', '\r']).next().unwrap().to_owned()
}

impl Model {
    fn record(&mut self, now: Instant, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Decide(invite) => {
                    assert!(self.seen.insert(invite.id), "one decision for one INVITE");
                    self.waiting.insert(invite.id);
                }
                Action::Withdraw(id) => assert!(self.waiting.remove(id), "it waited"),
                Action::Send(outgoing) => self.record_sent(now, &outgoing.bytes),
            }
        }
    }

    fn record_sent(&mut self, now: Instant, bytes: &Arc<[u8]>) {
        let text = String::from_utf8_lossy(bytes);
        if text.starts_with("SIP/2.0 1") || !text.contains("CSeq: 1 INVITE") {
            return;
        }
        let branch = branch_of(&text);
        if self.unanswered.remove(&branch) {
            let answer = (Arc::clone(bytes), now + 64 * T1);
            self.unacknowledged.insert(branch, answer);
        } else if let Some((known, _)) = self.unacknowledged.get(&branch) {
            // One that is not there has been left out with those that were forgotten.
            assert_eq!(known, bytes, "an INVITE has one final answer");
        }
    }

    fn request(&mut self, now: Instant, server: &mut Server, peer: Peer, text: &str) {
        let forgotten = server.counts().forgotten;
        let actions = server.on_datagram(now, peer, text.as_bytes());
        let branch = branch_of(text);
        if server.counts().forgotten > forgotten {
            // Which were is for others to test.
            self.unacknowledged.clear();
        }
        if text.starts_with("ACK") {
            assert!(actions.is_empty(), "an ACK is never answered");
            self.unacknowledged.remove(&branch);
            return;
        }
        if text.starts_with("INVITE") {
            if let Some((answer, _)) = self.unacknowledged.get(&branch) {
                let [Action::Send(again)] = actions.as_slice() else {
                    panic!("a retransmission gets the answer again: {actions:?}");
                };
                assert_eq!(again.bytes, *answer);
                assert_eq!(again.path, peer.path);
            } else if codes(&actions) == [503] {
                assert!(server.transactions() > 1, "there was no room");
                return;
            }
            if matches!(actions.as_slice(), [.., Action::Decide(_)]) {
                self.unanswered.insert(branch);
            }
        }
        self.record(now, &actions);
    }
}

/// Plays the steps, and checks after each.
fn play(steps: Vec<Step>) {
    let mut now = Instant::now();
    let mut server = Server::new([1; 16], LIMITS);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Request(method, number, over_tcp) => {
                let peer = if over_tcp {
                    tcp(1)
                } else {
                    udp("192.0.2.1:5070")
                };
                model.request(now, &mut server, peer, &request(method, number, ""));
            }
            Step::Answer(nth) => {
                let Some(id) = model.waiting.iter().nth(nth).copied() else {
                    continue;
                };
                model.waiting.remove(&id);
                let actions = server.on_answer(now, id, &redirect());
                assert_eq!(codes(&actions), [302]);
                assert!(server.on_answer(now, id, &redirect()).is_empty());
                model.record(now, &actions);
            }
            Step::Pause(milliseconds) => {
                now += Duration::from_millis(milliseconds);
                let actions = server.on_timer(now);
                model.record(now, &actions);
                model.unacknowledged.retain(|_, (_, until)| *until > now);
            }
            Step::Noise(bytes) => {
                server.on_datagram(now, udp("192.0.2.1:5070"), &bytes);
            }
        }
        server.table.check();
        assert_eq!(server.next_timer().is_some(), server.transactions() > 0);
    }
    // In the end all is forgotten, without anybody's help.
    for _ in 0..9 {
        now += Duration::from_secs(8);
        let actions = server.on_timer(now);
        model.record(now, &actions);
        model.unacknowledged.retain(|_, (_, until)| *until > now);
    }
    assert_eq!((server.transactions(), model.waiting.len()), (0, 0));
}

/// The 487 of the second call was sent again after another had been forgotten.
#[test]
fn an_answer_that_outlives_a_forgotten_one_is_given_up_in_its_own_time() {
    let invite = |number| Step::Request("INVITE", number, false);
    play(vec![
        invite(1),
        invite(2),
        Step::Answer(0),
        Step::Request("CANCEL", 2, false),
        invite(3),
        invite(0),
        Step::Pause(1_106),
        Step::Pause(30_894),
        invite(2),
    ]);
}

proptest! {
    #[test]
    fn whatever_peers_do_an_invite_is_one_call_with_one_answer(steps in steps()) {
        play(steps);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut server = server();
        server.on_datagram(Instant::now(), udp("192.0.2.1:1"), &bytes);
    }

    #[test]
    fn no_damage_to_a_request_makes_it_panic(
        method in proptest::sample::select(vec!["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = request(method, 1, "P-Asserted-Identity: \"a\" <tel:+1>;x\r\n").into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut server = server();
        let now = Instant::now();
        for action in server.on_datagram(now, udp("192.0.2.1:1"), &bytes) {
            match action {
                Action::Decide(invite) => {
                    let _ = invite.request.asserted_identities();
                    let sent = server.on_answer(now, invite.id, &redirect());
                    prop_assert_eq!(codes(&sent), [302]);
                }
                Action::Send(sent) => {
                    prop_assert!(RawMessage::parse(&sent.bytes, LineEnds::CrLf).is_ok());
                }
                Action::Withdraw(_) => prop_assert!(false),
            }
        }
    }
}
