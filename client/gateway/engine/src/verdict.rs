//! A call that arrives: what a switch says of it, and the verdict.

use std::time::Duration;

use pennyblack_client::assignments::CallName;
use pennyblack_passport::{Attestation, OrigId};
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::reason::Reason;

/// A call to verify. Numbers are as the switch wrote them.
#[derive(Debug, Clone)]
pub struct IncomingCall {
    /// The call by its Call-ID or requestId: asked for again, it is the same call.
    pub call: CallName,
    /// What `P-Asserted-Identity` names, each of them. Empty for REST.
    pub asserted: Vec<String>,
    /// What `From` names.
    pub from: String,
    /// What `To` names. One or more.
    pub to: Vec<String>,
    /// Where the call goes (the Request-URI), if it is known.
    pub request_uri: Option<String>,
    /// The values of its Identity header fields.
    pub identities: Vec<String>,
}

/// What is to be said of a call.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What decides.
    pub finding: Finding,
    /// Each PASSporT of the call, and what it came to: in band first, in their order.
    pub results: Vec<PassportResult>,
}

/// What decides about a call.
#[derive(Debug, Clone)]
pub enum Finding {
    /// `TN-Validation-Passed`.
    Passed(Box<Found>),
    /// `TN-Validation-Failed`: never for trouble of ours.
    Failed(Refused),
    /// `No-TN-Validation`.
    None(Reason),
}

impl Verdict {
    pub(crate) const fn nothing(reason: Reason) -> Self {
        Self {
            finding: Finding::None(reason),
            results: Vec::new(),
        }
    }

    /// As 3GPP TS 24.229 spells it.
    #[must_use]
    pub const fn verstat(&self) -> &'static str {
        match self.finding {
            Finding::Passed(_) => "TN-Validation-Passed",
            Finding::Failed(_) => "TN-Validation-Failed",
            Finding::None(_) => "No-TN-Validation",
        }
    }

    /// Why what came in band is not good, whatever was found elsewhere.
    #[must_use]
    pub fn in_band_refusal(&self) -> Option<&Refused> {
        let mut in_band = self.results.iter();
        in_band.find_map(|result| match (result.source, &result.outcome) {
            (Source::InBand, Err(refused)) => Some(refused),
            _ => None,
        })
    }
}

/// The PASSporT that is good for the call.
#[derive(Debug, Clone)]
pub struct Found {
    /// How it came.
    pub source: Source,
    /// The values of the Identity headers to put back: its own, and those of the PASSporTs
    /// beside it and below it. One that brings its certificate itself (`x5c`) has none.
    pub identities: Vec<String>,
    /// Its attestation level, if it is `shaken` or diverts one that is.
    pub attest: Option<Attestation>,
    /// Its origin.
    pub origid: Option<OrigId>,
    /// Who calls.
    pub orig: TelephoneNumber,
    /// Who is called, as the PASSporT says.
    pub dest: TelephoneNumber,
    /// For how long it has been signed.
    pub age: Duration,
    /// Whether the call goes elsewhere than the PASSporT says.
    pub retargeted: Option<Retargeted>,
    /// Why its use could not be written down: another call may find it, too.
    pub unrecorded: Option<String>,
}

/// The PASSporT names `To`, and the call goes to another number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retargeted {
    /// Where the call goes.
    pub to: TelephoneNumber,
}

/// How a PASSporT came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the call's Identity header.
    InBand,
    /// Through a mailbox.
    OutOfBand,
}

impl Source {
    /// Its name, in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InBand => "in-band",
            Self::OutOfBand => "out-of-band",
        }
    }
}

/// One PASSporT of the call.
#[derive(Debug, Clone)]
pub struct PassportResult {
    /// How it came.
    pub source: Source,
    /// Its kind (`ppt`), if it could be read.
    pub ppt: Option<String>,
    /// Its full form, if it could be read.
    pub passport: Option<String>,
    /// Good, or why not.
    pub outcome: Result<(), Refused>,
}

/// Why a PASSporT is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// By RFC 8224 section 6.2.2.
    pub code: StirCode,
    /// The reason itself. It may quote what a stranger wrote, and name numbers.
    pub detail: String,
    /// Why it could not be judged here, if that is so: **no call fails for it**.
    pub not_judged: Option<Reason>,
}

/// A SIP response code for an Identity that is not good (RFC 8224 section 6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StirCode {
    /// 403.
    StaleDate,
    /// 436.
    BadIdentityInfo,
    /// 437.
    UnsupportedCredential,
    /// 438.
    InvalidIdentityHeader,
}

impl StirCode {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::StaleDate => 403,
            Self::BadIdentityInfo => 436,
            Self::UnsupportedCredential => 437,
            Self::InvalidIdentityHeader => 438,
        }
    }

    /// The phrase that belongs to it.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::StaleDate => "Stale Date",
            Self::BadIdentityInfo => "Bad Identity Info",
            Self::UnsupportedCredential => "Unsupported Credential",
            Self::InvalidIdentityHeader => "Invalid Identity Header",
        }
    }
}
