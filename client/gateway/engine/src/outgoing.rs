//! A call that leaves: what a switch says of it, and what it gets back.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{Attestation, IdentityHeader, OrigId};

use crate::number::NotANumber;
use crate::reason::Reason;

/// A call to sign, and to store. Numbers are as the switch wrote them: digits, or `tel:` and
/// `sip:` URIs without display names.
#[derive(Debug, Clone, Default)]
pub struct OutgoingCall {
    /// What `P-Asserted-Identity` names, each of them. Empty for REST.
    pub asserted: Vec<String>,
    /// What `From` names; the `orig` of REST.
    pub from: String,
    /// What was dialled (`To`); the `dest` of REST. One or more.
    pub dest: Vec<String>,
    /// Where the call goes (the Request-URI), if it is known: keys are looked up for it, too.
    pub request_uri: Option<String>,
    /// The attestation level that the request asks for.
    pub attest: Option<Attestation>,
    /// Names the origin of the call; a random one if there is none.
    pub origid: Option<OrigId>,
    /// When the switch says that it is; now if it says nothing.
    pub iat: Option<UnixTime>,
    /// The values of the Identity header fields that the call has already.
    pub identities: Vec<String>,
    /// Who sent the call on to `dest`: a `div` PASSporT is signed for it (RFC 8946), beside
    /// those that it has.
    pub div: Option<String>,
}

/// What a switch asked wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {why}")]
pub struct BadParameter {
    /// Which parameter.
    pub parameter: Parameter,
    /// What is wrong with it, and what to send.
    pub why: BadValue,
}

/// A parameter of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// Who calls.
    Orig,
    /// Who is called.
    Dest,
    /// When.
    Iat,
    /// Who sent the call on.
    Div,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadValue {
    /// It is no telephone number.
    #[error("{0}")]
    Number(#[from] NotANumber),
    /// The clocks of switch and gateway are too far apart.
    #[error("{iat} is more than {} s from {now}, the time here: set the clock of the switch, or of this machine", tolerance.as_secs())]
    Clock {
        /// What the switch says.
        iat: UnixTime,
        /// The time here.
        now: UnixTime,
        /// What is allowed.
        tolerance: Duration,
    },
    /// More destinations than a PASSporT has.
    #[error("{0} destinations: send at most 64")]
    Destinations(usize),
}

/// What a switch gets.
#[derive(Debug, Clone)]
pub struct SignOutcome {
    /// The PASSporT of the call.
    pub passport: Passport,
    /// What became of storing it.
    pub oob: OobOutcome,
}

impl SignOutcome {
    pub(crate) fn nothing(reason: Reason) -> Self {
        Self {
            passport: Passport::None(reason),
            oob: OobOutcome {
                reason: Some(reason),
                ..OobOutcome::default()
            },
        }
    }
}

/// Where the PASSporT of a call comes from.
#[derive(Debug, Clone)]
pub enum Passport {
    /// It was signed here: put it into the INVITE.
    Signed {
        /// The header field's value.
        identity: Box<IdentityHeader>,
        /// The attestation level in it.
        attest: Attestation,
        /// The origin in it.
        origid: OrigId,
    },
    /// That of a diversion was signed here: put it into the INVITE beside those that the call
    /// has.
    Diverted {
        /// The header field's value.
        identity: Box<IdentityHeader>,
    },
    /// The call came with it, and keeps it.
    CameWithTheCall,
    /// There is none.
    None(Reason),
}

/// What became of storing the PASSporTs of a call, when the answer had to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OobOutcome {
    /// Copies that lie in mailboxes.
    pub copies: usize,
    /// Copies there were to be: PASSporTs times keys.
    pub wanted: usize,
    /// Why not all are stored; the first reason.
    pub reason: Option<Reason>,
}

impl OobOutcome {
    /// Whether somebody can find it out of band.
    #[must_use]
    pub const fn is_stored(&self) -> bool {
        self.copies > 0
    }
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Orig => "orig",
            Self::Dest => "dest",
            Self::Iat => "iat",
            Self::Div => "div",
        })
    }
}
