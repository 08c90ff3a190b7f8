//! What verification comes to: the PASSporTs that are good for a call, and for
//! each of the others why it is not. How it is decided stands in `verify`.

use super::claims::{Claims, Extension};
use super::div::DiversionError;
use super::party::Party;
use super::{FRESHNESS, PassportError, UnverifiedPassport};
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{JwsError, X5u};
use pennyblack_stir::{ChainError, ClaimConstraintError, TnAuthList};

/// Why one PASSporT was not believed, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a PASSporT, or of an unknown kind.
    #[error("{0}")]
    Form(#[from] PassportError),
    /// It is of another caller's call.
    #[error("it is for a call from {0}")]
    OtherOrig(Party),
    /// It is of a call to somebody else, which nobody diverted to the callee.
    #[error("it is not for a call to {0}")]
    OtherDest(Party),
    /// A `div` without a valid PASSporT of the call that it diverts, or at the
    /// end of more than [`super::MAX_DIVERSIONS`] of them.
    #[error("no valid PASSporT of the call that was diverted is there")]
    NoOriginal,
    /// The nested PASSporT is of another call.
    #[error("{0}")]
    Diversion(#[from] DiversionError),
    /// The nested PASSporT is not valid.
    #[error("the nested PASSporT: {0}")]
    Nested(Box<Self>),
    /// The certificate could not be had.
    #[error("the certificate at {0} is not available")]
    NoCertificate(X5u),
    /// The certificate cannot be relied upon.
    #[error("{0}")]
    Certificate(#[from] ChainError),
    /// The certificate has no authority for the one it signs for.
    #[error("the certificate speaks for {certificate}, it has no authority for {party}")]
    NoAuthority {
        /// The caller, or the one who diverted the call.
        party: Party,
        /// For whom the certificate speaks.
        certificate: TnAuthList,
    },
    /// The certificate does not allow these claims (RFC 8226 section 8, RFC 9118).
    #[error("{0}")]
    ClaimConstraints(#[from] ClaimConstraintError),
    /// Too old.
    #[error("signed at {iat}, more than {} seconds before {now}", FRESHNESS.as_secs())]
    Stale {
        /// When it was signed.
        iat: UnixTime,
        /// The time it is compared with: now, or for a nested PASSporT the
        /// `iat` of the outer one.
        now: UnixTime,
    },
    /// Signed in the future.
    #[error("signed at {iat}, which lies ahead of {now}")]
    FromTheFuture {
        /// When it says it was signed.
        iat: UnixTime,
        /// The time it is compared with.
        now: UnixTime,
    },
    /// The signature is wrong.
    #[error("{0}")]
    Signature(JwsError),
}

/// A candidate that was not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place among the candidates, the first being 0.
    pub index: usize,
    /// Why.
    pub reason: Refusal,
}

/// What is to be said of a call.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// At least one PASSporT speaks for the call and is good.
    Valid {
        /// All that are; never empty.
        passports: Vec<VerifiedPassport>,
        /// Those that are not.
        refused: Vec<Refused>,
    },
    /// PASSporTs speak for the call, and none is good. That is no proof of
    /// forgery: anyone may store one (RFC 8816 section 7.5).
    Unverifiable {
        /// All that there were.
        refused: Vec<Refused>,
    },
    /// Nothing that was found speaks of this call.
    NoPassport {
        /// What was found.
        refused: Vec<Refused>,
    },
}

/// A PASSporT that is good for one call. Only [`super::Verifier`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPassport {
    pub(super) passport: UnverifiedPassport,
    pub(super) signer: TnAuthList,
    pub(super) original: Option<Box<Self>>,
}

impl VerifiedPassport {
    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        self.passport.claims()
    }

    /// For whom the certificate of its signer speaks.
    #[must_use]
    pub const fn signer(&self) -> &TnAuthList {
        &self.signer
    }

    /// The PASSporT of the call before it was diverted, if it was.
    #[must_use]
    pub fn original(&self) -> Option<&Self> {
        self.original.as_deref()
    }

    /// A `div` means something only together with the PASSporT that it diverts.
    pub(super) const fn needs_original(&self) -> bool {
        matches!(self.passport.claims().extension, Extension::Div { .. })
    }

    /// The PASSporT of the call as it was placed, before every diversion.
    #[must_use]
    pub fn first(&self) -> &Self {
        std::iter::successors(Some(self), |passport| passport.original())
            .last()
            .unwrap_or(self)
    }

    /// Its full form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.passport.as_str()
    }
}
