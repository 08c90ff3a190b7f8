//! What a CPS keeps of a spend: enough to recognize a retry and to prove a
//! double spend, and nothing that tells who or where.

use std::fmt;

use crate::spend::{
    Created, RequestDigest, SIGNATURE_SIZE, SpendSignature, SpendSignatureError, signature_base,
    verify_strictly,
};
use pennyblack_base::authority::Authority;
use pennyblack_base::encoding;
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_privacypass::token::Nonce;

/// One signed request, reduced to what anybody can check.
///
/// Encoded it is always [`SpendRecord::SIZE`] bytes:
///
/// ```text
/// struct {
///   uint32 created;          // seconds since 1970, by the OOB-AS's clock
///   opaque digest[32];       // SHA-256 of the request's content
///   opaque signature[64];    // Ed25519 by the token's nonce
/// } SpendRecord;
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpendRecord {
    /// The content that was stored; another digest is another request.
    pub digest: RequestDigest,
    /// The nonce's signature over it.
    pub signature: SpendSignature,
}

impl SpendRecord {
    /// Bytes of the encoding.
    pub const SIZE: usize = 4 + 32 + SIGNATURE_SIZE;

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let (created, rest) = out.split_at_mut(4);
        let (digest, signature) = rest.split_at_mut(32);
        created.copy_from_slice(&self.signature.created.0.to_be_bytes());
        digest.copy_from_slice(&self.digest.0);
        signature.copy_from_slice(&self.signature.signature);
        out
    }

    /// Reads an encoding back; all bytes of the right number are one.
    ///
    /// # Errors
    /// [`WireError`] when there are not exactly [`Self::SIZE`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let created = Created(reader.u32()?);
        let digest = RequestDigest(reader.array()?);
        let signature = reader.array()?;
        reader.finish()?;
        Ok(Self {
            digest,
            signature: SpendSignature { created, signature },
        })
    }

    /// Checks that the holder of `nonce`'s private half signed this request for
    /// this CPS.
    ///
    /// # Errors
    /// [`SpendSignatureError`].
    pub fn verify(&self, nonce: &Nonce, cps: &Authority) -> Result<(), SpendSignatureError> {
        let base = signature_base(cps, self.digest, self.signature.created);
        verify_strictly(&nonce.0, &base, &self.signature.signature)
    }
}

impl fmt::Debug for SpendRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendRecord")
            .field("created", &self.signature.created)
            .field("digest", &self.digest)
            .field("signature", &encoding::base64url(&self.signature.signature))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_encoding_is_the_documented_one() {
        let record = SpendRecord {
            digest: RequestDigest([2; 32]),
            signature: SpendSignature {
                created: Created(0x0102_0304),
                signature: [3; SIGNATURE_SIZE],
            },
        };
        let expected = [&[1, 2, 3, 4][..], &[2; 32], &[3; 64]].concat();
        assert_eq!(record.to_bytes().as_slice(), expected);
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_went(bytes in proptest::collection::vec(any::<u8>(), 100)) {
            let record = SpendRecord::from_bytes(&bytes).unwrap();
            prop_assert_eq!(record.to_bytes().to_vec(), bytes);
        }

        #[test]
        fn any_other_number_of_bytes_is_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            prop_assume!(bytes.len() != SpendRecord::SIZE);
            prop_assert!(SpendRecord::from_bytes(&bytes).is_err());
        }
    }
}
