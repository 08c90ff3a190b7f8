//! JSON Web Signatures as STIR uses them: compact form, ES256, the certificate
//! named in the header (RFC 7515, RFC 8225 section 4). Not here: what the claims
//! of a particular token mean, and whether its certificate can be relied upon.

mod claim_set;
mod header;
mod signing_key;
mod x5u;

use std::fmt;

use serde_json::{Map, Value};

pub use claim_set::{ClaimError, ClaimSet};
pub use header::{CertificateReference, HeaderError, JoseHeader, X5c};
pub use signing_key::{SigningKeyError, StirSigningKey};
pub use x5u::{X5u, X5uError};

use crate::StirPublicKey;
use pennyblack_base::encoding::{self, Base64Error};

/// The longest compact JWS that is looked at, in bytes: room for an `x5c` of
/// four certificates of common size.
pub const MAX_JWS_SIZE: usize = 32 * 1024;

/// Bytes of an ES256 signature, `r || s` (RFC 7518 section 3.4).
pub const SIGNATURE_SIZE: usize = 64;

/// Text that is not a compact ES256 JWS, or one whose signature is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// More than [`MAX_JWS_SIZE`] bytes.
    #[error("the token has {0} bytes, at most {MAX_JWS_SIZE} are read")]
    TooLong(usize),
    /// Not header, payload and signature with a dot between them.
    #[error("a compact JWS has 3 parts with dots between them, this has {0}")]
    Parts(usize),
    /// One of the parts has no characters. A PASSporT in compact form (RFC 8225
    /// section 7) looks like this too, and cannot be checked out of band.
    #[error("the {0} is empty; send the full form")]
    EmptyPart(&'static str),
    /// A part is not unpadded base64url.
    #[error("the {part} is {error}")]
    Base64 {
        /// `header`, `payload` or `signature`.
        part: &'static str,
        /// What the decoder objected to.
        error: Base64Error,
    },
    /// The header is not one that this code accepts.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// The signature is not `r || s` of 32 bytes each; a DER signature ends here.
    #[error("an ES256 signature has {SIGNATURE_SIZE} bytes (r || s, not DER), this has {0}")]
    SignatureSize(usize),
    /// The payload is not a JSON object without repeated names.
    #[error("payload: {0}")]
    Payload(ClaimError),
    /// The signature was not made by this key over this header and payload.
    #[error("the signature does not verify with the key of the certificate")]
    BadSignature,
}

/// A token that has the right form and whose signature nobody has checked.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedJws {
    token: Box<str>,
    /// Bytes of `token` that the signature covers: header, dot, payload.
    signed_size: usize,
    header: JoseHeader,
    unknown_parameter: Option<String>,
    payload: Vec<u8>,
    signature: [u8; SIGNATURE_SIZE],
}

impl UnverifiedJws {
    /// Parses a compact JWS: three parts that are not empty, `alg` exactly
    /// `ES256`, no `crit`, a signature of 64 bytes.
    ///
    /// # Errors
    /// [`JwsError`], never `BadSignature`.
    pub fn parse(token: &str) -> Result<Self, JwsError> {
        if token.len() > MAX_JWS_SIZE {
            return Err(JwsError::TooLong(token.len()));
        }
        let [header, payload, signature] = split(token)?;
        let signed_size = header.len() + 1 + payload.len();
        let (header, unknown_parameter) = JoseHeader::parse(&decode("header", header)?)?;
        let payload = decode("payload", payload)?;
        let signature = decode("signature", signature)?;
        let signature = signature
            .try_into()
            .map_err(|wrong: Vec<u8>| JwsError::SignatureSize(wrong.len()))?;
        Ok(Self {
            token: token.into(),
            signed_size,
            header,
            unknown_parameter,
            payload,
            signature,
        })
    }

    /// The header as it claims to be.
    #[must_use]
    pub const fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// A parameter of the header that is not looked at, if it has one: for tokens that
    /// must have one spelling.
    #[must_use]
    pub fn unknown_parameter(&self) -> Option<&str> {
        self.unknown_parameter.as_deref()
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as a set of claims.
    ///
    /// # Errors
    /// [`JwsError::Payload`] when it is not a JSON object, or one that names a
    /// claim twice.
    pub fn claims(&self) -> Result<ClaimSet, JwsError> {
        ClaimSet::parse(&self.payload).map_err(JwsError::Payload)
    }

    /// The token itself, byte for byte as it was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// What the signature is over: header, dot and payload. Two tokens of one signing
    /// input are one token, however the signature is written: ECDSA has several for each.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        let signed = self.token.as_bytes().get(..self.signed_size);
        signed.unwrap_or_default()
    }

    /// Checks the signature with `key`. That `key` is the right one is for the
    /// caller to know: it comes from a chain that was judged.
    ///
    /// # Errors
    /// [`JwsError::BadSignature`].
    pub fn verify(&self, key: &StirPublicKey) -> Result<(), JwsError> {
        key.verify_es256(self.signing_input(), &self.signature)
            .map_err(|_| JwsError::BadSignature)
    }
}

impl fmt::Debug for UnverifiedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedJws")
            .field("header", &self.header)
            .field("payload", &String::from_utf8_lossy(&self.payload))
            .finish_non_exhaustive()
    }
}

/// Signs `claims` and returns the compact JWS.
///
/// The text is deterministic: names are sorted at every depth and there is no
/// white space (RFC 8225 section 9), and the signature is that of RFC 6979.
#[must_use]
pub fn sign(header: &JoseHeader, claims: Map<String, Value>, key: &StirSigningKey) -> String {
    let header = canonical_json(header.to_json());
    let payload = canonical_json(claims);
    let mut token = format!(
        "{}.{}",
        encoding::base64url(header.as_bytes()),
        encoding::base64url(payload.as_bytes())
    );
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&encoding::base64url(&signature));
    token
}

fn canonical_json(object: Map<String, Value>) -> String {
    let mut object = Value::Object(object);
    object.sort_all_objects();
    object.to_string()
}

fn split(token: &str) -> Result<[&str; 3], JwsError> {
    let mut parts = token.split('.');
    let found = [parts.next(), parts.next(), parts.next()];
    let [Some(header), Some(payload), Some(signature)] = found else {
        return Err(JwsError::Parts(found.iter().flatten().count()));
    };
    match parts.count() {
        0 => Ok([header, payload, signature]),
        more => Err(JwsError::Parts(3 + more)),
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, JwsError> {
    if text.is_empty() {
        return Err(JwsError::EmptyPart(part));
    }
    encoding::from_base64url(text).map_err(|error| JwsError::Base64 { part, error })
}

#[cfg(test)]
mod tests;
