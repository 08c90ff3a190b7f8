//! Encapsulated requests and responses (RFC 9458 section 4), as bytes in bytes. Both sides
//! of an exchange get the other half of it from the first: a client the one thing that
//! opens the response to its request, a gateway the one thing that seals it. **Each is used
//! up by its use**, so no two responses share a key, and none is taken for another
//! request's. Not here: what is inside, and padding (`exchange`).

use std::fmt;

use aws_lc_rs::{aead, hkdf};
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_hpke::{HpkeError, Kem, NONCE_SIZE, ReceiverContext, SenderContext, TAG_SIZE};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::key_config::{GatewayKey, KeyConfig};
use crate::size_class::{LARGEST_RESPONSE, REQUEST_SIZE};

/// Bytes of a header: key, KEM, KDF and AEAD.
const HEADER_SIZE: usize = 7;
const REQUEST_LABEL: &[u8] = b"message/bhttp request\0";
const RESPONSE_LABEL: &[u8] = b"message/bhttp response";

/// Most bytes of an encapsulated request: one of the larger class, under X-Wing.
pub const MAX_REQUEST_SIZE: usize = encapsulated_request_size(Kem::XWing, REQUEST_SIZE);
/// Most bytes of an encapsulated response.
pub const MAX_RESPONSE_SIZE: usize = encapsulated_response_size(Kem::XWing, LARGEST_RESPONSE);

/// Bytes of an encapsulated request of so many.
#[must_use]
pub const fn encapsulated_request_size(kem: Kem, request: usize) -> usize {
    HEADER_SIZE + kem.sealing_overhead() + request
}

/// Bytes of an encapsulated response of so many.
#[must_use]
pub const fn encapsulated_response_size(kem: Kem, response: usize) -> usize {
    response_nonce_size(kem) + response + TAG_SIZE
}

/// `max(Nn, Nk)`: every AEAD in use here has keys that are longer than its nonces.
const fn response_nonce_size(kem: Kem) -> usize {
    kem.aead_key_size()
}

/// An encapsulated request that is not opened. The gateway answers it outside of the
/// encapsulation, with the problem type of RFC 9458 section 5.3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecapsulationError {
    /// Longer than any that a client of ours makes: 413.
    #[error("encapsulated request of {0} bytes: at most {MAX_REQUEST_SIZE} are read")]
    TooLong(usize),
    /// It ends in the header or the encapsulated key: 400.
    #[error("encapsulated request: {0}")]
    Form(#[from] WireError),
    /// No key has this number and KEM, or has it any more: 400.
    #[error(
        "encapsulated request to the key {key_id} of the HPKE KEM {kem_id:#06x}, which is none of ours; the key configurations say which are"
    )]
    UnknownKey {
        /// The key's number.
        key_id: u8,
        /// The KEM's identifier.
        kem_id: u16,
    },
    /// The key has another KDF or AEAD: 400.
    #[error(
        "encapsulated request with kdf {kdf_id:#06x} and aead {aead_id:#06x}: the key configuration of {kem} offers others"
    )]
    UnsupportedSuite {
        /// The KEM.
        kem: Kem,
        /// The KDF's identifier.
        kdf_id: u16,
        /// The AEAD's identifier.
        aead_id: u16,
    },
    /// It was not encapsulated to this key, or changed on its way: 422.
    #[error(
        "encapsulated request that the key {key_id} does not open; the key configurations say which are ours"
    )]
    NotOpened {
        /// The key's number.
        key_id: u8,
    },
}

/// A response that is not the one to this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenResponseError {
    /// Longer than any.
    #[error("encapsulated response of {0} bytes: at most {MAX_RESPONSE_SIZE} are read")]
    TooLong(usize),
    /// It was not sealed by the holder of the key for this request, or changed on its way.
    #[error("the encapsulated response is not the gateway's to this request")]
    NotOpened,
}

/// A response that could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealing the response failed")]
pub struct SealResponseError;

