//! DHKEM (RFC 9180 section 4.1) with HKDF-SHA256, whose agreements are done by AWS-LC: they
//! are the dearest part of every poll, every call and every oblivious request, and the
//! library takes two to several times as long. Keys and their forms are the library's own.
//! Not here: what differs from curve to curve.

use std::marker::PhantomData;

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{Kem, SharedSecret};
use hpke::{Deserializable as _, HpkeError, Serializable as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::PRIVATE_KEY_SIZE;

/// "KEM" and a KEM's identifier.
pub(crate) type SuiteId = [u8; 5];

/// The group that a DHKEM agrees in.
pub(crate) trait Curve: 'static {
    /// The library's KEM of this curve, whose keys these are.
    type Library: Kem;

    /// AWS-LC's agreement.
    const ALGORITHM: &'static Algorithm;

    const SUITE_ID: SuiteId = {
        let [high, low] = Self::Library::KEM_ID.to_be_bytes();
        [b'K', b'E', b'M', high, low]
    };

    /// The private key of `DeriveKeyPair` (RFC 9180 section 7.1.3).
    fn derive(ikm: &[u8]) -> Option<PrivateKey>;
}

/// The KEM, in base mode; authenticated mode is not in use.
pub(crate) struct Dhkem<C>(PhantomData<C>);

type Encapsulated<C> = (SharedSecret<Dhkem<C>>, <Dhkem<C> as Kem>::EncappedKey);

impl<C: Curve> Kem for Dhkem<C> {
    type PublicKey = <C::Library as Kem>::PublicKey;
    type PrivateKey = <C::Library as Kem>::PrivateKey;
    type EncappedKey = <C::Library as Kem>::EncappedKey;
    type NSecret = U32;
    const KEM_ID: u16 = C::Library::KEM_ID;

    fn sk_to_pk(key: &Self::PrivateKey) -> Self::PublicKey {
        C::Library::sk_to_pk(key)
    }

    fn derive_keypair(ikm: &[u8]) -> (Self::PrivateKey, Self::PublicKey) {
        C::Library::derive_keypair(ikm)
    }

    fn decap(
        recipient: &Self::PrivateKey,
        sender: Option<&Self::PublicKey>,
        enc: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let mut secret = Zeroizing::new([0; PRIVATE_KEY_SIZE]);
        recipient.write_exact(secret.as_mut_slice());
        Self::decapsulate(&secret, &enc.to_bytes()).ok_or(HpkeError::DecapError)
    }

    fn encap_with_rng(
        recipient: &Self::PublicKey,
        sender: Option<(&Self::PrivateKey, &Self::PublicKey)>,
        rng: &mut impl CryptoRng,
    ) -> Result<Encapsulated<C>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::EncapError);
        }
        let mut ikm = Zeroizing::new([0; PRIVATE_KEY_SIZE]);
        rng.fill_bytes(ikm.as_mut_slice());
        C::derive(ikm.as_slice())
            .and_then(|ephemeral| Self::encapsulate(&recipient.to_bytes(), &ephemeral))
            .ok_or(HpkeError::EncapError)
    }
}

impl<C: Curve> Dhkem<C> {
    /// `Encap` with a given ephemeral key. None when the recipient's key is no good one
    /// (RFC 9180 section 7.1.4).
    pub(crate) fn encapsulate(recipient: &[u8], ephemeral: &PrivateKey) -> Option<Encapsulated<C>> {
        let enc = ephemeral.compute_public_key().ok()?;
        let secret = Self::shared_secret(ephemeral, recipient, [enc.as_ref(), recipient])?;
        let enc = <Self as Kem>::EncappedKey::from_bytes(enc.as_ref()).ok()?;
        Some((secret, enc))
    }

    /// `Decap`. None when `enc` is no good key (RFC 9180 section 7.1.4).
    fn decapsulate(recipient: &[u8; PRIVATE_KEY_SIZE], enc: &[u8]) -> Option<SharedSecret<Self>> {
        let own = PrivateKey::from_private_key(C::ALGORITHM, recipient).ok()?;
        let public = own.compute_public_key().ok()?;
        Self::shared_secret(&own, enc, [enc, public.as_ref()])
    }

    /// `ExtractAndExpand(dh, kem_context)`, where the context is `enc` and the recipient's
    /// public key.
    fn shared_secret(
        own: &PrivateKey,
        peer: &[u8],
        kem_context: [&[u8]; 2],
    ) -> Option<SharedSecret<Self>> {
        let peer = UnparsedPublicKey::new(C::ALGORITHM, peer);
        let context = kem_context.concat();
        let mut secret = SharedSecret::default();
        agreement::agree(own, peer, (), |dh| {
            HkdfSha256::extract_and_expand(dh, &C::SUITE_ID, &context, &mut secret.0).map_err(drop)
        })
        .ok()?;
        Some(secret)
    }
}

#[cfg(test)]
mod tests;
