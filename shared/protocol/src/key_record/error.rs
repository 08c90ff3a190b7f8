//! Why a key record is refused.

use pennyblack_base::cps_uri::CpsUriError;
use pennyblack_base::time::UnixTime;
use pennyblack_sealing::mailbox::KeyError;
use pennyblack_stir::jws::{ClaimError, JwsError};
use pennyblack_stir::{CoverageError, TnAuthList};

use super::coverage::Coverage;
use super::placement::PlacementError;
use super::{MAX_KEY_RECORD_SIZE, MAX_LIFETIME, TYP};

/// Why a key record is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRecordError {
    /// More than [`MAX_KEY_RECORD_SIZE`] bytes.
    #[error(
        "the key record has {0} bytes, at most {MAX_KEY_RECORD_SIZE} are read; send only the \
         certificates of the path"
    )]
    TooLong(usize),
    /// Not a compact ES256 JWS.
    #[error("the key record is malformed: {0}")]
    Jws(#[from] JwsError),
    /// A token of another kind.
    #[error("\"typ\" is {0:?}, a key record's is {TYP:?}")]
    Type(Option<String>),
    /// Neither `x5c` nor `x5u`.
    #[error("the key record brings no certificate; put in x5c")]
    NoCertificate,
    /// A claim is missing or of the wrong type.
    #[error("the key record is malformed: {0}")]
    Claim(#[from] ClaimError),
    /// A claim that no key record has.
    #[error("\"{0}\" is no claim of a key record; leave it out")]
    UnknownClaim(String),
    /// A parameter of the header that no key record has.
    #[error("\"{0}\" is no header parameter of a key record; leave it out")]
    UnknownParameter(String),
    /// `cps` or `more_cps` is not in canonical form.
    #[error("\"{claim}\" is {actual:?}, in canonical form it is {canonical:?}")]
    CpsForm {
        /// Which claim.
        claim: &'static str,
        /// What stands there.
        actual: String,
        /// How it has to be written.
        canonical: String,
    },
    /// `iss` is neither an SPC nor a number in canonical form.
    #[error("\"iss\" is {0:?}, which is neither an SPC nor a number in canonical form")]
    IssuerForm(String),
    /// Not exactly one of `tn`, `range` and `spc`.
    #[error("a key record has exactly one of \"tn\", \"range\" and \"spc\"")]
    NotOneCoverage,
    /// `tn`, `range` or `spc` is not one in canonical form.
    #[error("\"{claim}\" is {value:?}, which is not valid in canonical form")]
    Coverage {
        /// Which claim.
        claim: &'static str,
        /// What stands there.
        value: String,
    },
    /// `hpke` is not a key configuration.
    #[error("\"hpke\": {0}")]
    Key(#[from] KeyError),
    /// `cps` or `more_cps` is not the address of a CPS.
    #[error("\"{claim}\": {error}")]
    Cps {
        /// Which claim.
        claim: &'static str,
        /// What is wrong with it.
        error: CpsUriError,
    },
    /// `more_cps` is there and names none.
    #[error("\"more_cps\" names no CPS; leave it out")]
    NoMoreCps,
    /// `cps`, `more_cps` and `copies` do not go together.
    #[error("\"cps\", \"more_cps\" and \"copies\": {0}")]
    Placement(#[from] PlacementError),
    /// `exp` is not after `iat`, or too long after it.
    #[error(
        "valid from {iat} to {exp}; it must be valid for 1 to {} seconds",
        MAX_LIFETIME.as_secs()
    )]
    Lifetime {
        /// Its beginning.
        iat: UnixTime,
        /// Its end.
        exp: UnixTime,
    },
    /// Made in the future.
    #[error("made at {iat}, the time is {now}; set the clock")]
    NotYetValid {
        /// When it says it was made.
        iat: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// Past its end.
    #[error("expired at {exp}, the time is {now}; sign a fresh one")]
    Expired {
        /// Its end.
        exp: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// The certificate's TNAuthList does not have the issuer of the record.
    #[error("\"iss\" is {iss:?}, the certificate speaks for {certificate}")]
    Issuer {
        /// The SPC or number that the record names.
        iss: String,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// The certificate names more than is counted.
    #[error("{0}")]
    Grant(#[from] CoverageError),
    /// The certificate has an SPC and not these numbers, and no table tells of them.
    #[error("the certificate speaks for {certificate}, and nothing here says who holds {coverage}")]
    UnknownHolder {
        /// What the record wants to answer for.
        coverage: Coverage,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// The certificate does not give it these numbers, and the numbering table gives them, or
    /// some of them, to others.
    #[error("the certificate speaks for {certificate}, which does not hold {coverage}")]
    NotHeld {
        /// What the record wants to answer for.
        coverage: Coverage,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// Not signed by the key in the certificate.
    #[error("{0}")]
    Signature(JwsError),
}
