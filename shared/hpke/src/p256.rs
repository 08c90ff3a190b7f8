//! DHKEM(P-256, HKDF-SHA256) (RFC 9180 section 4.1) whose agreements are done by AWS-LC,
//! when a PASSporT or a page is sealed and when it is opened: anybody may poll a P-256
//! mailbox, and the library takes several times as long. Keys and their forms are the
//! library's own.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf as _};
use hpke::kem::{DhP256HkdfSha256 as Library, Kem, SharedSecret};
use hpke::{Deserializable as _, HpkeError, Serializable as _};
use rand::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

use super::agreement::{Agreement, SuiteId};

const SUITE_ID: &SuiteId = b"KEM\x00\x10";

/// The KEM, in base mode; authenticated mode is not in use.
pub(crate) struct P256HkdfSha256;

impl Kem for P256HkdfSha256 {
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
        let (secret, enc) = derive_ephemeral(ikm.as_slice())
            .and_then(|ephemeral| encapsulate(&recipient.to_bytes(), &ephemeral))
            .ok_or(HpkeError::EncapError)?;
        Ok((secret, Self::EncappedKey::from_bytes(&enc)?))
    }
}

/// `DeriveKeyPair` (RFC 9180 section 7.1.3). Hardly ever is the first candidate not a
/// key: zero, or not less than the order of the group.
fn derive_ephemeral(ikm: &[u8]) -> Option<PrivateKey> {
    (0..=u8::MAX).find_map(|counter| {
        let mut candidate = HkdfSha256::derive_nistp_sk_eph_bytes::<U32>(SUITE_ID, ikm, counter);
        let key = PrivateKey::from_private_key(&ECDH_P256, &candidate);
        candidate.zeroize();
        key.ok()
    })
}

fn encapsulate(
    recipient: &[u8],
    ephemeral: &PrivateKey,
) -> Option<(SharedSecret<P256HkdfSha256>, Vec<u8>)> {
    let enc = ephemeral.compute_public_key().ok()?;
    let agreement = Agreement {
        algorithm: &ECDH_P256,
        suite: SUITE_ID,
        own: ephemeral,
        peer: recipient,
        context: [enc.as_ref(), recipient],
    };
    Some((agreement.shared_secret()?, enc.as_ref().to_vec()))
}

fn decapsulate(recipient: &[u8; 32], enc: &[u8]) -> Option<SharedSecret<P256HkdfSha256>> {
    let own = PrivateKey::from_private_key(&ECDH_P256, recipient).ok()?;
    let public = own.compute_public_key().ok()?;
    let agreement = Agreement {
        algorithm: &ECDH_P256,
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
        let (secret, enc) = P256HkdfSha256::encap_with_rng(&public, None, rng).unwrap();
        assert_eq!(secret.0, Library::decap(&private, None, &enc).unwrap().0);
        assert_eq!(
            secret.0,
            P256HkdfSha256::decap(&private, None, &enc).unwrap().0
        );
        let (secret, enc) = Library::encap_with_rng(&public, None, rng).unwrap();
        assert_eq!(
            secret.0,
            P256HkdfSha256::decap(&private, None, &enc).unwrap().0
        );
    }

    #[test]
    fn an_ephemeral_key_is_the_one_that_the_library_derives() {
        for ikm in [[0; 32], [7; 32], [255; 32]] {
            let (_, theirs) = Library::derive_keypair(&ikm);
            let ours = derive_ephemeral(&ikm).unwrap();
            let ours = ours.compute_public_key().unwrap();
            assert_eq!(ours.as_ref(), theirs.to_bytes().as_slice());
        }
    }

    #[test]
    fn a_point_off_the_curve_is_refused_in_both_directions() {
        let mut off = [7; 65];
        off[0] = 4;
        let ephemeral = derive_ephemeral(&[7; 32]).unwrap();
        assert!(encapsulate(&off, &ephemeral).is_none());
        assert!(decapsulate(&[7; 32], &off).is_none());
    }

    #[test]
    fn authenticated_mode_is_refused_and_not_done_without() {
        let (private, public) = Library::derive_keypair(&[7; 32]);
        let rng = &mut rand::rng();
        let sender = Some((&private, &public));
        assert!(P256HkdfSha256::encap_with_rng(&public, sender, rng).is_err());
        let (_, enc) = P256HkdfSha256::encap_with_rng(&public, None, rng).unwrap();
        assert!(P256HkdfSha256::decap(&private, Some(&public), &enc).is_err());
    }
}
