//! A store request as it arrives: sizes first, then form. Nothing is trusted yet.

use std::fmt;

use super::MAILBOX_SIZE;
use pennyblack_evidence::spend::{
    ContentDigestError, RequestDigest, SignatureFieldError, SpendSignature,
};
use pennyblack_privacypass::token::{Token, TokenError};
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use pennyblack_sealing::sealed::slot_size;

/// The header fields of a store request that carry meaning.
///
/// The service passes each field's one value; a field that occurs twice it
/// refuses itself, since joining the two could make a third.
#[derive(Clone, Copy, Default)]
pub struct StoreHeaders<'a> {
    /// `Authorization: PrivateToken token="…"`, at most 1,024 bytes.
    pub authorization: Option<&'a str>,
    /// `Content-Digest: sha-256=:…:`, at most 128 bytes.
    pub content_digest: Option<&'a str>,
    /// `Signature-Input: spend=(…);…`, at most 256 bytes.
    pub signature_input: Option<&'a str>,
    /// `Signature: spend=:…:`, at most 128 bytes.
    pub signature: Option<&'a str>,
}

impl fmt::Debug for StoreHeaders<'_> {
    /// Shows the digest only: the token is worth something until it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHeaders")
            .field("content_digest", &self.content_digest)
            .finish_non_exhaustive()
    }
}

/// A request that does not have the form of a store request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseStoreError {
    /// Not a mailbox id and one slot of any KEM.
    #[error("a store request has 2080 or 4128 bytes of content, not {0}")]
    BodySize(usize),
    /// A header field far longer than it can have to be.
    #[error("{field} has {actual} bytes, at most {limit} are read")]
    HeaderSize {
        /// The header field.
        field: &'static str,
        /// Bytes of its value.
        actual: usize,
        /// Bytes that are read.
        limit: usize,
    },
    /// There is no token: the answer is a challenge to get one.
    #[error("no token: send Authorization: PrivateToken token=\"…\"")]
    NoToken,
    /// The token does not parse.
    #[error("token: {0}")]
    Token(#[from] TokenError),
    /// A field is missing that belongs to the signature.
    #[error("{0} is missing: sign the request with the key that is the token's nonce")]
    MissingHeader(&'static str),
    /// The digest does not parse.
    #[error(transparent)]
    ContentDigest(#[from] ContentDigestError),
    /// The signature does not parse.
    #[error(transparent)]
    Signature(#[from] SignatureFieldError),
}

/// A store request whose form is right. It borrows the content.
pub struct ParsedStore<'a> {
    pub(super) token: Token,
    pub(super) claimed: RequestDigest,
    pub(super) signature: SpendSignature,
    pub(super) content: &'a [u8],
    pub(super) mailbox: MailboxId,
    pub(super) sealed: &'a [u8],
}

impl<'a> ParsedStore<'a> {
    /// Parses header fields and content.
    ///
    /// # Errors
    /// [`ParseStoreError`].
    pub fn parse(headers: &StoreHeaders<'_>, content: &'a [u8]) -> Result<Self, ParseStoreError> {
        let (mailbox, sealed) = split_content(content)?;
        let authorization = capped("Authorization", headers.authorization, 1024)?;
        let content_digest = capped("Content-Digest", headers.content_digest, 128)?;
        let signature_input = capped("Signature-Input", headers.signature_input, 256)?;
        let signature = capped("Signature", headers.signature, 128)?;

        let token = Token::from_authorization(authorization.ok_or(ParseStoreError::NoToken)?)?;
        let required = |name, field: Option<_>| field.ok_or(ParseStoreError::MissingHeader(name));
        Ok(Self {
            token,
            claimed: RequestDigest::from_field(required("Content-Digest", content_digest)?)?,
            signature: SpendSignature::parse(
                required("Signature-Input", signature_input)?,
                required("Signature", signature)?,
            )?,
            content,
            mailbox,
            sealed,
        })
    }
}

impl fmt::Debug for ParsedStore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedStore")
            .field("claimed", &self.claimed)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

fn split_content(content: &[u8]) -> Result<(MailboxId, &[u8]), ParseStoreError> {
    let wrong_size = ParseStoreError::BodySize(content.len());
    let Some((mailbox, sealed)) = content.split_first_chunk::<MAILBOX_SIZE>() else {
        return Err(wrong_size);
    };
    if Kem::ALL.iter().any(|kem| slot_size(*kem) == sealed.len()) {
        Ok((MailboxId(*mailbox), sealed))
    } else {
        Err(wrong_size)
    }
}

fn capped<'h>(
    field: &'static str,
    value: Option<&'h str>,
    limit: usize,
) -> Result<Option<&'h str>, ParseStoreError> {
    match value {
        Some(value) if value.len() > limit => Err(ParseStoreError::HeaderSize {
            field,
            actual: value.len(),
            limit,
        }),
        value => Ok(value),
    }
}
