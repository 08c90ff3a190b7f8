//! The private half: it evaluates blinded messages for clients, and verifies
//! tokens where issuer and CPS have one operator.

use std::fmt;

use rand_core::OsRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::suite::Server;
use super::{VoprfError, VoprfKind, VoprfPublicKey};
use crate::token::{Token, TokenVerifyError, VerifiedToken};

/// Bytes of the longest private key.
pub const VOPRF_SCALAR_MAX: usize = 48;

/// A VOPRF private key. The library wipes it when it is dropped.
pub struct VoprfSecretKey {
    server: Server,
    public: VoprfPublicKey,
}

impl VoprfSecretKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`] when the operating system has no randomness.
    pub fn generate(kind: VoprfKind) -> Result<Self, VoprfError> {
        Self::new(kind, Server::generate(kind)?)
    }

    /// Reads a scalar of [`VoprfKind::scalar_size`] bytes, as RFC 9497 encodes it.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`]: not canonical, or zero.
    pub fn from_bytes(kind: VoprfKind, scalar: &[u8]) -> Result<Self, VoprfError> {
        Self::new(kind, Server::from_bytes(kind, scalar)?)
    }

    fn new(kind: VoprfKind, server: Server) -> Result<Self, VoprfError> {
        Ok(Self {
            public: VoprfPublicKey::parse(kind, &server.public())?,
            server,
        })
    }

    /// The scalar, for a file of mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.server.scalar()
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &VoprfPublicKey {
        &self.public
    }

    /// Evaluates one or more blinded messages: the evaluated elements one after the
    /// other, and one proof for all of them, which is checked before it is handed
    /// out as a client would check it. Takes tens to hundreds of microseconds of
    /// the calling thread for each.
    ///
    /// # Errors
    /// [`VoprfError`]: not a canonical element, or a failure of the machine.
    pub fn evaluate(&self, blinded: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, VoprfError> {
        let blinded: Vec<&[u8]> = blinded.iter().map(AsRef::as_ref).collect();
        self.server.evaluate(&blinded, &mut OsRng)
    }

    /// Verifies a token by evaluating its input again (RFC 9578 section 5.4).
    ///
    /// # Errors
    /// [`TokenVerifyError`]: of another type or key, or forged.
    pub fn verify(&self, token: Token) -> Result<VerifiedToken, TokenVerifyError> {
        if token.token_type != self.public.kind().token_type() {
            return Err(TokenVerifyError::Type(token.token_type));
        }
        let expected = self.public.id();
        if token.token_key_id != expected {
            return Err(TokenVerifyError::KeyId {
                expected,
                actual: token.token_key_id,
            });
        }
        let output = self.server.output(&token.input());
        let holds = output.is_some_and(|output| output.ct_eq(&token.authenticator).into());
        if holds {
            Ok(VerifiedToken::vouched_for(token))
        } else {
            Err(TokenVerifyError::Authenticator)
        }
    }
}

impl fmt::Debug for VoprfSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VoprfSecretKey")
            .field(&self.public.id())
            .finish()
    }
}
