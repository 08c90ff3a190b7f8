//! The server: messages, decisions and the time go in, actions come out. It opens no
//! socket and reads no clock.

use std::sync::Arc;
use std::time::Instant;

use crate::answer::Answer;
use crate::answer_headers::{AnswerHeaders, Identification, TagSecret};
use crate::field::{Field, FieldValue};
use crate::header_name::ALLOW;
use crate::message::{LineEnds, MessageError, RawMessage};
use crate::peer::{Outgoing, Peer, Route};
use crate::request::{Method, Request, RequestError};
use crate::status::Status;
use crate::transaction::{Due, Key, Pending, Table, Transaction};

pub use crate::transaction::{TableLimits, TransactionId};

/// What the server wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this.
    Send(Outgoing),
    /// Decide what this INVITE is answered, and call [`Server::on_answer`]. It is asked
    /// once for an INVITE and all its retransmissions.
    Decide(Box<Invite>),
    /// Nobody waits for the decision any more: the call was cancelled, or 32 seconds have
    /// passed.
    Withdraw(TransactionId),
}

/// An INVITE that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Names it in [`Server::on_answer`].
    pub id: TransactionId,
    /// Who sent it.
    pub peer: Peer,
    /// The request.
    pub request: Request,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// INVITEs that were asked for a decision.
    pub invites: u64,
    /// Retransmissions of these, which were absorbed.
    pub retransmissions: u64,
    /// Final answers that were sent again because no ACK had come.
    pub retransmitted_answers: u64,
    /// Final answers that were never acknowledged.
    pub unacknowledged: u64,
    /// Calls that were cancelled before the decision.
    pub cancelled: u64,
    /// INVITEs that were answered 503 because nobody decided in 32 seconds.
    pub undecided: u64,
    /// INVITEs that were answered 503 because there was no room.
    pub full: u64,
    /// Answered INVITEs that were forgotten before their time, for others to have room.
    pub forgotten: u64,
    /// Requests that were answered 400 or 505, and messages that were dropped.
    pub malformed: u64,
}

/// A redirect server (RFC 3261 section 8.3). It ignores what it need not understand, as
/// that section says: `Require`, unknown headers, bodies.
#[derive(Debug)]
pub struct Server {
    tag_secret: TagSecret,
    is_ready: bool,
    is_closing: bool,
    table: Table,
    counts: Counts,
}

/// The most that one call of [`Server::on_timer`] does, so that others get their turn.
const MAX_DUE: usize = 1024;

/// The methods that are not answered 405.
const ALLOWED: &str = "INVITE, ACK, CANCEL, OPTIONS";

impl Server {
    /// A server that is not ready yet. The secret is random; with it, tags cannot be
    /// guessed (RFC 3261 section 19.3).
    #[must_use]
    pub fn new(tag_secret: [u8; 16], limits: TableLimits) -> Self {
        Self {
            tag_secret: TagSecret(tag_secret),
            is_ready: false,
            is_closing: false,
            table: Table::new(limits),
            counts: Counts::default(),
        }
    }

    /// Whether OPTIONS is answered 200 or 503, by which switches see whether to ask us.
    pub const fn set_ready(&mut self, is_ready: bool) {
        self.is_ready = is_ready;
    }

    /// From now on OPTIONS and new INVITEs are answered 503, so that calls go elsewhere;
    /// what has begun is finished.
    pub const fn close(&mut self) {
        self.is_closing = true;
    }

