//! How a switch is answered that sent an INVITE.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use pennyblack_service::repeated_causes;
use pennyblack_sip::answer::{AddedHeader, Answer, Refusal};
use pennyblack_sip::peer::Peer;
use pennyblack_sip::server::Invite;

use super::Side;
use super::counts::{self, Given};
use crate::config::sip::{NothingToAdd, SipSide};
use crate::in_force::Settings;
use crate::sip_call::deciding::{Decided, Deciding};

/// What answers are made by.
pub(super) struct Answering {
    pub(super) side: Side,
    pub(super) deciding: Deciding,
    pub(super) settings: Arc<Settings>,
    pub(super) how: SipSide,
    /// By when calls are answered.
    pub(super) deadline: Duration,
    pub(super) blocks_failed: bool,
}

impl Answering {
    /// Whether a peer may ask now.
    pub(super) fn admits(&self, peer: Peer) -> bool {
        let in_force = self.settings.current();
        let access = match self.side {
            Side::Signing => &in_force.sip_signing,
            Side::Verification => &in_force.sip_verification,
        };
        let address = peer.address.ip().to_canonical();
        access.admit_address(address).is_ok()
    }

    /// Counts a message of a peer that may not ask, and has a line about it written.
    pub(super) fn report_stranger(&self, peer: Peer) {
        counts::strangers(self.side).increment(1);
        let address = peer.address.ip().to_canonical();
        let why = match self.side {
            Side::Signing => format!("{address} is not in sip.sign.allow"),
            Side::Verification => format!("{address} is not in sip.verify.allow"),
        };
        repeated_causes::warn("a SIP message is refused", &why);
    }

    /// The answer to an INVITE. **A fault of ours lets the call go on.**
    pub(super) async fn answer(&self, invite: &Invite, arrived: Instant) -> Answer {
        if self.is_late(arrived) {
            return self.pass_on(arrived);
        }
        let decided = AssertUnwindSafe(self.decide(invite, arrived)).catch_unwind();
        let (given, answer) = decided.await.unwrap_or_else(|_| {
            tracing::error!("a decision about a call panicked: the call goes on as it is");
            self.nothing()
        });
        counts::answered(self.side, given, arrived);
        answer
    }

    /// Whether a call that arrived then has missed its deadline before it is begun. **More calls
    /// than can be decided in time are passed on**, so that others are decided in time.
    pub(super) fn is_late(&self, arrived: Instant) -> bool {
        arrived.elapsed() > self.deadline
    }

    /// The answer to an INVITE for which there is no time: the call goes on as it is.
    pub(super) fn pass_on(&self, arrived: Instant) -> Answer {
        let (_, answer) = self.nothing();
        counts::answered(self.side, Given::Busy, arrived);
        answer
    }

    async fn decide(&self, invite: &Invite, arrived: Instant) -> (Given, Answer) {
        let in_force = self.settings.current();
        let address = invite.peer.address.ip().to_canonical();
        let Some(known) = in_force.trunks.of(address, None) else {
            let why = format!("addresses of no [[trunk]] fit {address}");
            repeated_causes::warn("an INVITE is refused", &why);
            return (Given::Forbidden, Answer::refuse(Refusal::Forbidden));
        };
        let decided = match self.side {
            Side::Signing => self.deciding.sign(known, &invite.request, arrived).await,
            Side::Verification => self.deciding.verify(known, &invite.request, arrived).await,
        };
        match decided {
            Ok(Decided::Failed(headers)) if self.blocks_failed => {
                let declined = Answer::refuse(Refusal::Decline);
                (Given::Blocked, with_all(declined, headers))
            }
            Ok(decided) => match decided.headers() {
                headers if headers.is_empty() => self.nothing(),
                headers => (Given::Redirect, with_all(self.redirect(), headers)),
            },
            // Of an INVITE in which two readers could find two calls nothing is said.
            Err(_) => self.nothing(),
        }
    }

    fn nothing(&self) -> (Given, Answer) {
        let answer = match self.how.nothing {
            NothingToAdd::NotFound => Answer::refuse(Refusal::NotFound),
            NothingToAdd::ServiceUnavailable => Answer::refuse(Refusal::ServiceUnavailable),
            NothingToAdd::Redirect => self.redirect(),
        };
        (Given::Nothing, answer)
    }

    fn redirect(&self) -> Answer {
        let next_hop = self
            .how
            .next_hop
            .as_ref()
            .map(|next_hop| next_hop.0.clone());
        Answer::redirect(self.how.answer.into(), self.how.carry.into(), next_hop)
    }
}

/// The headers in their order, as many as an answer has room for: the verdict is first.
fn with_all(answer: Answer, headers: Vec<AddedHeader>) -> Answer {
    headers.into_iter().fold(answer, |answer, header| {
        let without = answer.clone();
        answer.with(header).unwrap_or(without)
    })
}
