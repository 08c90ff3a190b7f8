//! `K_temp`: the one-time Ed25519 key whose public half is a token's nonce, and
//! whose private half turns that token into one stored request.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::content_digest::RequestDigest;
use super::http_signature::{Created, SpendSignature, signature_base};
use pennyblack_base::authority::Authority;
use pennyblack_privacypass::token::Nonce;

/// The private half of a token. Overwritten when dropped; `Debug` shows nothing.
///
/// Each is for one token and signs one request: a second request signed with it
/// is a double spend that anybody can prove.
pub struct SpendKey(SigningKey);

impl SpendKey {
    /// Bytes of the stored form, an RFC 8032 private key.
    pub const SIZE: usize = 32;

    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; Self::SIZE]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_bytes(&seed)
    }

    /// Reads a key back; every 32 bytes are one.
    #[must_use]
    pub fn from_bytes(seed: &[u8; Self::SIZE]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The stored form, for a wallet's file of mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::SIZE]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key, to be used as the nonce of the token that is drawn for it.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        Nonce(self.0.verifying_key().to_bytes())
    }

    /// Signs the request whose content has this digest, for this CPS.
    #[must_use]
    pub fn sign(&self, cps: &Authority, digest: RequestDigest, created: Created) -> SpendSignature {
        let base = signature_base(cps, digest, created);
        SpendSignature {
            created,
            signature: self.0.sign(base.as_bytes()).to_bytes(),
        }
    }
}

impl fmt::Debug for SpendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendKey").finish_non_exhaustive()
    }
}
