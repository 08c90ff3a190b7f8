//! DHKEM(X25519, HKDF-SHA256) (RFC 9180 section 4.1) whose encapsulation, the
//! dearest part of every poll and every call, is done by AWS-LC: its X25519 takes
//! half the library's time, and the library computes each ephemeral public key
//! twice. Keys, their forms and decapsulation are the library's own.

use aws_lc_rs::agreement;
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{Kem, SharedSecret, X25519HkdfSha256 as Library};
use hpke::{Deserializable as _, HpkeError, Serializable as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::agreement::{Agreement, SuiteId};

const SUITE_ID: &SuiteId = b"KEM\x00\x20";

/// The KEM. Only base mode encapsulates here; authenticated mode is not in use.
pub(crate) struct X25519HkdfSha256;

impl Kem for X25519HkdfSha256 {
    type PublicKey = <Library as Kem>::PublicKey;
    type PrivateKey = <Library as Kem>::PrivateKey;
    type EncappedKey = <Library as Kem>::EncappedKey;
    type NSecret = U32;
    const KEM_ID: u16 = Library::KEM_ID;

    fn sk_to_pk(key: &Self::PrivateKey) -> Self::PublicKey {
        Library::sk_to_pk(key)
    }

    fn derive_keypair(ikm: &[u8]) -> (Self::PrivateKey, Self::PublicKey) {
        Library::derive_keypair(ikm)
    }

    fn decap(
        recipient: &Self::PrivateKey,
        sender: Option<&Self::PublicKey>,
        enc: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        Library::decap(recipient, sender, enc).map(|secret| SharedSecret(secret.0))
    }

    fn encap_with_rng(
        recipient: &Self::PublicKey,
        sender: Option<(&Self::PrivateKey, &Self::PublicKey)>,
        rng: &mut impl CryptoRng,
    ) -> Result<(SharedSecret<Self>, Self::EncappedKey), HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::EncapError);
        }
        let mut ikm = Zeroizing::new([0; 32]);
        rng.fill_bytes(ikm.as_mut_slice());
        let scalar = HkdfSha256::derive_x25519_sk_eph_bytes(SUITE_ID, ikm.as_slice());
        encapsulate(&recipient.to_bytes(), &Zeroizing::new(scalar))
            .ok_or(HpkeError::EncapError)
            .and_then(|(secret, enc)| Ok((secret, Self::EncappedKey::from_bytes(&enc)?)))
    }
}

/// `Encap` with a given ephemeral key: the shared secret and `enc`. None when the
/// recipient's key is of small order (RFC 9180 section 7.1.4).
fn encapsulate(
    recipient: &[u8],
    ephemeral: &[u8; 32],
) -> Option<(SharedSecret<X25519HkdfSha256>, [u8; 32])> {
    let algorithm = &agreement::X25519;
    let ephemeral = agreement::PrivateKey::from_private_key(algorithm, ephemeral).ok()?;
    let enc: [u8; 32] = ephemeral
        .compute_public_key()
        .ok()?
        .as_ref()
        .try_into()
        .ok()?;
    let agreement = Agreement {
        algorithm,
        suite: SUITE_ID,
        own: &ephemeral,
        peer: recipient,
        context: [&enc, recipient],
    };
    Some((agreement.shared_secret()?, enc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encapsulated_here_the_library_decapsulates() {
        let (private, public) = Library::derive_keypair(&[7; 32]);
        let (secret, enc) =
            X25519HkdfSha256::encap_with_rng(&public, None, &mut rand::rng()).unwrap();
        let theirs = Library::decap(&private, None, &enc).unwrap();
        assert_eq!(secret.0, theirs.0);
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        for small in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert!(encapsulate(&small, &[9; 32]).is_none());
        }
    }

    #[test]
    fn authenticated_mode_is_refused_and_not_done_without() {
        let (private, public) = Library::derive_keypair(&[7; 32]);
        let sender = Some((&private, &public));
        assert!(X25519HkdfSha256::encap_with_rng(&public, sender, &mut rand::rng()).is_err());
    }
}
