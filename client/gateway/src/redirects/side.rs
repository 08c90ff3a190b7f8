//! The task of one side: it owns the SIP server, has its actions done, and asks for
//! decisions, each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_sip::answer::Answer;
use pennyblack_sip::peer::{Outgoing, Path};
use pennyblack_sip::server::{Action, Invite, Server, TableLimits, TransactionId};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, sleep_until};

use super::answering::Answering;
use super::connections::Connections;
use super::door::{Came, Door};
use super::outbox::Outbox;
use super::sockets::Sockets;
use super::{counts, datagrams};
use crate::config::sip::SipLimits;

/// How often metrics follow.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// A far time, for a timer that is not set.
const FAR: Duration = Duration::from_secs(3600);

/// The task.
pub(super) struct SideTask {
    server: Server,
    answering: Arc<Answering>,
    readiness: Readiness,
    datagrams: Vec<Arc<UdpSocket>>,
    connections: HashMap<u64, Outbox>,
    /// Also those that nobody waits for any more: they cost what others do.
    decisions: JoinSet<(TransactionId, Answer)>,
    max_decisions: usize,
    /// When it ends at the latest; none until it is asked to.
    ends: Option<Instant>,
}

impl SideTask {
    /// Serves until `shutdown`, and then for `drain` at most until all is answered and
    /// acknowledged.
    pub(super) async fn run(
        answering: Answering,
        sockets: Sockets,
        limits: SipLimits,
        readiness: Readiness,
        shutdown: Shutdown,
        drain: Duration,
    ) {
        let answering = Arc::new(answering);
        let (door, came) = Door::new(Arc::clone(&answering));
        let mut readers = JoinSet::new();
        for (number, socket) in (0..).zip(&sockets.datagrams) {
            readers.spawn(datagrams::read(Arc::clone(socket), number, door.clone()));
        }
        let table = TableLimits {
            transactions: limits.transactions,
            bytes: limits.bytes,
        };
        let max_decisions = limits.decisions;
        let connections = Connections::new(door, limits);
        for listener in sockets.listeners {
            readers.spawn(connections.clone().accept(listener));
        }
        drop(connections);
        let task = Self {
            server: Server::new(rand::random(), table),
            answering,
            readiness,
            datagrams: sockets.datagrams,
            connections: HashMap::new(),
            decisions: JoinSet::new(),
            max_decisions,
            ends: None,
        };
        task.serve(came, shutdown, drain).await;
        readers.join_all().await;
    }

    async fn serve(
        mut self,
        mut came: Receiver<(Instant, Came)>,
        shutdown: Shutdown,
        drain: Duration,
    ) {
        let mut pace = tokio::time::interval(SHOW_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_finished() {
            let timer = self.server.next_timer();
            let timer = timer.into_iter().chain(self.ends).min();
            let timer = timer.unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                Some((at, came)) = came.recv() => self.on(at, came),
                Some(decided) = self.decisions.join_next() => {
                    // A decision does not panic; it is not cancelled.
                    if let Ok((id, answer)) = decided {
                        self.answer(id, &answer);
                    }
                }
                () = sleep_until(timer.into()) => {
                    let now = Instant::now();
                    let actions = self.server.on_timer(now);
                    self.perform(now, actions);
                }
                _ = pace.tick() => self.show(),
                () = shutdown.requested(), if self.ends.is_none() => {
                    self.server.close();
                    self.ends = Some(Instant::now() + drain);
                }
            }
        }
        self.show();
    }

    /// Whether it was asked to end, and all is answered and acknowledged, or time has run out.
    fn is_finished(&self) -> bool {
        self.ends.is_some_and(|ends| {
            let is_idle = self.decisions.is_empty() && self.server.unfinished() == 0;
            is_idle || ends <= Instant::now()
        })
    }

    fn on(&mut self, at: Instant, came: Came) {
        let now = Instant::now();
        let actions = match came {
            Came::Opened(peer, outbox) => {
                if let Path::Connection(number) = peer.path {
                    self.connections.insert(number, outbox);
                }
                return;
            }
            Came::Closed(peer) => {
                if let Path::Connection(number) = peer.path {
                    self.connections.remove(&number);
                }
                return;
            }
            Came::Datagram(peer, bytes) => {
                self.server.set_ready(self.readiness.is_ready());
                self.server.on_datagram(now, peer, &bytes)
            }
            Came::Message(peer, message) => {
                self.server.set_ready(self.readiness.is_ready());
                self.server.on_message(now, peer, message)
            }
            Came::Stranger(peer, message) => {
                self.answering.report_stranger(peer);
                self.server.on_stranger(peer, message)
            }
        };
        self.perform(at, actions);
    }

    /// Has actions done, of a message that came at this time or of a timer.
    fn perform(&mut self, at: Instant, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(outgoing) => self.send(&outgoing),
                Action::Decide(invite) => self.decide(at, invite),
                // The engine's deadline is near, and what it stores goes on as it may.
                Action::Withdraw(_) => {}
            }
        }
    }

    fn decide(&mut self, arrived: Instant, invite: Box<Invite>) {
        let is_full = self.decisions.len() >= self.max_decisions;
        if is_full || self.answering.is_late(arrived) {
            let answer = self.answering.pass_on(arrived);
            return self.answer(invite.id, &answer);
        }
        let answering = Arc::clone(&self.answering);
        self.decisions.spawn(async move {
            let answer = answering.answer(&invite, arrived).await;
            (invite.id, answer)
        });
    }

    fn answer(&mut self, id: TransactionId, answer: &Answer) {
        let now = Instant::now();
        let actions = self.server.on_answer(now, id, answer);
        self.perform(now, actions);
    }

    fn send(&mut self, outgoing: &Outgoing) {
        match outgoing.path {
            Path::Datagrams(number) => {
                let index = usize::try_from(number).ok();
                let socket = index.and_then(|index| self.datagrams.get(index));
                // What is lost here is as if lost on the way: it is sent again.
                let _ = socket.map(|socket| socket.try_send_to(&outgoing.bytes, outgoing.to));
            }
            Path::Connection(number) => {
                let outbox = self.connections.get(&number);
                // A peer that does not read loses its connection.
                if outbox.is_some_and(|outbox| !outbox.put(Arc::clone(&outgoing.bytes))) {
                    self.connections.remove(&number);
                }
            }
        }
    }

    fn show(&self) {
        let (transactions, connections) = (self.server.transactions(), self.connections.len());
        let counts = self.server.counts();
        counts::show(self.answering.side, &counts, transactions, connections);
    }
}
