//! Key pairs of each KEM, and messages that are sealed and opened with one call each.

use hpke::aead::{Aead, AeadTag};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable, HpkeError, Kem as HpkeKem, OpModeR, OpModeS, Serializable};
use pennyblack_base::curve25519;
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::aes_gcm::{AesGcm128, AesGcm256};
use crate::dhkem::Dhkem;
use crate::{Kem, PRIVATE_KEY_SIZE, TAG_SIZE, p256, x25519};

pub(crate) type X25519 = Dhkem<x25519::X25519>;
pub(crate) type P256 = Dhkem<p256::P256>;
pub(crate) type XWing = hpke::kem::XWing;

/// A public key that was checked to be one: sealing to it cannot fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(pub(crate) AnyPublic);

/// The public key in the library's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnyPublic {
    X25519(<X25519 as HpkeKem>::PublicKey),
    P256(<P256 as HpkeKem>::PublicKey),
    XWing(Box<<XWing as HpkeKem>::PublicKey>),
}

impl PublicKey {
    /// Parses and validates: on the curve, canonical, not of small order
    /// (RFC 9180 section 7.1.4); ML-KEM's modulus check (FIPS 203 section 7.2).
    #[must_use]
    pub fn parse(kem: Kem, bytes: &[u8]) -> Option<Self> {
        let key = match kem {
            Kem::DhkemX25519 => {
                if !curve25519::is_sound_x25519(bytes.try_into().ok()?) {
                    return None;
                }
                AnyPublic::X25519(Deserializable::from_bytes(bytes).ok()?)
            }
            Kem::DhkemP256 => AnyPublic::P256(Deserializable::from_bytes(bytes).ok()?),
            Kem::XWing => {
                // ML-KEM's encapsulation key comes first, X25519's is the last 32 bytes.
                if !curve25519::is_sound_x25519(bytes.last_chunk()?) {
                    return None;
                }
                AnyPublic::XWing(Box::new(Deserializable::from_bytes(bytes).ok()?))
            }
        };
        Some(Self(key))
    }

    /// Seals in place. `message` is `enc || plaintext || tag`: the caller has
    /// written the plaintext, the other two parts are filled in here.
    ///
    /// # Errors
    /// [`HpkeError`] when `message` has no room for both.
    pub fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), HpkeError> {
        match &self.0 {
            AnyPublic::X25519(key) => seal_with::<AesGcm128, X25519>(key, info, aad, message, rng),
            AnyPublic::P256(key) => seal_with::<AesGcm128, P256>(key, info, aad, message, rng),
            AnyPublic::XWing(key) => seal_with::<AesGcm256, XWing>(key, info, aad, message, rng),
        }
    }
}

/// A private key. The library's key types overwrite themselves when dropped.
#[derive(Clone)]
pub struct PrivateKey(pub(crate) AnyPrivate);

/// The private key in the library's type.
#[derive(Clone)]
pub(crate) enum AnyPrivate {
    X25519(<X25519 as HpkeKem>::PrivateKey),
    P256(<P256 as HpkeKem>::PrivateKey),
    XWing(Box<<XWing as HpkeKem>::PrivateKey>),
}

impl PrivateKey {
    /// A fresh key.
    pub fn generate(kem: Kem, rng: &mut impl CryptoRng) -> Self {
        Self(match kem {
            Kem::DhkemX25519 => AnyPrivate::X25519(X25519::gen_keypair_with_rng(rng).0),
            Kem::DhkemP256 => AnyPrivate::P256(P256::gen_keypair_with_rng(rng).0),
            Kem::XWing => AnyPrivate::XWing(Box::new(XWing::gen_keypair_with_rng(rng).0)),
        })
    }

    /// `DeriveKeyPair` (RFC 9180 section 7.1.3): always the same key from the same 32
    /// secret bytes, which must have the entropy of a key.
    #[must_use]
    pub fn derive(kem: Kem, ikm: &[u8; PRIVATE_KEY_SIZE]) -> Self {
        Self(match kem {
            Kem::DhkemX25519 => AnyPrivate::X25519(X25519::derive_keypair(ikm).0),
            Kem::DhkemP256 => AnyPrivate::P256(P256::derive_keypair(ikm).0),
            Kem::XWing => AnyPrivate::XWing(Box::new(XWing::derive_keypair(ikm).0)),
        })
    }

