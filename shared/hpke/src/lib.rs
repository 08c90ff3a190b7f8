//! HPKE (RFC 9180, base mode) with the ciphersuites in use here, and the only calls
//! into the HPKE library. Not here: what is sealed, and under which `info` and `aad`.

mod aes_gcm;
mod agreement;
mod p256;
mod x25519;

use std::fmt;

use hpke::aead::{Aead, AeadTag};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem as HpkeKem, OpModeR, OpModeS, Serializable};
use rand::CryptoRng;
use zeroize::Zeroizing;

use self::aes_gcm::{AesGcm128, AesGcm256};
use self::p256::P256HkdfSha256;
use self::x25519::X25519HkdfSha256;
use pennyblack_base::curve25519;

pub use hpke::HpkeError;

type X25519 = X25519HkdfSha256;
type P256 = P256HkdfSha256;

/// Bytes of the authentication tag of every AEAD in use here.
pub const TAG_SIZE: usize = 16;

/// Bytes of a private key of every KEM in use here (RFC 9180 table 2; X-Wing's
/// is its 32-byte seed).
pub const PRIVATE_KEY_SIZE: usize = 32;

/// The key encapsulation mechanism of a mailbox. It settles the whole suite:
/// there is one KDF and one AEAD to each KEM, so that nothing is negotiated and
/// two keys of one KEM cannot be told apart by their suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256), 0x0020, with AES-128-GCM. The default.
    DhkemX25519,
    /// DHKEM(P-256, HKDF-SHA256), 0x0010, with AES-128-GCM.
    DhkemP256,
    /// X-Wing (ML-KEM-768 and X25519; draft-connolly-cfrg-xwing-kem, HPKE id from
    /// draft-ietf-hpke-pq), 0x647a, with AES-256-GCM: for those who fear that
    /// traffic recorded today is opened by a later quantum computer.
    XWing,
}

impl Kem {
    /// Every KEM, in the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::DhkemX25519, Self::DhkemP256, Self::XWing];

    /// The KEM with this identifier in IANA's HPKE registry, if it is in use here.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0020 => Some(Self::DhkemX25519),
            0x0010 => Some(Self::DhkemP256),
            0x647a => Some(Self::XWing),
            _ => None,
        }
    }

    /// The identifier in IANA's HPKE KEM registry.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::DhkemX25519 => 0x0020,
            Self::DhkemP256 => 0x0010,
            Self::XWing => 0x647a,
        }
    }

    /// The HPKE KDF that goes with it: HKDF-SHA256 for all.
    #[must_use]
    pub const fn kdf_id(self) -> u16 {
        0x0001
    }

    /// The HPKE AEAD that goes with it: AES-128-GCM (0x0001), and AES-256-GCM
    /// (0x0002) for X-Wing.
    #[must_use]
    pub const fn aead_id(self) -> u16 {
        match self {
            Self::DhkemX25519 | Self::DhkemP256 => 0x0001,
            Self::XWing => 0x0002,
        }
    }

    /// Bytes of a serialized public key (`Npk`).
    #[must_use]
    pub const fn public_key_size(self) -> usize {
        match self {
            Self::DhkemX25519 => 32,
            Self::DhkemP256 => 65,
            Self::XWing => 1216,
        }
    }

    /// Bytes of an encapsulated key (`Nenc`).
    #[must_use]
    pub const fn enc_size(self) -> usize {
        match self {
            Self::DhkemX25519 => 32,
            Self::DhkemP256 => 65,
            Self::XWing => 1120,
        }
    }

    /// Bytes of every entry in a mailbox of this KEM: `enc || ct` of a sealed
    /// PASSporT (docs/protocol.md section 6).
    #[must_use]
    pub const fn slot_size(self) -> usize {
        match self {
            Self::DhkemX25519 | Self::DhkemP256 => 2048,
            Self::XWing => 4096,
        }
    }

    /// Bytes that sealing adds to a plaintext: the encapsulated key and the tag.
    #[must_use]
    pub const fn sealing_overhead(self) -> usize {
        self.enc_size() + TAG_SIZE
    }
}

impl fmt::Display for Kem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DhkemX25519 => "DHKEM(X25519)",
            Self::DhkemP256 => "DHKEM(P-256)",
            Self::XWing => "X-Wing",
        })
    }
}

