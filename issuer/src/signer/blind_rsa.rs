//! Blind RSA: the private operation on blinded messages (RFC 9474 section 4.3), by
//! OpenSSL's constant-time, base-blinded code.

use std::fmt;

use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use pennyblack_privacypass::blind_rsa::{MODULUS_SIZE, PublicKeyError, TokenPublicKey};
use zeroize::Zeroizing;

use super::SignError;

/// An RSA-2048 token key. OpenSSL wipes it when it is freed.
pub struct BlindRsaKey {
    rsa: Rsa<Private>,
    public: TokenPublicKey,
}

impl BlindRsaKey {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`SignError::OpenSsl`] when there is no randomness.
    pub fn generate() -> Result<Self, SignError> {
        let bits = u32::try_from(MODULUS_SIZE * 8).unwrap_or(2048);
        Self::new(Rsa::generate(bits).map_err(SignError::OpenSsl)?)
    }

    /// Reads a key in PKCS#8 PEM.
    ///
    /// # Errors
    /// [`SignError`]: unreadable, of another size or exponent, or inconsistent.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignError> {
        let key = PKey::private_key_from_pem(pem).map_err(SignError::Key)?;
        let key = Self::new(key.rsa().map_err(SignError::Key)?)?;
        match key.rsa.check_key() {
            Ok(true) => Ok(key),
            Ok(false) | Err(_) => Err(SignError::Inconsistent),
        }
    }

    fn new(rsa: Rsa<Private>) -> Result<Self, SignError> {
        let modulus = rsa.n().to_vec();
        let size = modulus.len();
        let modulus: [u8; MODULUS_SIZE] =
            modulus.try_into().map_err(|_| PublicKeyError::Size(size))?;
        if rsa.e().to_vec() != [1, 0, 1] {
            return Err(PublicKeyError::Form.into());
        }
        Ok(Self {
            public: TokenPublicKey::from_modulus(&modulus)?,
            rsa,
        })
    }

    /// The key in PKCS#8 PEM, for a file of mode 0600.
    ///
    /// # Errors
    /// [`SignError::OpenSsl`].
    pub fn to_pem(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        PKey::from_rsa(self.rsa.clone())
            .and_then(|key| key.private_key_to_pem_pkcs8())
            .map(Zeroizing::new)
            .map_err(SignError::OpenSsl)
    }

    /// The public half, as the directory publishes it.
    #[must_use]
    pub const fn public(&self) -> &TokenPublicKey {
        &self.public
    }

    /// Checks that a blinded message is one that this key can sign.
    ///
    /// # Errors
    /// [`SignError::MessageTooLarge`].
    pub fn check_range(&self, blinded: &[u8; MODULUS_SIZE]) -> Result<(), SignError> {
        if blinded.as_slice() < self.rsa.n().to_vec().as_slice() {
            Ok(())
        } else {
            Err(SignError::MessageTooLarge)
        }
    }

    /// Signs a blinded message: `m^d mod n`, checked by `s^e == m` before it is
    /// handed out. Takes hundreds of microseconds of the calling thread.
    ///
    /// # Errors
    /// [`SignError::MessageTooLarge`], or a failure of the machine.
    pub fn blind_sign(
        &self,
        blinded: &[u8; MODULUS_SIZE],
    ) -> Result<[u8; MODULUS_SIZE], SignError> {
        self.check_range(blinded)?;
        let mut signature = [0; MODULUS_SIZE];
        self.rsa
            .private_encrypt(blinded, &mut signature, Padding::NONE)
            .map_err(SignError::OpenSsl)?;
        self.check(&signature, blinded)?;
        Ok(signature)
    }

    fn check(
        &self,
        signature: &[u8; MODULUS_SIZE],
        blinded: &[u8; MODULUS_SIZE],
    ) -> Result<(), SignError> {
        let mut message = [0; MODULUS_SIZE];
        self.rsa
            .public_decrypt(signature, &mut message, Padding::NONE)
            .map_err(SignError::OpenSsl)?;
        if message == *blinded {
            Ok(())
        } else {
            Err(SignError::SelfCheck)
        }
    }
}

impl fmt::Debug for BlindRsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlindRsaKey")
            .field(&self.public.id())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_privacypass::issuance::TokenRequest;
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let mut all = Vec::new();
        for file in ["rfc9578-appendix.json", "type2-issuance-test-vectors.json"] {
            let path = format!(
                "{}/../tests/vectors/rfc9578-blindrsa/{file}",
                env!("CARGO_MANIFEST_DIR")
            );
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
            all.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
        }
        all
    }

    fn bytes(vector: &Value, key: &str) -> Vec<u8> {
        hex::decode(vector[key].as_str().unwrap()).unwrap()
    }

    #[test]
    fn the_answers_of_rfc_9578_are_reproduced() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let key = BlindRsaKey::from_pem(&bytes(&vector, "skS")).unwrap();
            assert_eq!(key.public().spki(), bytes(&vector, "pkS"));
            let request = TokenRequest::parse(&bytes(&vector, "token_request")).unwrap();
            assert_eq!(
                request.truncated_token_key_id,
                key.public().id().truncated()
            );
            let blinded = request.blinded.as_ref().try_into().unwrap();
            let answer = key.blind_sign(blinded).unwrap();
            assert_eq!(answer.as_slice(), bytes(&vector, "token_response"));
        }
    }

    #[test]
    fn a_message_not_less_than_the_modulus_is_refused() {
        let key = BlindRsaKey::generate().unwrap();
        let modulus: [u8; MODULUS_SIZE] = key.rsa.n().to_vec().try_into().unwrap();
        let refused = |message: &[u8; MODULUS_SIZE]| {
            matches!(key.blind_sign(message), Err(SignError::MessageTooLarge))
        };
        assert!(refused(&modulus));
        assert!(refused(&[0xff; MODULUS_SIZE]));
        let mut less = modulus;
        less[255] -= 1;
        assert!(!refused(&less));
    }

    #[test]
    fn a_key_comes_back_from_its_file_and_signs_alike() {
        let key = BlindRsaKey::generate().unwrap();
        let again = BlindRsaKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        let message = [1; MODULUS_SIZE];
        assert_eq!(
            again.blind_sign(&message).unwrap(),
            key.blind_sign(&message).unwrap()
        );
    }

    #[test]
    fn a_wrong_signature_does_not_pass_the_self_check() {
        let key = BlindRsaKey::generate().unwrap();
        let message = [1; MODULUS_SIZE];
        let mut signature = key.blind_sign(&message).unwrap();
        assert!(key.check(&signature, &message).is_ok());
        signature[100] ^= 1;
        assert!(matches!(
            key.check(&signature, &message),
            Err(SignError::SelfCheck)
        ));
    }

    #[test]
    fn keys_of_other_sizes_and_exponents_are_refused() {
        let small = Rsa::generate(1024).unwrap();
        assert!(matches!(
            BlindRsaKey::new(small),
            Err(SignError::Public(PublicKeyError::Size(128)))
        ));
        let three = openssl::bn::BigNum::from_u32(3).unwrap();
        let cubic = Rsa::generate_with_e(2048, &three).unwrap();
        assert!(matches!(
            BlindRsaKey::new(cubic),
            Err(SignError::Public(PublicKeyError::Form))
        ));
        assert!(matches!(
            BlindRsaKey::from_pem(b"-----BEGIN PRIVATE KEY-----"),
            Err(SignError::Key(_))
        ));
    }
}