    /// Reads [`Self::write`]'s form. None for what is no private key of this KEM.
    #[must_use]
    pub fn parse(kem: Kem, bytes: &[u8; PRIVATE_KEY_SIZE]) -> Option<Self> {
        let key = match kem {
            Kem::DhkemX25519 => AnyPrivate::X25519(Deserializable::from_bytes(bytes).ok()?),
            Kem::DhkemP256 => AnyPrivate::P256(Deserializable::from_bytes(bytes).ok()?),
            Kem::XWing => AnyPrivate::XWing(Box::new(Deserializable::from_bytes(bytes).ok()?)),
        };
        Some(Self(key))
    }

    /// `SerializePrivateKey`.
    pub fn write(&self, out: &mut [u8; PRIVATE_KEY_SIZE]) {
        match &self.0 {
            AnyPrivate::X25519(key) => key.write_exact(out),
            AnyPrivate::P256(key) => key.write_exact(out),
            AnyPrivate::XWing(key) => key.write_exact(out),
        }
    }

    /// The KEM whose key it is.
    #[must_use]
    pub const fn kem(&self) -> Kem {
        match self.0 {
            AnyPrivate::X25519(_) => Kem::DhkemX25519,
            AnyPrivate::P256(_) => Kem::DhkemP256,
            AnyPrivate::XWing(_) => Kem::XWing,
        }
    }

    /// `SerializePublicKey` of its public key.
    #[must_use]
    pub fn public_key_bytes(&self) -> Vec<u8> {
        match &self.0 {
            AnyPrivate::X25519(key) => X25519::sk_to_pk(key).to_bytes().to_vec(),
            AnyPrivate::P256(key) => P256::sk_to_pk(key).to_bytes().to_vec(),
            AnyPrivate::XWing(key) => XWing::sk_to_pk(key).to_bytes().to_vec(),
        }
    }

    /// Opens `enc || ct`.
    ///
    /// # Errors
    /// [`HpkeError`] for anything that was not sealed to this key, with this `info` and
    /// this `aad`.
    pub fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        match &self.0 {
            AnyPrivate::X25519(key) => open_with::<AesGcm128, X25519>(key, info, aad, message),
            AnyPrivate::P256(key) => open_with::<AesGcm128, P256>(key, info, aad, message),
            AnyPrivate::XWing(key) => open_with::<AesGcm256, XWing>(key, info, aad, message),
        }
    }
}

pub(crate) fn seal_with<A: Aead, K: HpkeKem>(
    key: &K::PublicKey,
    info: &[u8],
    aad: &[u8],
    message: &mut [u8],
    rng: &mut impl CryptoRng,
) -> Result<(), HpkeError> {
    let (enc_space, rest) = message
        .split_at_mut_checked(K::EncappedKey::size())
        .ok_or(HpkeError::SealError)?;
    let (plaintext, tag_space) = rest
        .split_last_chunk_mut::<TAG_SIZE>()
        .ok_or(HpkeError::SealError)?;
    let (enc, tag) = hpke::single_shot_seal_inout_detached_with_rng::<A, HkdfSha256, K>(
        &OpModeS::Base,
        key,
        info,
        InOutBuf::from(plaintext),
        aad,
        rng,
    )?;
    enc.write_exact(enc_space);
    tag.write_exact(tag_space);
    Ok(())
}

pub(crate) fn open_with<A: Aead, K: HpkeKem>(
    key: &K::PrivateKey,
    info: &[u8],
    aad: &[u8],
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let (enc, rest) = message
        .split_at_checked(K::EncappedKey::size())
        .ok_or(HpkeError::OpenError)?;
    let (ciphertext, tag) = rest
        .split_last_chunk::<TAG_SIZE>()
        .ok_or(HpkeError::OpenError)?;
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    hpke::single_shot_open_inout_detached::<A, HkdfSha256, K>(
        &OpModeR::Base,
        key,
        &K::EncappedKey::from_bytes(enc)?,
        info,
        InOutBuf::from(plaintext.as_mut_slice()),
        aad,
        &AeadTag::from_bytes(tag)?,
    )?;
    Ok(plaintext)
}
