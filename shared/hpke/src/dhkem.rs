//! DHKEM (RFC 9180 section 4.1) with HKDF-SHA256, whose agreements are done by AWS-LC: they
//! are the dearest part of every poll, every call and every oblivious request, and the
//! library takes two to several times as long. Keys and their forms are the library's own.
//! Not here: what differs from curve to curve.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{Kem, SharedSecret};
use hpke::{Deserializable, HpkeError, Serializable};
use rand::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
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

/// A private key as the library has it, and as AWS-LC does. **The second is made once and
/// kept**: it computes the public key, which takes a third as long as an agreement, and a
/// CPS opens every oblivious request with the same key.
pub(crate) struct OwnKey<C: Curve> {
    key: <C::Library as Kem>::PrivateKey,
    /// None if AWS-LC refused it, which fails at its first use.
    agreeing: Option<Arc<AgreeingKey>>,
}

struct AgreeingKey {
    private: PrivateKey,
    public: agreement::PublicKey,
}

impl AgreeingKey {
    fn of(algorithm: &'static Algorithm, secret: &[u8]) -> Option<Self> {
        let private = PrivateKey::from_private_key(algorithm, secret).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Self { private, public })
    }
}

impl<C: Curve> OwnKey<C> {
    fn of(key: <C::Library as Kem>::PrivateKey) -> Self {
        let mut secret = Zeroizing::new([0; PRIVATE_KEY_SIZE]);
        key.write_exact(secret.as_mut_slice());
        let agreeing = AgreeingKey::of(C::ALGORITHM, secret.as_slice());
        Self {
            key,
            agreeing: agreeing.map(Arc::new),
        }
    }
}

impl<C: Curve> Clone for OwnKey<C> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            agreeing: self.agreeing.clone(),
        }
    }
}

impl<C: Curve> ConstantTimeEq for OwnKey<C> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.key.ct_eq(&other.key)
    }
}

impl<C: Curve> Serializable for OwnKey<C> {
    type OutputSize = <<C::Library as Kem>::PrivateKey as Serializable>::OutputSize;

    fn write_exact(&self, out: &mut [u8]) {
        self.key.write_exact(out);
    }
}

impl<C: Curve> Deserializable for OwnKey<C> {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        Deserializable::from_bytes(bytes).map(Self::of)
    }
}

/// The KEM, in base mode; authenticated mode is not in use.
pub(crate) struct Dhkem<C>(PhantomData<C>);

type Encapsulated<C> = (SharedSecret<Dhkem<C>>, <Dhkem<C> as Kem>::EncappedKey);

impl<C: Curve> Kem for Dhkem<C> {
    type PublicKey = <C::Library as Kem>::PublicKey;
    type PrivateKey = OwnKey<C>;
    type EncappedKey = <C::Library as Kem>::EncappedKey;
    type NSecret = U32;
    const KEM_ID: u16 = C::Library::KEM_ID;

    fn sk_to_pk(key: &Self::PrivateKey) -> Self::PublicKey {
        C::Library::sk_to_pk(&key.key)
    }

    fn derive_keypair(ikm: &[u8]) -> (Self::PrivateKey, Self::PublicKey) {
        let (key, public) = C::Library::derive_keypair(ikm);
        (OwnKey::of(key), public)
    }

    fn decap(
        recipient: &Self::PrivateKey,
        sender: Option<&Self::PublicKey>,
        enc: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        Self::decapsulate(recipient, &enc.to_bytes()).ok_or(HpkeError::DecapError)
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
    fn decapsulate(recipient: &OwnKey<C>, enc: &[u8]) -> Option<SharedSecret<Self>> {
        let AgreeingKey { private, public } = recipient.agreeing.as_deref()?;
        Self::shared_secret(private, enc, [enc, public.as_ref()])
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
