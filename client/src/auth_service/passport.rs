//! The PASSporT of a call: taken from a SIP Identity header or as a compact JWS,
//! or signed here.

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Attestation, Claims, Destinations, Extension, IdentityHeader, IdentityHeaderError, OrigId,
    Party, PassportError, UnverifiedPassport,
};
use pennyblack_stir::jws::{CertificateReference, X5u};
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::identity::{IdentityError, StirIdentity};

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

/// Reads a PASSporT in full form to store it as it came, of whatever kind (`ppt`): alone or
/// inside an Identity header, with its name, its short name `y` or without.
///
/// # Errors
/// [`PassportInputError`].
pub fn read_passport(text: &str) -> Result<UnverifiedPassport, PassportInputError> {
    let text = text.trim();
    let value = match text.split_once(':') {
        Some((name, value)) if is_identity(name.trim()) => value.trim(),
        _ => text,
    };
    if value.is_empty() {
        return Err(PassportInputError::Empty);
    }
    if value.contains(';') {
        return Ok(value.parse::<IdentityHeader>()?.into_passport());
    }
    Ok(UnverifiedPassport::parse_to_carry(value)?)
}

/// RFC 8224 section 4 has both names.
fn is_identity(header: &str) -> bool {
    ["identity", "y"].contains(&header.to_ascii_lowercase().as_str())
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
    ///
    /// # Errors
    /// [`IdentityError::NotCurrent`]: nobody could verify it.
    pub fn sign(&self, identity: &StirIdentity, now: UnixTime) -> Result<String, IdentityError> {
        identity.check_current(now)?;
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
        Ok(claims.sign(&certificate, identity.key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/certs/field-passports.json"
    ));

    #[test]
    fn identity_headers_of_the_field_are_stored_as_they_came() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let cases = vectors["identity_headers"].as_array().unwrap();
        for case in cases {
            let line = case["text"].as_str().unwrap();
            let value = line.strip_prefix("y: ").unwrap_or(line);
            let token = value.split_once(';').unwrap().0;
            for text in [
                line.to_owned(),
                format!("Identity: {value}\r\n"),
                format!("IDENTITY \t:\r\n {value}"),
                format!("Y:{value}"),
                token.to_owned(),
            ] {
                assert_eq!(read_passport(&text).unwrap().as_str(), token, "{text}");
            }
        }
        assert_eq!(cases.len(), 4);
    }
}
