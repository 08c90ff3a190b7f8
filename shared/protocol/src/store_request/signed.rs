//! The OOB-AS's side: one token, one key, one request.

use std::fmt;

use super::{MAILBOX_SIZE, MEDIA_TYPE};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::{Created, CreatedError, RequestDigest, SpendKey};
use pennyblack_privacypass::token::Token;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_sealing::sealed::Sealed;

/// A store request ready to be sent, and to be sent again unchanged.
///
/// As long as no answer came, the same bytes may be sent again (through fresh
/// encapsulations where they go through a relay) until
/// [`super::Freshness::RETRY_FOR`] after it was signed. The token must not be
/// signed with again, even if no answer ever comes: that would be a double
/// spend, and provably this OOB-AS's token's.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedStoreRequest {
    authorization: String,
    content_digest: String,
    signature_input: String,
    signature: String,
    body: Vec<u8>,
}

impl SignedStoreRequest {
    /// The header fields, by their lower-case names.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 5] {
        [
            ("authorization", &self.authorization),
            ("content-type", MEDIA_TYPE),
            ("content-digest", &self.content_digest),
            ("signature-input", &self.signature_input),
            ("signature", &self.signature),
        ]
    }

    /// The content, `mailbox || sealed`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for SignedStoreRequest {
    /// Shows the digest only: the token is worth something until it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedStoreRequest")
            .field("content_digest", &self.content_digest)
            .finish_non_exhaustive()
    }
}

/// A request that was not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignStoreError {
    /// The key given is not the one that the token was drawn for.
    #[error("the token's nonce is not this key's public half: the wallet has paired them wrongly")]
    KeyOfAnotherToken,
    /// The clock stands past 2106.
    #[error("signing time: {0}")]
    Created(#[from] CreatedError),
}

/// Signs the request that stores `sealed` in `mailbox` at the CPS `cps`. The time in it is
/// `now` rounded down, so that it does not tell whose clock it is.
///
/// # Errors
/// [`SignStoreError`].
pub fn sign_store_request(
    token: &Token,
    key: &SpendKey,
    cps: &Authority,
    mailbox: MailboxId,
    sealed: &Sealed,
    now: UnixTime,
) -> Result<SignedStoreRequest, SignStoreError> {
    if token.nonce != key.nonce() {
        return Err(SignStoreError::KeyOfAnotherToken);
    }
    let mut body = Vec::with_capacity(MAILBOX_SIZE + sealed.as_bytes().len());
    body.extend(mailbox.0);
    body.extend_from_slice(sealed.as_bytes());
    let digest = RequestDigest::of(&body);
    let signature = key.sign(cps, digest, Created::rounded(now)?);
    Ok(SignedStoreRequest {
        authorization: token.authorization(),
        content_digest: digest.to_field(),
        signature_input: signature.input_field(),
        signature: signature.field(),
        body,
    })
}