    /// How many INVITEs wait for their answer, or for its ACK on a path that loses messages.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.table.unfinished()
    }

    /// What happened so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many transactions are kept now.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.table.len()
    }

    /// A datagram came from a peer that may ask.
    pub fn on_datagram(&mut self, now: Instant, peer: Peer, bytes: &[u8]) -> Vec<Action> {
        match RawMessage::parse(bytes, LineEnds::CrLf) {
            Ok(message) => self.on_message(now, peer, message),
            Err(MessageError::Empty) => Vec::new(),
            Err(_) => self.drop_malformed(),
        }
    }

    /// A message came from a peer that may ask: a frame of a connection, or a datagram.
    pub fn on_message(&mut self, now: Instant, peer: Peer, message: RawMessage) -> Vec<Action> {
        let Ok(headers) = AnswerHeaders::read(&message.headers) else {
            return self.drop_malformed();
        };
        let exchange = Exchange {
            route: Route::of(peer, headers.top()),
            headers,
        };
        let identified = exchange.headers.identify(&message.headers);
        let head = message.head_size();
        let is_ack = message.start_line.starts_with("ACK");
        match (identified, Request::from_raw(message)) {
            (_, Err(RequestError::IsResponse)) => Vec::new(),
            (Ok(identified), Ok(request)) if identified.cseq.method == *request.method() => {
                self.on_request(now, exchange, &identified, request, head)
            }
            _ if is_ack => self.drop_malformed(),
            (_, Err(RequestError::Version)) => {
                self.counts.malformed += 1;
                self.reply(&exchange, Status::VersionNotSupported)
            }
            _ => {
                self.counts.malformed += 1;
                self.reply(&exchange, Status::BadRequest)
            }
        }
    }

    /// A message came from a peer that may not ask. It gets 403, and is remembered nowhere.
    #[must_use]
    pub fn on_stranger(&self, peer: Peer, message: RawMessage) -> Vec<Action> {
        let headers = AnswerHeaders::read(&message.headers);
        let (Ok(headers), Ok(request)) = (headers, Request::from_raw(message)) else {
            return Vec::new();
        };
        if *request.method() == Method::Ack {
            return Vec::new();
        }
        let route = Route::of(peer, headers.top());
        self.reply(&Exchange { route, headers }, Status::Forbidden)
    }

    fn on_request(
        &mut self,
        now: Instant,
        exchange: Exchange,
        identified: &Identification,
        request: Request,
        head: usize,
    ) -> Vec<Action> {
        let key = Key::of(
            &exchange.headers,
            identified,
            request.uri(),
            exchange.route.peer,
        );
        let known = self.table.find(&key);
        match (request.method(), known) {
            (Method::Invite, Some(id)) => self.on_retransmission(id, exchange.route),
            (Method::Invite, None) if identified.to_tag.is_some() => {
                self.reply(&exchange, Status::NoTransaction)
            }
            (Method::Invite, None) => self.on_invite(now, exchange, key, request, head),
            (Method::Ack, Some(id)) => {
                self.table.change(id, |transaction| transaction.on_ack(now));
                Vec::new()
            }
            (Method::Ack, None) => Vec::new(),
            (Method::Cancel, Some(id)) => self.on_cancel(now, &exchange, id),
            (Method::Cancel, None) => self.reply(&exchange, Status::NoTransaction),
            (Method::Options, _) if self.is_ready && !self.is_closing => {
                self.reply_allow(&exchange, Status::Ok)
            }
            (Method::Options, _) => self.reply_allow(&exchange, Status::ServiceUnavailable),
            (Method::Other(_), _) => self.reply_allow(&exchange, Status::MethodNotAllowed),
        }
    }

    fn on_invite(
        &mut self,
        now: Instant,
        exchange: Exchange,
        key: Key,
        request: Request,
        head: usize,
    ) -> Vec<Action> {
        if self.is_closing {
            return self.reply(&exchange, Status::ServiceUnavailable);
        }
        let Ok(forgotten) = self.table.make_room(head) else {
            self.counts.full += 1;
            return self.reply(&exchange, Status::ServiceUnavailable);
        };
        self.counts.forgotten += forgotten;
        let Exchange { route, headers } = exchange;
        let pending = Pending {
            headers,
            uri: request.uri().clone(),
        };
        let transaction = Transaction::new(now, key, route, pending, head);
        let id = self.table.add(transaction);
        self.counts.invites += 1;
        let peer = route.peer;
        vec![Action::Decide(Box::new(Invite { id, peer, request }))]
    }

    fn on_retransmission(&mut self, id: TransactionId, route: Route) -> Vec<Action> {
        self.counts.retransmissions += 1;
        let again = self
            .table
            .change(id, |transaction| transaction.on_retransmission(route));
        let again = again.flatten().map(|bytes| route.send(bytes));
        again.map(Action::Send).into_iter().collect()
    }

    /// CANCEL is answered 200 whether or not it comes too late (RFC 3261 section 9.2).
    fn on_cancel(&mut self, now: Instant, cancel: &Exchange, id: TransactionId) -> Vec<Action> {
        let mut actions = self.reply(cancel, Status::Ok);
        let terminated = self.finish(now, id, &Answer::of_status(Status::RequestTerminated));
        if !terminated.is_empty() {
            self.counts.cancelled += 1;
            actions.push(Action::Withdraw(id));
        }
        actions.extend(terminated);
        actions
    }

    /// The decision about an INVITE. It is ignored if nobody waits for it any more.
    pub fn on_answer(&mut self, now: Instant, id: TransactionId, answer: &Answer) -> Vec<Action> {
        self.finish(now, id, answer)
    }

    /// Gives the final answer, unless there is one.
    fn finish(&mut self, now: Instant, id: TransactionId, answer: &Answer) -> Vec<Action> {
        let secret = &self.tag_secret;
        let sent = self.table.change(id, |transaction| {
            let pending = transaction.pending()?;
            let bytes = pending.headers.answer(
                answer.status(),
                transaction.route().peer.address,
                Some(&secret.tag(&pending.headers)),
                &answer.fields(&pending.uri),
            );
            let bytes: Arc<[u8]> = bytes.into();
            transaction.on_answer(now, Arc::clone(&bytes));
            Some(Action::Send(transaction.route().send(bytes)))
        });
        sent.flatten().into_iter().collect()
    }

    /// When [`on_timer`](Self::on_timer) must be called at the latest.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        self.table.first_due().map(|(at, _)| at)
    }

    /// Time has passed. If much is due at once, a part of it is done, and the next timer
    /// is in the past.
    pub fn on_timer(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..MAX_DUE {
            match self.table.first_due() {
                Some((at, id)) if at <= now => self.on_due(now, id, &mut actions),
                _ => break,
            }
        }
        actions
    }

    fn on_due(&mut self, now: Instant, id: TransactionId, actions: &mut Vec<Action>) {
        let due = self.table.change(id, |transaction| {
            (transaction.on_time(now), transaction.route())
        });
        match due {
            Some((Due::Trying(bytes), route)) => actions.push(Action::Send(route.send(bytes))),
            Some((Due::Retransmit(bytes), route)) => {
                self.counts.retransmitted_answers += 1;
                actions.push(Action::Send(route.send(bytes)));
            }
            Some((Due::Undecided, _)) => {
                self.counts.undecided += 1;
                actions.push(Action::Withdraw(id));
                let answer = Answer::of_status(Status::ServiceUnavailable);
                actions.extend(self.finish(now, id, &answer));
            }
            Some((Due::Unacknowledged, _)) => {
                self.counts.unacknowledged += 1;
                self.table.remove(id);
            }
            Some((Due::Ended, _)) => self.table.remove(id),
            Some((Due::Nothing, _)) | None => {}
        }
    }

    fn drop_malformed(&mut self) -> Vec<Action> {
        self.counts.malformed += 1;
        Vec::new()
    }

    /// An answer that is remembered nowhere: a retransmission gets it again
    /// (RFC 3261 section 8.2.7).
    fn reply(&self, exchange: &Exchange, status: Status) -> Vec<Action> {
        self.reply_with(exchange, status, &[])
    }

    fn reply_allow(&self, exchange: &Exchange, status: Status) -> Vec<Action> {
        let allow = FieldValue::new(ALLOWED).ok();
        let allow: Vec<_> = allow
            .map(|value| Field::new(ALLOW, value))
            .into_iter()
            .collect();
        self.reply_with(exchange, status, &allow)
    }

    fn reply_with(&self, exchange: &Exchange, status: Status, more: &[Field]) -> Vec<Action> {
        let Exchange { route, headers } = exchange;
        let tag = self.tag_secret.tag(headers);
        let bytes = headers.answer(status, route.peer.address, Some(&tag), more);
        vec![Action::Send(route.send(bytes.into()))]
    }
}

/// A request's headers that an answer repeats, and where that goes.
struct Exchange {
    route: Route,
    headers: AnswerHeaders,
}

#[cfg(test)]
mod tests;
