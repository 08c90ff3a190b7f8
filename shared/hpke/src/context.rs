//! The two sides of one HPKE context (RFC 9180 section 5), for protocols that answer under
//! the secrets of the question: they seal and open messages in their order, and export
//! secrets. `enc` goes between them outside this crate.

use hpke::aead::{Aead, AeadCtxR, AeadCtxS, AeadTag};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::{
    Deserializable, HpkeError, Kem as HpkeKem, OpModeR, OpModeS, Serializable, setup_receiver,
    setup_sender_with_rng,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::aes_gcm::{AesGcm128, AesGcm256};
use crate::keys::{AnyPrivate, AnyPublic, P256, X25519, XWing};
use crate::{PrivateKey, PublicKey, TAG_SIZE};

/// The side that made the encapsulated key. Secrets are overwritten when it is dropped.
pub struct SenderContext {
    enc: Vec<u8>,
    context: Box<dyn Seal>,
}

impl SenderContext {
    /// `SetupBaseS`.
    ///
    /// # Errors
    /// None for a [`PublicKey`], which was checked.
    pub fn new(
        recipient: &PublicKey,
        info: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HpkeError> {
        match &recipient.0 {
            AnyPublic::X25519(key) => Self::with::<AesGcm128, X25519>(key, info, rng),
            AnyPublic::P256(key) => Self::with::<AesGcm128, P256>(key, info, rng),
            AnyPublic::XWing(key) => Self::with::<AesGcm256, XWing>(key, info, rng),
        }
    }

    fn with<A: Aead, K: HpkeKem>(
        key: &K::PublicKey,
        info: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HpkeError>
    where
        AeadCtxS<A, HkdfSha256, K>: Seal + 'static,
    {
        let (enc, context) =
            setup_sender_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, key, info, rng)?;
        Ok(Self {
            enc: enc.to_bytes().to_vec(),
            context: Box::new(context),
        })
    }

    /// `SetupBaseS` of X25519 with an ephemeral key that is given and not drawn: for
    /// vectors. None for keys that are none.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn of_ephemeral(recipient: &[u8; 32], info: &[u8], ephemeral: &[u8; 32]) -> Option<Self> {
        use aws_lc_rs::agreement;
        use hpke::kdf::Kdf as _;

        let ephemeral =
            agreement::PrivateKey::from_private_key(&agreement::X25519, ephemeral).ok()?;
        let (secret, enc) = X25519::encapsulate(recipient, &ephemeral)?;
        let context = HkdfSha256::combine_secrets(&OpModeS::<X25519>::Base, secret, info);
        Some(Self {
            enc: enc.to_bytes().to_vec(),
            context: Box::new(AeadCtxS::<AesGcm128, HkdfSha256, X25519>::from(context)),
        })
    }

    /// The encapsulated key, which the other side needs.
    #[must_use]
    pub fn enc(&self) -> &[u8] {
        &self.enc
    }

    /// Encrypts the next message in place and returns its tag.
    ///
    /// # Errors
    /// [`HpkeError::MessageLimitReached`] after 2^64 messages.
    pub fn seal(&mut self, aad: &[u8], message: &mut [u8]) -> Result<[u8; TAG_SIZE], HpkeError> {
        self.context.seal(aad, message)
    }

    /// `Context.Export`: fills `secret` with what the receiver's context exports, too.
    ///
    /// # Errors
    /// [`HpkeError::KdfOutputTooLong`] for more than 8,160 bytes.
    pub fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError> {
        self.context.export(exporter_context, secret)
    }
}

/// The side that holds the private key. Secrets are overwritten when it is dropped.
pub struct ReceiverContext(Box<dyn Open>);

impl ReceiverContext {
    /// `SetupBaseR`. That `enc` was made by anybody shows only at the first message.
    ///
    /// # Errors
    /// [`HpkeError`] when `enc` is no encapsulated key of this KEM.
    pub fn new(recipient: &PrivateKey, enc: &[u8], info: &[u8]) -> Result<Self, HpkeError> {
        match &recipient.0 {
            AnyPrivate::X25519(key) => Self::with::<AesGcm128, X25519>(key, enc, info),
            AnyPrivate::P256(key) => Self::with::<AesGcm128, P256>(key, enc, info),
            AnyPrivate::XWing(key) => Self::with::<AesGcm256, XWing>(key, enc, info),
        }
    }

    fn with<A: Aead, K: HpkeKem>(
        key: &K::PrivateKey,
        enc: &[u8],
        info: &[u8],
    ) -> Result<Self, HpkeError>
    where
        AeadCtxR<A, HkdfSha256, K>: Open + 'static,
    {
        let enc = K::EncappedKey::from_bytes(enc)?;
        let context = setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, key, &enc, info)?;
        Ok(Self(Box::new(context)))
    }

    /// Decrypts the next message, `ct || tag`.
    ///
    /// # Errors
    /// [`HpkeError`] for anything that the sender did not seal in this place.
    pub fn open(&mut self, aad: &[u8], message: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        let (ciphertext, tag) = message
            .split_last_chunk::<TAG_SIZE>()
            .ok_or(HpkeError::OpenError)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        self.0.open(aad, &mut plaintext, tag)?;
        Ok(plaintext)
    }

    /// `Context.Export`: fills `secret` with what the sender's context exports, too.
    ///
    /// # Errors
    /// [`HpkeError::KdfOutputTooLong`] for more than 8,160 bytes.
    pub fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError> {
        self.0.export(exporter_context, secret)
    }
}

/// A sender's context of one suite.
trait Seal: Send + Sync {
    fn seal(&mut self, aad: &[u8], message: &mut [u8]) -> Result<[u8; TAG_SIZE], HpkeError>;
    fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError>;
}

impl<A: Aead, K: HpkeKem> Seal for AeadCtxS<A, HkdfSha256, K>
where
    Self: Send + Sync,
{
    fn seal(&mut self, aad: &[u8], message: &mut [u8]) -> Result<[u8; TAG_SIZE], HpkeError> {
        let tag = self.seal_inout_detached(InOutBuf::from(message), aad)?;
        tag.to_bytes()
            .as_slice()
            .try_into()
            .map_err(|_| HpkeError::SealError)
    }

    fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError> {
        Self::export(self, exporter_context, secret)
    }
}

/// A receiver's context of one suite.
trait Open: Send + Sync {
    fn open(
        &mut self,
        aad: &[u8],
        message: &mut [u8],
        tag: &[u8; TAG_SIZE],
    ) -> Result<(), HpkeError>;
    fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError>;
}

impl<A: Aead, K: HpkeKem> Open for AeadCtxR<A, HkdfSha256, K>
where
    Self: Send + Sync,
{
    fn open(
        &mut self,
        aad: &[u8],
        message: &mut [u8],
        tag: &[u8; TAG_SIZE],
    ) -> Result<(), HpkeError> {
        let tag = AeadTag::from_bytes(tag)?;
        self.open_inout_detached(InOutBuf::from(message), aad, &tag)
    }

    fn export(&self, exporter_context: &[u8], secret: &mut [u8]) -> Result<(), HpkeError> {
        Self::export(self, exporter_context, secret)
    }
}
