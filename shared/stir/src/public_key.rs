//! The P-256 key of a STIR certificate, and what it can verify: ES256 signatures
//! of JWS (RFC 7518 section 3.4).

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

/// Bytes of an uncompressed P-256 point.
pub const POINT_SIZE: usize = 65;

/// Why a key or a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StirKeyError {
    /// Not an uncompressed point of P-256.
    #[error("not the uncompressed encoding of a point on P-256")]
    Point,
    /// The signature was not made by this key over these bytes.
    #[error("the ES256 signature does not verify")]
    Signature,
}

/// A P-256 public key of a certificate, parsed once.
pub struct StirPublicKey {
    point: [u8; POINT_SIZE],
    parsed: ParsedPublicKey,
}

impl StirPublicKey {
    /// Takes an uncompressed point (SEC 1 section 2.3.3), checked to be on the curve.
    ///
    /// # Errors
    /// [`StirKeyError::Point`].
    pub fn from_sec1(point: &[u8]) -> Result<Self, StirKeyError> {
        let bytes = point.try_into().map_err(|_| StirKeyError::Point)?;
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .map_err(|_| StirKeyError::Point)?;
        Ok(Self {
            point: bytes,
            parsed,
        })
    }

    /// Verifies `r || s` over `message` with SHA-256.
    ///
    /// # Errors
    /// [`StirKeyError::Signature`].
    pub fn verify_es256(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), StirKeyError> {
        self.parsed
            .verify_sig(message, signature)
            .map_err(|_| StirKeyError::Signature)
    }
}

impl Clone for StirPublicKey {
    fn clone(&self) -> Self {
        Self {
            point: self.point,
            parsed: self.parsed.clone(),
        }
    }
}

impl PartialEq for StirPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for StirPublicKey {}

impl fmt::Debug for StirPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StirPublicKey")
            .field(&hex::encode(self.point))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;
    use serde_json::Value;

    use super::*;

    /// Both libraries must agree with Wycheproof and with each other.
    #[test]
    fn wycheproof_agrees_about_every_signature_and_so_does_a_second_library() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json"
        );
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file: Value = serde_json::from_str(&text).unwrap();
        let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let mut checked = 0;
        for group in file["testGroups"].as_array().unwrap() {
            let point = bytes(&group["publicKey"]["uncompressed"]);
            let key = StirPublicKey::from_sec1(&point).unwrap();
            let second = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let (message, signature) = (bytes(&test["msg"]), bytes(&test["sig"]));
                let accepted = <&[u8; 64]>::try_from(signature.as_slice())
                    .is_ok_and(|signature| key.verify_es256(&message, signature).is_ok());
                let accepted_too = p256::ecdsa::Signature::from_slice(&signature)
                    .is_ok_and(|signature| second.verify(&message, &signature).is_ok());
                assert_eq!(accepted, test["result"] == "valid", "{test}");
                assert_eq!(accepted_too, accepted, "{test}");
                checked += 1;
            }
        }
        assert_eq!(checked, file["numberOfTests"].as_u64().unwrap());
    }

    #[test]
    fn points_off_the_curve_and_other_encodings_are_refused() {
        assert_eq!(
            StirPublicKey::from_sec1(&[4; POINT_SIZE]),
            Err(StirKeyError::Point)
        );
        assert_eq!(StirPublicKey::from_sec1(&[2; 33]), Err(StirKeyError::Point));
        assert_eq!(StirPublicKey::from_sec1(&[]), Err(StirKeyError::Point));
    }
}
