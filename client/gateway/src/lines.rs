//! What the line of a call says: of the request, and of what came of it. Both interfaces
//! write the same lines. Not here: the file (`call_log`).

use std::time::Instant;

use pennyblack_base::time::UnixTime;
use pennyblack_engine::{Finding, IncomingCall, OutgoingCall, Passport, SignOutcome, Verdict};

use crate::call_log::{CallLine, line_at};
use crate::trunks::KnownTrunk;

/// What a request says of its call.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    orig: String,
    dest: Option<String>,
    call: Option<String>,
}

impl Said {
    /// Of an outgoing call.
    pub(crate) fn of_outgoing(call: &OutgoingCall, id: Option<&str>) -> Self {
        Self {
            orig: call.asserted.first().unwrap_or(&call.from).clone(),
            dest: call.dest.first().cloned(),
            call: id.map(str::to_owned),
        }
    }

    /// Of an incoming call.
    pub(crate) fn of_incoming(call: &IncomingCall, id: Option<&str>) -> Self {
        Self {
            orig: call.asserted.first().unwrap_or(&call.from).clone(),
            dest: call.request_uri.as_ref().or(call.to.first()).cloned(),
            call: id.map(str::to_owned),
        }
    }

    fn line(self, known: &KnownTrunk) -> CallLine {
        CallLine {
            trunk: known.trunk.name.clone(),
            agreement: known.agreement.clone(),
            orig: Some(self.orig),
            dest: self.dest,
            call: self.call,
            ..CallLine::default()
        }
    }
}

/// The line of a call that was to be signed.
pub(crate) fn of_signed(outcome: &SignOutcome, said: Said, known: &KnownTrunk) -> CallLine {
    let line = CallLine {
        side: "signing",
        copies: Some(outcome.oob.copies),
        reason: outcome.oob.reason.map(|reason| reason.name()),
        ..said.line(known)
    };
    match &outcome.passport {
        Passport::Signed { attest, origid, .. } => CallLine {
            result: "signed",
            attest: Some(attest.letter()),
            origid: Some(origid.as_str().to_owned()),
            ..line
        },
        Passport::Diverted { .. } => CallLine {
            result: "diverted",
            ..line
        },
        Passport::CameWithTheCall => CallLine {
            result: "came-with-identity",
            ..line
        },
        Passport::None(reason) => CallLine {
            result: "none",
            reason: Some(reason.name()),
            ..line
        },
    }
}

/// The line of a call that was to be verified.
pub(crate) fn of_verdict(verdict: &Verdict, said: Said, known: &KnownTrunk) -> CallLine {
    let line = CallLine {
        side: "verification",
        result: verdict.verstat(),
        ..said.line(known)
    };
    match &verdict.finding {
        Finding::Passed(found) => CallLine {
            source: Some(found.source.name()),
            attest: found.attest.map(|attest| attest.letter()),
            origid: found.origid.as_ref().map(|id| id.as_str().to_owned()),
            ..line
        },
        Finding::Failed(refused) => CallLine {
            code: Some(refused.code.code()),
            ..line
        },
        Finding::None(reason) => CallLine {
            reason: Some(reason.name()),
            ..line
        },
    }
}

/// The line as it is when the answer leaves.
pub(crate) fn finished(line: CallLine, now: UnixTime, began: Instant) -> CallLine {
    let CallLine { time, micros, .. } = line_at(now, began.elapsed());
    CallLine {
        time,
        micros,
        ..line
    }
}
