//! The PASSporT of a call: taken from a SIP Identity header or as a compact JWS,
//! or signed here.

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Attestation, Claims, Destinations, Extension, IdentityHeader, IdentityHeaderError, OrigId,
    Party, PassportError, UnverifiedPassport,
};
use pennyblack_stir::jws::{CertificateReference, X5u};
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::identity::StirIdentity;

/// Text that brings no PASSporT.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassportInputError {
    /// There is nothing.
    #[error("there is no PASSporT: give a compact JWS, or the value of an Identity header")]
    Empty,
    /// An Identity header that is not one.
    #[error("the Identity header: {0}")]
    Header(#[from] IdentityHeaderError),
    /// A PASSporT that is not one.
    #[error("the PASSporT: {0}")]
    Passport(#[from] PassportError),
}

/// Reads a PASSporT in full form, alone or inside an Identity header with or
/// without its name.
///
/// # Errors
/// [`PassportInputError`].
pub fn read_passport(text: &str) -> Result<UnverifiedPassport, PassportInputError> {
    let text = text.trim();
    let value = match text.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("identity") => value.trim(),
        _ => text,
    };
    if value.is_empty() {
        return Err(PassportInputError::Empty);
    }
    if value.contains(';') {
        return Ok(value.parse::<IdentityHeader>()?.into_passport());
    }
    Ok(UnverifiedPassport::parse(value)?)
}

/// A call to sign a `shaken` PASSporT for (RFC 8588).
#[derive(Debug, Clone)]
pub struct ShakenCall {
    /// Who calls.
    pub orig: TelephoneNumber,
    /// Who is called.
    pub dest: TelephoneNumber,
    /// How well the caller is known.
    pub attest: Attestation,
    /// Where the certificate can be fetched. Without it the whole certificate
    /// path goes into the PASSporT, which then seldom fits a mailbox's slot.
    pub x5u: Option<X5u>,
}

impl ShakenCall {
    /// Signs it, in full form.
    #[must_use]
    pub fn sign(&self, identity: &StirIdentity, now: UnixTime) -> String {
        let certificate = match &self.x5u {
            Some(url) => CertificateReference::X5u(url.clone()),
            None => identity.certificate().clone(),
        };
        let claims = Claims {
            orig: Party::from(self.orig.clone()),
            dest: Destinations::from(self.dest.clone()),
            iat: now,
            mky: Vec::new(),
            extension: Extension::Shaken {
                attest: self.attest,
                origid: OrigId::random(),
            },
            others: serde_json::Map::new(),
        };
        claims.sign(&certificate, identity.key())
    }
}
