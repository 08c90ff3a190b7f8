//! What the DHKEMs (RFC 9180 section 4.1) have in common where AWS-LC does them: a
//! Diffie-Hellman agreement, and the shared secret made of it.

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{Kem, SharedSecret};

/// "KEM" and a KEM's identifier.
pub(super) type SuiteId = [u8; 5];

/// Who agrees, and on what.
pub(super) struct Agreement<'a> {
    pub(super) algorithm: &'static Algorithm,
    pub(super) suite: &'a SuiteId,
    pub(super) own: &'a PrivateKey,
    /// The other side's public key.
    pub(super) peer: &'a [u8],
    /// `enc` and the recipient's public key: `kem_context` of base mode.
    pub(super) context: [&'a [u8]; 2],
}

impl Agreement<'_> {
    /// `ExtractAndExpand(dh, kem_context)`. None when the peer's key is no good one
    /// (RFC 9180 section 7.1.4).
    pub(super) fn shared_secret<K: Kem<NSecret = U32>>(&self) -> Option<SharedSecret<K>> {
        let peer = UnparsedPublicKey::new(self.algorithm, self.peer);
        let context = self.context.concat();
        let mut secret = SharedSecret::default();
        agreement::agree(self.own, peer, (), |dh| {
            HkdfSha256::extract_and_expand(dh, self.suite, &context, &mut secret.0).map_err(drop)
        })
        .ok()?;
        Some(secret)
    }
}
