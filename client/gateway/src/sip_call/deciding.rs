//! What is done with an INVITE, whichever way it came: the call that it tells of is signed or
//! verified, its line is written, and what came of it is told. Not here: how a switch is
//! answered.

use std::sync::Arc;
use std::time::Instant;

use pennyblack_engine::{Finding, Passport, Reason};
use pennyblack_runtime::clock::Clock;
use pennyblack_sip::SyntaxError;
use pennyblack_sip::answer::{AddedHeader, ReasonProtocol};
use pennyblack_sip::request::Request;

use super::{call_id, incoming, is_emergency, of_signed, of_verdict, outgoing};
use crate::call_log::{CallLine, CallLog};
use crate::calls::Calls;
use crate::trunks::KnownTrunk;
use crate::{counts, lines};

/// What is needed to decide about calls.
#[derive(Clone)]
pub(crate) struct Deciding {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) call_log: CallLog,
    pub(crate) clock: Clock,
    /// The `Reason` header of a SIP call that failed.
    pub(crate) reason: Option<ReasonProtocol>,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Decided {
    /// It goes on as it is.
    Nothing,
    /// The same, because there is no certificate to sign with.
    NoSigningKey,
    /// It goes on with these headers.
    Add(Vec<AddedHeader>),
    /// Its verification failed, as these headers say.
    Failed(Vec<AddedHeader>),
}

impl Decided {
    /// What is added to the call.
    pub(crate) fn headers(self) -> Vec<AddedHeader> {
        match self {
            Self::Nothing | Self::NoSigningKey => Vec::new(),
            Self::Add(headers) | Self::Failed(headers) => headers,
        }
    }

    fn add(headers: Vec<AddedHeader>) -> Self {
        match headers.is_empty() {
            true => Self::Nothing,
            false => Self::Add(headers),
        }
    }
}

impl Deciding {
    /// Signs the call of an INVITE.
    ///
    /// # Errors
    /// [`SyntaxError`] when two readers could find two calls in it.
    pub(crate) async fn sign(
        &self,
        known: &KnownTrunk,
        invite: &Request,
        arrived: Instant,
    ) -> Result<Decided, SyntaxError> {
        let call = outgoing(invite)?;
        if is_emergency(invite) {
            return Ok(Decided::Nothing);
        }
        let said = lines::Said::of_outgoing(&call, call_id(invite).as_deref());
        let outcome = match self.calls.sign(arrived, &known.trunk, call).await {
            Ok(outcome) => outcome,
            Err(bad) => {
                counts::refused(&bad.into());
                return Ok(Decided::Nothing);
            }
        };
        self.record(arrived, || lines::of_signed(&outcome, said, known));
        Ok(match outcome.passport {
            Passport::None(Reason::NoCertificate | Reason::CertificateNotCurrent) => {
                Decided::NoSigningKey
            }
            _ => Decided::add(of_signed(&outcome)),
        })
    }

    /// Verifies the call of an INVITE.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub(crate) async fn verify(
        &self,
        known: &KnownTrunk,
        invite: &Request,
        arrived: Instant,
    ) -> Result<Decided, SyntaxError> {
        let call = incoming(invite)?;
        if is_emergency(invite) {
            return Ok(Decided::Nothing);
        }
        let said = lines::Said::of_incoming(&call, call_id(invite).as_deref());
        let verdict = self.calls.verify(arrived, &known.trunk, call).await;
        self.record(arrived, || lines::of_verdict(&verdict, said, known));
        let headers = of_verdict(&verdict, invite, &known.trunk, self.reason);
        Ok(match verdict.finding {
            Finding::Failed(_) => Decided::Failed(headers),
            _ => Decided::add(headers),
        })
    }

    /// Writes the line of a call that is answered now.
    pub(crate) fn record(&self, arrived: Instant, line: impl FnOnce() -> CallLine) {
        let now = || self.clock.now();
        self.call_log
            .record(|| lines::finished(line(), now(), arrived));
    }
}