/// Encapsulates a request to a gateway's key, padded by the caller. The second part opens
/// the response.
///
/// # Errors
/// None for a [`KeyConfig`], whose key was checked.
pub fn encapsulate(
    config: &KeyConfig,
    request: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, ResponseOpener), HpkeError> {
    let header = Header::of(config);
    let sender = SenderContext::new(config.public_key(), &header.info(), rng)?;
    encapsulate_in(sender, &header, config.kem(), request)
}

fn encapsulate_in(
    mut sender: SenderContext,
    header: &Header,
    kem: Kem,
    request: &[u8],
) -> Result<(Vec<u8>, ResponseOpener), HpkeError> {
    let mut out = Vec::with_capacity(encapsulated_request_size(kem, request.len()));
    out.extend(header.to_bytes());
    out.extend_from_slice(sender.enc());
    let start = out.len();
    out.extend_from_slice(request);
    let plaintext = out.get_mut(start..).ok_or(HpkeError::SealError)?;
    let tag = sender.seal(b"", plaintext)?;
    out.extend(tag);
    let secret = ResponseSecret::export(kem, sender.enc(), |label, secret| {
        sender.export(label, secret)
    })?;
    Ok((out, ResponseOpener(secret)))
}

/// Opens an encapsulated request with the one of `keys` that it names. The second part
/// seals the response.
///
/// # Errors
/// [`DecapsulationError`].
pub fn decapsulate(
    keys: &[GatewayKey],
    encapsulated: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, ResponseSealer), DecapsulationError> {
    if encapsulated.len() > MAX_REQUEST_SIZE {
        return Err(DecapsulationError::TooLong(encapsulated.len()));
    }
    let mut reader = Reader::new(encapsulated);
    let header = Header::take(&mut reader)?;
    let key = header.find(keys)?;
    let kem = key.config().kem();
    let enc = reader.take(kem.enc_size())?;
    let key_id = header.key_id;
    let refused = |_| DecapsulationError::NotOpened { key_id };
    let mut receiver = ReceiverContext::new(key.private(), enc, &header.info()).map_err(refused)?;
    let request = receiver.open(b"", reader.rest()).map_err(refused)?;
    let export = |label: &[u8], secret: &mut [u8]| receiver.export(label, secret);
    let secret = ResponseSecret::export(kem, enc, export).map_err(refused)?;
    Ok((request, ResponseSealer(secret)))
}

/// What stands in front of `enc`.
#[derive(Debug, Clone, Copy)]
struct Header {
    key_id: u8,
    kem_id: u16,
    kdf_id: u16,
    aead_id: u16,
}

impl Header {
    const fn of(config: &KeyConfig) -> Self {
        Self {
            key_id: config.key_id(),
            kem_id: config.kem().id(),
            kdf_id: config.kem().kdf_id(),
            aead_id: config.kem().aead_id(),
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key_id: reader.u8()?,
            kem_id: reader.u16()?,
            kdf_id: reader.u16()?,
            aead_id: reader.u16()?,
        })
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![self.key_id];
        for id in [self.kem_id, self.kdf_id, self.aead_id] {
            out.extend(id.to_be_bytes());
        }
        out
    }

    fn info(self) -> Vec<u8> {
        [REQUEST_LABEL, &self.to_bytes()].concat()
    }

    fn find(self, keys: &[GatewayKey]) -> Result<&GatewayKey, DecapsulationError> {
        let Self {
            key_id,
            kem_id,
            kdf_id,
            aead_id,
        } = self;
        let is_meant = |key: &&GatewayKey| {
            (key.config().key_id(), key.config().kem().id()) == (key_id, kem_id)
        };
        let key = keys
            .iter()
            .find(is_meant)
            .ok_or(DecapsulationError::UnknownKey { key_id, kem_id })?;
        let kem = key.config().kem();
        if (kdf_id, aead_id) == (kem.kdf_id(), kem.aead_id()) {
            Ok(key)
        } else {
            Err(DecapsulationError::UnsupportedSuite {
                kem,
                kdf_id,
                aead_id,
            })
        }
    }
}

