//! PASSporTs: reading, making and carrying them (RFC 8225) with the extensions
//! `shaken` (RFC 8588), `div` and `div-o` (RFC 8946) and `rcd` (RFC 9795, carried
//! through). Whether one may be trusted is decided in `verify` alone; how it
//! travels sealed stands in the module `sealed`.

mod claims;
mod div;
mod identity;
mod party;
mod selection;
mod verdict;
mod verify;

use std::time::Duration;

use serde_json::Value;

pub use claims::{Attestation, Claims, ClaimsError, Extension, MediaKey, OrigId};
pub use div::DiversionError;
pub use identity::{IdentityHeader, IdentityHeaderError};
pub use party::{Destinations, Party, PartyError, PartyNumber};
pub use selection::valid_for;
pub use verdict::{Refusal, Refused, Verdict, VerifiedPassport};
pub use verify::{Call, CertificateSource, NoCertificates, OrigAuthority, Verifier};

use claims::Reading;
use pennyblack_base::clock_tolerance;
use pennyblack_base::encoding::sha256;
use pennyblack_stir::jws::{
    self, CertificateReference, ClaimError, JoseHeader, JwsError, StirSigningKey, UnverifiedJws,
};

/// The `typ` of every PASSporT (RFC 8225 section 4.1).
const TYP: &str = "passport";

/// How often a call may have been retargeted: PASSporTs nested deeper, or chains
/// of `div` longer than this, are refused.
pub const MAX_DIVERSIONS: usize = 5;

/// How old a PASSporT may be (RFC 8224 section 12.1, RFC 8816 section 7.4).
pub const FRESHNESS: Duration = Duration::from_secs(60);

/// How far ahead of ours the signer's clock may be.
pub const MAX_CLOCK_SKEW: Duration = clock_tolerance::PASSPORT;

/// Text that is not a PASSporT that can be looked at out of band.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassportError {
    /// Not a compact ES256 JWS in full form.
    #[error("{0}")]
    Jws(#[from] JwsError),
    /// A token of another kind: an attestation or a key record is no PASSporT.
    #[error("\"typ\" is {0:?}, a PASSporT's is \"passport\"")]
    Type(Option<String>),
    /// A `ppt` that this verifier does not know; such a PASSporT is passed over
    /// (RFC 8225 section 8.3, RFC 8816 section 8.2).
    #[error("\"ppt\" {0:?} is not known here")]
    UnknownExtension(String),
    /// Neither `x5u` nor `x5c`.
    #[error("the header says nothing about the signer's certificate; put in x5u or x5c")]
    NoCertificate,
    /// The claims are not those of a PASSporT of this kind.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// More nested PASSporTs than [`MAX_DIVERSIONS`].
    #[error("more than {MAX_DIVERSIONS} PASSporTs are nested")]
    NestedTooDeep,
}

impl From<ClaimError> for PassportError {
    fn from(error: ClaimError) -> Self {
        Self::Claims(error.into())
    }
}

/// A PASSporT in full form that is as the RFCs want it, and that nobody has
/// checked: anyone can have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedPassport {
    jws: UnverifiedJws,
    certificate: CertificateReference,
    claims: Claims,
}

impl UnverifiedPassport {
    /// Parses the full form, and all that is nested in it.
    ///
    /// # Errors
    /// [`PassportError`] for what is not exactly as RFC 8225 and the extension's
    /// RFC say: unlike some deployed verifiers this refuses `iat` as a string,
    /// a missing `orig`, `attest` other than A, B and C.
    pub fn parse(token: &str) -> Result<Self, PassportError> {
        Self::read(
            token,
            Reading {
                levels_left: MAX_DIVERSIONS,
                carries: false,
            },
        )
    }

    /// The same, and also those of a kind that is not known here: to store one, or to pass
    /// it on, as it came (RFC 8816 section 8.3). No verifier finds such a one good.
    ///
    /// # Errors
    /// As [`UnverifiedPassport::parse`].
    pub fn parse_to_carry(token: &str) -> Result<Self, PassportError> {
        Self::read(
            token,
            Reading {
                levels_left: MAX_DIVERSIONS,
                carries: true,
            },
        )
    }

    fn read(token: &str, reading: Reading) -> Result<Self, PassportError> {
        let jws = UnverifiedJws::parse(token)?;
        if jws.header().typ.as_deref() != Some(TYP) {
            return Err(PassportError::Type(jws.header().typ.clone()));
        }
        let certificate = jws.header().certificate.clone();
        let certificate = certificate.ok_or(PassportError::NoCertificate)?;
        let claims = Claims::parse(jws.header().ppt.as_deref(), jws.claims()?, reading)?;
        Ok(Self {
            jws,
            certificate,
            claims,
        })
    }

    /// What it claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Where the certificate of its signer is.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateReference {
        &self.certificate
    }

    /// Its full form, byte for byte as it was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.jws.as_str()
    }

    /// The PASSporT nested in it, if it is a `div-o`.
    #[must_use]
    pub const fn nested(&self) -> Option<&Self> {
        self.claims.extension.nested()
    }

    /// Every certificate URL in it and in what is nested in it, outermost first:
    /// what has to be fetched before it can be verified.
    pub fn certificate_urls(&self) -> impl Iterator<Item = &jws::X5u> {
        std::iter::successors(Some(self), |passport| passport.nested())
            .filter_map(|passport| passport.certificate.url())
    }

    /// Names it: the SHA-256 of what its signature is over. A copy, and one whose ECDSA
    /// signature was rewritten, have the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.jws.signing_input())
    }

    pub(crate) const fn jws(&self) -> &UnverifiedJws {
        &self.jws
    }
}

impl Claims {
    /// Signs these claims: the full form, names sorted, no white space (RFC 8225
    /// section 9). Equal claims give equal text.
    ///
    /// The key must be that of the certificate; that is for the caller to know.
    #[must_use]
    pub fn sign(&self, certificate: &CertificateReference, key: &StirSigningKey) -> String {
        let header = JoseHeader {
            typ: Some(TYP.to_owned()),
            ppt: self.extension.ppt().map(str::to_owned),
            certificate: Some(certificate.clone()),
        };
        jws::sign(&header, self.to_json(), key)
    }

    /// The `rcd` claim, if there is one (RFC 9795 section 5.1). It is carried
    /// through as it came: the URLs in it are not fetched here, so the program that
    /// fetches them must check `rcdi`.
    #[must_use]
    pub fn rcd(&self) -> Option<&Value> {
        self.others.get("rcd")
    }
}

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;