/// A public key that was checked to be one: sealing to it cannot fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    X25519(<X25519 as HpkeKem>::PublicKey),
    P256(<P256 as HpkeKem>::PublicKey),
    XWing(Box<<XWing as HpkeKem>::PublicKey>),
}

impl PublicKey {
    /// Parses and validates: on the curve, canonical, not of small order
    /// (RFC 9180 section 7.1.4); ML-KEM's modulus check (FIPS 203 section 7.2).
    pub fn parse(kem: Kem, bytes: &[u8]) -> Option<Self> {
        match kem {
            Kem::DhkemX25519 => {
                if !curve25519::is_sound_x25519(bytes.try_into().ok()?) {
                    return None;
                }
                Deserializable::from_bytes(bytes).ok().map(Self::X25519)
            }
            Kem::DhkemP256 => Deserializable::from_bytes(bytes).ok().map(Self::P256),
            Kem::XWing => {
                // ML-KEM's encapsulation key comes first, X25519's is the last 32 bytes.
                if !curve25519::is_sound_x25519(bytes.last_chunk()?) {
                    return None;
                }
                let key = Deserializable::from_bytes(bytes).ok()?;
                Some(Self::XWing(Box::new(key)))
            }
        }
    }

    /// Seals in place. `message` is `enc || plaintext || tag`: the caller has
    /// written the plaintext, the other two parts are filled in here.
    pub fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), HpkeError> {
        match self {
            Self::X25519(key) => seal_with::<AesGcm128, X25519>(key, info, aad, message, rng),
            Self::P256(key) => seal_with::<AesGcm128, P256>(key, info, aad, message, rng),
            Self::XWing(key) => seal_with::<AesGcm256, XWing>(key, info, aad, message, rng),
        }
    }
}

/// A private key. The library's key types overwrite themselves when dropped.
#[derive(Clone)]
pub enum PrivateKey {
    X25519(<X25519 as HpkeKem>::PrivateKey),
    P256(<P256 as HpkeKem>::PrivateKey),
    XWing(Box<<XWing as HpkeKem>::PrivateKey>),
}

impl PrivateKey {
    pub fn generate(kem: Kem, rng: &mut impl CryptoRng) -> Self {
        match kem {
            Kem::DhkemX25519 => Self::X25519(X25519::gen_keypair_with_rng(rng).0),
            Kem::DhkemP256 => Self::P256(P256::gen_keypair_with_rng(rng).0),
            Kem::XWing => Self::XWing(Box::new(XWing::gen_keypair_with_rng(rng).0)),
        }
    }

    pub fn parse(kem: Kem, bytes: &[u8; PRIVATE_KEY_SIZE]) -> Option<Self> {
        match kem {
            Kem::DhkemX25519 => Deserializable::from_bytes(bytes).ok().map(Self::X25519),
            Kem::DhkemP256 => Deserializable::from_bytes(bytes).ok().map(Self::P256),
            Kem::XWing => {
                let key = Deserializable::from_bytes(bytes).ok()?;
                Some(Self::XWing(Box::new(key)))
            }
        }
    }

    pub fn write(&self, out: &mut [u8; PRIVATE_KEY_SIZE]) {
        match self {
            Self::X25519(key) => key.write_exact(out),
            Self::P256(key) => key.write_exact(out),
            Self::XWing(key) => key.write_exact(out),
        }
    }

    pub fn public_key_bytes(&self) -> Vec<u8> {
        match self {
            Self::X25519(key) => X25519::sk_to_pk(key).to_bytes().to_vec(),
            Self::P256(key) => P256::sk_to_pk(key).to_bytes().to_vec(),
            Self::XWing(key) => XWing::sk_to_pk(key).to_bytes().to_vec(),
        }
    }

    /// Opens `enc || ct`.
    pub fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        match self {
            Self::X25519(key) => open_with::<AesGcm128, X25519>(key, info, aad, message),
            Self::P256(key) => open_with::<AesGcm128, P256>(key, info, aad, message),
            Self::XWing(key) => open_with::<AesGcm256, XWing>(key, info, aad, message),
        }
    }
}

fn seal_with<A: Aead, K: HpkeKem>(
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

fn open_with<A: Aead, K: HpkeKem>(
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

#[cfg(test)]
mod tests;
