//! The one place that turns bytes into base64 text and back, and that hashes.
//!
//! base64url is padded inside `PrivateToken` headers (RFC 9577 section 2) and
//! unpadded everywhere else; standard base64 appears only in `Content-Digest`
//! (RFC 9530), `x5c` (RFC 7515) and the attestation's `request` claim.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};

const URL_SAFE_ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Text that is not the base64 it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not valid {form}: {detail}")]
pub struct Base64Error {
    /// Which form was expected, for example `unpadded base64url`.
    pub form: &'static str,
    /// What the decoder objected to.
    pub detail: base64::DecodeError,
}

/// Unpadded base64url (RFC 4648 section 5), as JOSE and our own texts use it.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Padded base64url, as `PrivateToken` parameters carry it (RFC 9577 section 2).
#[must_use]
pub fn base64url_padded(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}

/// Standard padded base64 (RFC 4648 section 4).
#[must_use]
pub fn base64_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes unpadded base64url; padding and non-canonical trailing bits are refused.
///
/// # Errors
/// [`Base64Error`] when `text` is not exactly that.
pub fn from_base64url(text: &str) -> Result<Vec<u8>, Base64Error> {
    decode(&URL_SAFE_NO_PAD, "unpadded base64url", text)
}

/// Decodes base64url with or without padding: both are seen in the field.
///
/// # Errors
/// [`Base64Error`] when `text` is neither.
pub fn from_base64url_any_padding(text: &str) -> Result<Vec<u8>, Base64Error> {
    decode(&URL_SAFE_ANY_PADDING, "base64url", text)
}

/// Decodes standard padded base64.
///
/// # Errors
/// [`Base64Error`] when `text` is not exactly that.
pub fn from_base64_standard(text: &str) -> Result<Vec<u8>, Base64Error> {
    decode(&STANDARD, "standard base64", text)
}

fn decode(engine: &GeneralPurpose, form: &'static str, text: &str) -> Result<Vec<u8>, Base64Error> {
    engine
        .decode(text)
        .map_err(|detail| Base64Error { form, detail })
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