/// What both sides export for the response (RFC 9458 section 4.4).
struct ResponseSecret {
    kem: Kem,
    enc: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl ResponseSecret {
    fn export(
        kem: Kem,
        enc: &[u8],
        export: impl Fn(&[u8], &mut [u8]) -> Result<(), HpkeError>,
    ) -> Result<Self, HpkeError> {
        let mut secret = Zeroizing::new(vec![0; response_nonce_size(kem)]);
        export(RESPONSE_LABEL, &mut secret)?;
        Ok(Self {
            kem,
            enc: enc.to_vec(),
            secret,
        })
    }

    /// The key and the nonce of the response with this `response_nonce`.
    fn key(&self, response_nonce: &[u8]) -> Option<(aead::LessSafeKey, aead::Nonce)> {
        let salt = [&self.enc, response_nonce].concat();
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &salt).extract(&self.secret);
        let mut key = Zeroizing::new(vec![0; self.kem.aead_key_size()]);
        let mut nonce = [0; NONCE_SIZE];
        expand(&prk, b"key", &mut key)?;
        expand(&prk, b"nonce", &mut nonce)?;
        let algorithm = match self.kem {
            Kem::DhkemX25519 | Kem::DhkemP256 => &aead::AES_128_GCM,
            Kem::XWing => &aead::AES_256_GCM,
        };
        let key = aead::UnboundKey::new(algorithm, &key).ok()?;
        Some((
            aead::LessSafeKey::new(key),
            aead::Nonce::assume_unique_for_key(nonce),
        ))
    }
}

/// Bytes that HKDF is asked for.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

pub(crate) fn expand(prk: &hkdf::Prk, label: &[u8], out: &mut [u8]) -> Option<()> {
    let label = [label];
    let okm = prk.expand(&label, Length(out.len())).ok()?;
    okm.fill(out).ok()
}

/// Opens the response to the one request that it came from.
pub struct ResponseOpener(ResponseSecret);

impl ResponseOpener {
    /// Opens the response.
    ///
    /// # Errors
    /// [`OpenResponseError`].
    pub fn open(self, encapsulated: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenResponseError> {
        if encapsulated.len() > MAX_RESPONSE_SIZE {
            return Err(OpenResponseError::TooLong(encapsulated.len()));
        }
        let refused = OpenResponseError::NotOpened;
        let (response_nonce, rest) = encapsulated
            .split_at_checked(response_nonce_size(self.0.kem))
            .ok_or(refused)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_SIZE>().ok_or(refused)?;
        let (key, nonce) = self.0.key(response_nonce).ok_or(refused)?;
        let mut response = Zeroizing::new(ciphertext.to_vec());
        key.open_in_place_separate_tag(nonce, aead::Aad::empty(), tag, &mut response)
            .map_err(|_| refused)?;
        Ok(response)
    }
}

impl fmt::Debug for ResponseOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseOpener")
    }
}

/// Seals the response to the one request that it came from.
pub struct ResponseSealer(ResponseSecret);

impl ResponseSealer {
    /// Seals the response, padded by the caller.
    ///
    /// # Errors
    /// None in practice: the keys have the size that their cipher asks for.
    pub fn seal(
        self,
        response: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, SealResponseError> {
        let nonce_size = response_nonce_size(self.0.kem);
        let size = encapsulated_response_size(self.0.kem, response.len());
        let mut out = Vec::with_capacity(size);
        out.resize(nonce_size, 0);
        rng.fill_bytes(&mut out);
        let (key, nonce) = self.0.key(&out).ok_or(SealResponseError)?;
        out.extend_from_slice(response);
        let plaintext = out.get_mut(nonce_size..).ok_or(SealResponseError)?;
        let tag = key
            .seal_in_place_separate_tag(nonce, aead::Aad::empty(), plaintext)
            .map_err(|_| SealResponseError)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }
}

impl fmt::Debug for ResponseSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseSealer")
    }
}

#[cfg(test)]
mod tests;
