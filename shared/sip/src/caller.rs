//! A small calling side, for demonstrations and tests: one INVITE, sent again until somebody
//! answers (RFC 3261 section 17.1.1), and the ACK of its final answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_base::encoding::sha256;

use crate::answer::AddedHeader;
use crate::field::{FieldValue, write_line};
use crate::grammar::SyntaxError;
use crate::header_name::{CALL_ID, CONTACT, CONTENT_LENGTH, CSEQ, FROM, MAX_FORWARDS, TO, VIA};
use crate::message::RawMessage;
use crate::request::Method;
use crate::response::Response;
use crate::uri::Uri;

/// The first pause before the INVITE is sent again (timer A).
const T1: Duration = Duration::from_millis(500);

/// How long an answer is waited for (timer B).
const TIMER_B: Duration = Duration::from_secs(32);

/// What an INVITE is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallParts {
    /// Whom the call goes to: the Request-URI and `To`.
    pub called: Uri,
    /// Who calls: `From`.
    pub calling: Uri,
    /// The address and port of our socket.
    pub local: SocketAddr,
    /// How it is sent.
    pub transport: Transport,
    /// Random bytes, of which the names of this call are made.
    pub random: [u8; 16],
    /// Further headers, such as `Identity`.
    pub headers: Vec<AddedHeader>,
}

/// How a call is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

/// A call that was made.
#[derive(Debug)]
pub struct OutgoingCall {
    parts: CallParts,
    names: Names,
    invite: Arc<[u8]>,
    state: State,
}

/// The random names of a call.
#[derive(Debug)]
struct Names {
    branch: String,
    tag: String,
    call_id: String,
}

#[derive(Debug)]
enum State {
    Calling {
        timer_a: Option<(Instant, Duration)>,
        until: Instant,
    },
    Answered {
        ack: Arc<[u8]>,
    },
    Ended,
}

/// What a call wants done, or what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// Send this to where the INVITE went.
    Send(Arc<[u8]>),
    /// The final answer. The ACK is another event.
    Answered(Box<Response>),
    /// Nobody answered within 32 seconds.
    TimedOut,
}

impl OutgoingCall {
    /// Makes the INVITE, which is the first thing to send.
    #[must_use]
    pub fn new(now: Instant, parts: CallParts) -> (Self, CallEvent) {
        let name = |label: &str| {
            let [a, b, c, d, e, f, g, h, ..] = sha256(&[&parts.random, label.as_bytes()].concat());
            format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
        };
        let names = Names {
            branch: format!("z9hG4bK{}", name("branch")),
            tag: name("tag"),
            call_id: name("call"),
        };
        let is_datagram = parts.transport == Transport::Udp;
        let invite: Arc<[u8]> = request(&parts, &names, &names.branch, "INVITE", None).into();
        let call = Self {
            state: State::Calling {
                timer_a: Some((now + T1, T1)).filter(|_| is_datagram),
                until: now + TIMER_B,
            },
            invite: Arc::clone(&invite),
            parts,
            names,
        };
        (call, CallEvent::Send(invite))
    }

    /// A message came. What does not belong to this call is ignored.
    pub fn on_message(&mut self, message: RawMessage) -> Vec<CallEvent> {
        let Ok(response) = Response::from_raw(message) else {
            return Vec::new();
        };
        if !self.is_ours(&response).unwrap_or(false) {
            return Vec::new();
        }
        match &mut self.state {
            State::Calling { timer_a, .. } if response.is_provisional() => {
                *timer_a = None;
                Vec::new()
            }
            State::Calling { .. } => {
                let Ok(ack) = self.ack(&response) else {
                    return Vec::new();
                };
                self.state = State::Answered {
                    ack: Arc::clone(&ack),
                };
                vec![
                    CallEvent::Send(ack),
                    CallEvent::Answered(Box::new(response)),
                ]
            }
            // The ACK was lost.
            State::Answered { ack } if !response.is_provisional() => {
                vec![CallEvent::Send(Arc::clone(ack))]
            }
            State::Answered { .. } | State::Ended => Vec::new(),
        }
    }

    fn is_ours(&self, response: &Response) -> Result<bool, SyntaxError> {
        let (branch, cseq) = response.branch_and_cseq()?;
        let same_branch = branch.as_deref() == Some(self.names.branch.as_str());
        Ok(same_branch && cseq.method == Method::Invite)
    }

    /// An ACK belongs to the transaction of the INVITE, unless the call was taken
    /// (RFC 3261 sections 13.2.2.4 and 17.1.1.3).
    fn ack(&self, response: &Response) -> Result<Arc<[u8]>, SyntaxError> {
        let branch = match response.code() {
            200..300 => format!("{}a", self.names.branch),
            _ => self.names.branch.clone(),
        };
        let to = response.to()?;
        Ok(request(&self.parts, &self.names, &branch, "ACK", Some(to)).into())
    }

    /// When [`on_timer`](Self::on_timer) must be called.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { timer_a, until } => {
                Some(timer_a.map_or(*until, |(at, _)| at.min(*until)))
            }
            State::Answered { .. } | State::Ended => None,
        }
    }

    /// Time has passed.
    pub fn on_timer(&mut self, now: Instant) -> Option<CallEvent> {
        let State::Calling { timer_a, until } = &mut self.state else {
            return None;
        };
        if *until <= now {
            self.state = State::Ended;
            return Some(CallEvent::TimedOut);
        }
        let (at, pause) = timer_a.as_mut().filter(|(at, _)| *at <= now)?;
        *pause *= 2;
        *at = now + *pause;
        Some(CallEvent::Send(Arc::clone(&self.invite)))
    }
}

/// Writes an INVITE or its ACK.
fn request(
    parts: &CallParts,
    names: &Names,
    branch: &str,
    method: &str,
    to: Option<&FieldValue>,
) -> Vec<u8> {
    let CallParts {
        called,
        calling,
        local,
        ..
    } = parts;
    let transport = match parts.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    let mut message = format!("{method} {called} SIP/2.0\r\n").into_bytes();
    let mut line = |name: &str, value: String| {
        // Only what was read by the grammars of URIs and addresses is in these values.
        if let Ok(value) = FieldValue::new(value) {
            write_line(&mut message, name, &value);
        }
    };
    line(
        VIA,
        format!("SIP/2.0/{transport} {local};branch={branch};rport"),
    );
    line(MAX_FORWARDS, "70".to_owned());
    line(FROM, format!("<{calling}>;tag={}", names.tag));
    line(
        TO,
        to.map_or_else(|| format!("<{called}>"), |to| to.text().into_owned()),
    );
    line(CALL_ID, names.call_id.clone());
    line(CSEQ, format!("1 {method}"));
    if method == "INVITE" {
        line(CONTACT, format!("<sip:{local}>"));
        for header in &parts.headers {
            write_line(&mut message, header.name(), header.value());
        }
    }
    message.extend_from_slice(format!("{CONTENT_LENGTH}: 0\r\n\r\n").as_bytes());
    message
}

#[cfg(test)]
mod tests;
