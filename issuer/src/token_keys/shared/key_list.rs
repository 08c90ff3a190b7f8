//! All token keys of an issuer in the form in which nodes share them: one list,
//! numbered by its changes, sealed as a whole. So nobody without the wrapping key
//! can read, add, exchange, remove or reorder keys; an older list put in the place
//! of a newer one is known by its number.

use std::sync::Arc;

use aws_lc_rs::aead::NONCE_LEN;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_privacypass::token::TokenType;
use zeroize::Zeroizing;

use super::wrapping_key::{FINGERPRINT, WrappingKey};
use crate::signer::{KeyType, SignError, SigningKey};
use crate::token_keys::TokenKey;

/// The only form so far.
const VERSION: u8 = 1;
/// Bytes of an authentication tag.
const TAG: usize = 16;
/// Largest list, in bytes: thirty RSA keys.
const MOST: usize = 64 * 1024;

/// A list that cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyListError {
    /// Sealed by a node with another wrapping key.
    #[error(
        "the token keys in Redis are sealed under another wrapping key ({}) than that of this \
         node ({}): give all nodes the same token_keys.wrapping_key",
        hex::encode(found),
        hex::encode(own)
    )]
    OtherWrappingKey {
        /// The fingerprint of the key that sealed them.
        found: [u8; FINGERPRINT],
        /// The fingerprint of this node's.
        own: [u8; FINGERPRINT],
    },
    /// Sealed under this wrapping key and not as it was then, or not for this place.
    #[error(
        "the token keys in Redis (list {number} of {authority}) were changed by somebody without \
         the wrapping key: find out who can write to Redis, and restore them from a backup"
    )]
    Changed {
        /// The number that the list claims.
        number: u64,
        /// Whose keys they should be.
        authority: Authority,
    },
    /// Of a version that this program does not know.
    #[error("the token keys in Redis are in form {0}: they were written by a newer program")]
    Version(u8),
    /// Not a list.
    #[error("the token keys in Redis are not in their form ({0}): another program's data?")]
    Form(#[from] WireError),
    /// A key of a type that this program does not know.
    #[error("a token key in Redis is for tokens of type {0}: it was made by a newer program")]
    Type(TokenType),
    /// A key in it.
    #[error("a token key in Redis: {0}")]
    Key(#[from] SignError),
    /// More keys than a list takes.
    #[error("the list of token keys would be longer than {MOST} bytes")]
    TooLong,
    /// The machine's randomness, or its memory.
    #[error("the token keys cannot be sealed: check this machine")]
    Seal,
}

/// Seals `keys`, earliest first, as list `number` of the issuer `authority`:
/// `uint8 version; opaque wrapping_key[8]; opaque nonce[12]; opaque sealed[];`
pub(super) fn seal(
    keys: &[Arc<TokenKey>],
    number: u64,
    authority: &Authority,
    wrapping: &WrappingKey,
) -> Result<Vec<u8>, KeyListError> {
    // Never moved while it grows: what moves leaves a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MOST + TAG));
    for key in keys {
        let signing = key.signing().to_file()?;
        let length = u16::try_from(signing.len()).map_err(|_| KeyListError::TooLong)?;
        if text.len() + signing.len() + 12 > MOST {
            return Err(KeyListError::TooLong);
        }
        text.extend_from_slice(&key.not_before().0.to_be_bytes());
        text.extend_from_slice(&key.token_type().0.to_be_bytes());
        text.extend_from_slice(&length.to_be_bytes());
        text.extend_from_slice(&signing);
    }
    let context = context(number, authority);
    let nonce = wrapping.seal(&context, &mut text);
    let nonce = nonce.ok_or(KeyListError::Seal)?;
    let mut sealed = vec![VERSION];
    sealed.extend_from_slice(&wrapping.fingerprint());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

/// Opens what [`seal`] made for the same number and authority.
pub(super) fn open(
    sealed: &[u8],
    number: u64,
    authority: &Authority,
    wrapping: &WrappingKey,
) -> Result<Vec<Arc<TokenKey>>, KeyListError> {
    if sealed.len() > MOST + TAG + 1 + FINGERPRINT + NONCE_LEN {
        return Err(KeyListError::TooLong);
    }
    let mut reader = Reader::new(sealed);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(KeyListError::Version(version));
    }
    let found = reader.array()?;
    let nonce = reader.array()?;
    let own = wrapping.fingerprint();
    if found != own {
        return Err(KeyListError::OtherWrappingKey { found, own });
    }
    let mut text = Zeroizing::new(reader.rest().to_vec());
    let opened = wrapping.open(nonce, &context(number, authority), &mut text);
    let opened = opened.ok_or_else(|| KeyListError::Changed {
        number,
        authority: authority.clone(),
    })?;
    parse(opened)
}

/// `struct { uint64 not_before; uint16 token_type; opaque key<0..2^16-1>; } keys[];`
fn parse(text: &[u8]) -> Result<Vec<Arc<TokenKey>>, KeyListError> {
    let mut reader = Reader::new(text);
    let mut keys = Vec::new();
    while !reader.is_empty() {
        let not_before = UnixTime(reader.u64()?);
        let token_type = TokenType(reader.u16()?);
        let is_it = |key_type: &KeyType| key_type.token_type() == token_type;
        let key_type = KeyType::ALL.into_iter().find(is_it);
        let signing = reader.vec_u16()?;
        let key_type = key_type.ok_or(KeyListError::Type(token_type))?;
        let signing = SigningKey::from_file(key_type, signing)?;
        keys.push(Arc::new(TokenKey::new(signing, not_before)));
    }
    Ok(keys)
}

/// What a list is bound to beside its contents.
fn context(number: u64, authority: &Authority) -> Vec<u8> {
    let name = authority.to_string();
    let mut context = b"pennyblack token keys\0".to_vec();
    context.push(VERSION);
    context.extend_from_slice(&number.to_be_bytes());
    context.extend_from_slice(name.as_bytes());
    context
}

#[cfg(test)]
mod tests;
