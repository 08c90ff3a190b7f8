//! DHKEM(X25519, HKDF-SHA256) (RFC 9180 section 4.1) whose agreements, the dearest part
//! of every poll, every call and every oblivious request, are done by AWS-LC: its X25519
//! takes half the library's time, and the library computes each ephemeral public key
//! twice. Keys and their forms are the library's own.

use aws_lc_rs::agreement;
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{Kem, SharedSecret, X25519HkdfSha256 as Library};
use hpke::{Deserializable as _, HpkeError, Serializable as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::agreement::{Agreement, SuiteId};

const SUITE_ID: &SuiteId = b"KEM\x00\x20";

/// The KEM, in base mode; authenticated mode is not in use.
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
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let mut secret = Zeroizing::new([0; 32]);
        recipient.write_exact(secret.as_mut_slice());
        decapsulate(&secret, &enc.to_bytes()).ok_or(HpkeError::DecapError)
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
pub(crate) fn encapsulate(
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

/// `Decap`. None when `enc` is of small order (RFC 9180 section 7.1.4).
fn decapsulate(recipient: &[u8; 32], enc: &[u8]) -> Option<SharedSecret<X25519HkdfSha256>> {
    let algorithm = &agreement::X25519;
    let own = agreement::PrivateKey::from_private_key(algorithm, recipient).ok()?;
    let public = own.compute_public_key().ok()?;
    let agreement = Agreement {
        algorithm,
        suite: SUITE_ID,
        own: &own,
        peer: enc,
        context: [enc, public.as_ref()],
    };
    agreement.shared_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encapsulated_here_the_library_decapsulates_and_the_other_way_round() {
        let (private, public) = Library::derive_keypair(&[7; 32]);
        let rng = &mut rand::rng();
        let ours = |enc| X25519HkdfSha256::decap(&private, None, enc).unwrap();
        let (secret, enc) = X25519HkdfSha256::encap_with_rng(&public, None, rng).unwrap();
        assert_eq!(secret.0, Library::decap(&private, None, &enc).unwrap().0);
        assert_eq!(secret.0, ours(&enc).0);
        let (secret, enc) = Library::encap_with_rng(&public, None, rng).unwrap();
        assert_eq!(secret.0, ours(&enc).0);
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        for small in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert!(encapsulate(&small, &[9; 32]).is_none());
            assert!(decapsulate(&[9; 32], &small).is_none());
        }
    }

    #[test]
    fn authenticated_mode_is_refused_and_not_done_without() {
        let (private, public) = Library::derive_keypair(&[7; 32]);
        let sender = Some((&private, &public));
        let rng = &mut rand::rng();
        assert!(X25519HkdfSha256::encap_with_rng(&public, sender, rng).is_err());
        let (_, enc) = X25519HkdfSha256::encap_with_rng(&public, None, rng).unwrap();
        assert!(X25519HkdfSha256::decap(&private, Some(&public), &enc).is_err());
    }
}
