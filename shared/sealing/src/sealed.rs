//! A PASSporT sealed by its OOB-AS to one recipient, so that the CPS that keeps
//! it cannot read it (docs/protocol.md section 6). Not here: what a PASSporT
//! says (`passport`), and the CPS's own seal around a page of these (`envelope`).
//!
//! HPKE base mode with the suite of the recipient's [`KeyConfig`];
//! `info` = `"pennyblack passport v1" || mailbox[32]`, `aad` = the CPS's
//! authority in ASCII. The result is `enc || ct`, exactly [`slot_size`]
//! bytes, of this plaintext:
//!
//! ```text
//! struct {
//!   uint16 length;
//!   opaque passport[length];   // full form, compact JWS
//!   opaque zeros[];            // up to the slot's capacity
//! } Plaintext;
//! ```

use pennyblack_hpke::HpkeError;
use rand::CryptoRng;

use crate::mailbox::{Kem, KeyConfig, MailboxId, RecipientKey};
use pennyblack_base::authority::Authority;
use pennyblack_base::wire::Reader;

const INFO_LABEL: &[u8] = b"pennyblack passport v1";

/// Bytes of the length in front of the PASSporT.
const LENGTH_SIZE: usize = 2;

/// One sealed PASSporT, exactly [`slot_size`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// `enc || ct`.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A PASSporT that was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It does not fit into the one slot size of the recipient's KEM.
    #[error(
        "a PASSporT of {length} bytes does not fit: a {kem} mailbox takes at most {} bytes; \
         have its signer name the certificate by URL (`pennyblack call --x5u URL`) instead of \
         including it, or shorten its claims",
        passport_capacity(*kem)
    )]
    TooLong {
        /// Bytes of the PASSporT.
        length: usize,
        /// The recipient's KEM.
        kem: Kem,
    },
    /// The HPKE library refused; with a checked key this does not happen.
    #[error("sealing failed: {0}")]
    Hpke(HpkeError),
}

/// Bytes that are not a PASSporT sealed to this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not the slot size of this key's KEM.
    #[error("a sealed PASSporT has {expected} bytes, not {actual}")]
    Size {
        /// Bytes of a slot.
        expected: usize,
        /// Bytes that there were.
        actual: usize,
    },
    /// Altered, or sealed to another key, or for another CPS.
    #[error("not sealed to this key for this CPS, or altered: {0}")]
    Hpke(HpkeError),
    /// The length inside points past the end.
    #[error("the length inside says {length}, the slot holds at most {capacity}")]
    Length {
        /// The length that was said.
        length: usize,
        /// The most that it could be.
        capacity: usize,
    },
    /// Something other than zeros follows the PASSporT: a covert channel, or an
    /// OOB-AS that leaks its memory.
    #[error("the padding after the PASSporT is not all zeros")]
    Padding,
    /// What was sealed is not ASCII text, so not a compact JWS.
    #[error("what was sealed is not ASCII text")]
    NotText,
}

/// Bytes of every entry in a mailbox of this KEM: `enc || ct` of a sealed PASSporT.
#[must_use]
pub const fn slot_size(kem: Kem) -> usize {
    match kem {
        Kem::DhkemX25519 | Kem::DhkemP256 => 2048,
        Kem::XWing => 4096,
    }
}

/// The longest PASSporT, in bytes, that can be sealed to a key of this KEM:
/// 1,998 for X25519, 1,965 for P-256, 2,958 for X-Wing.
#[must_use]
pub const fn passport_capacity(kem: Kem) -> usize {
    slot_size(kem) - kem.sealing_overhead() - LENGTH_SIZE
}

/// Seals `passport` to the recipient, to be stored at the CPS `cps`.
///
/// # Errors
/// [`SealError::TooLong`] when it does not fit the slot.
pub fn seal_passport(
    recipient: &KeyConfig,
    cps: &Authority,
    passport: &str,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    let kem = recipient.kem();
    let too_long = SealError::TooLong {
        length: passport.len(),
        kem,
    };
    if passport.len() > passport_capacity(kem) {
        return Err(too_long);
    }
    let length = u16::try_from(passport.len()).map_err(|_| too_long)?;

    let mut slot = Vec::with_capacity(slot_size(kem));
    slot.resize(kem.enc_size(), 0);
    slot.extend(length.to_be_bytes());
    slot.extend_from_slice(passport.as_bytes());
    slot.resize(slot_size(kem), 0);
    recipient
        .seal(&info(recipient.mailbox()), cps.as_bytes(), &mut slot, rng)
        .map_err(SealError::Hpke)?;
    Ok(Sealed(slot.into()))
}

/// Opens what [`seal_passport`] made for this key and this CPS.
///
/// The PASSporT is not looked at: who signed it, and for which call, is for the
/// caller to verify.
///
/// # Errors
/// [`OpenError`]; a recipient drops the entry and goes on with the next, since
/// anyone with a token can put anything into a mailbox.
pub fn open_passport(
    key: &RecipientKey,
    cps: &Authority,
    sealed: &[u8],
) -> Result<String, OpenError> {
    let expected = slot_size(key.config().kem());
    if sealed.len() != expected {
        return Err(OpenError::Size {
            expected,
            actual: sealed.len(),
        });
    }
    let plaintext = key
        .open(&info(key.mailbox()), cps.as_bytes(), sealed)
        .map_err(OpenError::Hpke)?;
    unpad(&plaintext)
}

fn unpad(plaintext: &[u8]) -> Result<String, OpenError> {
    let capacity = plaintext.len().saturating_sub(LENGTH_SIZE);
    let mut reader = Reader::new(plaintext);
    let length = reader.u16().map(usize::from).unwrap_or_default();
    let passport = reader
        .take(length)
        .map_err(|_| OpenError::Length { length, capacity })?;
    if reader.rest().iter().any(|&byte| byte != 0) {
        return Err(OpenError::Padding);
    }
    match str::from_utf8(passport) {
        Ok(text) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(OpenError::NotText),
    }
}

fn info(mailbox: MailboxId) -> Vec<u8> {
    [INFO_LABEL, &mailbox.0].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn rng() -> StdRng {
        StdRng::seed_from_u64(5)
    }

    fn key(kem: Kem) -> RecipientKey {
        RecipientKey::generate(kem, &mut rng()).unwrap()
    }

    fn cps() -> Authority {
        "cps.example".parse().unwrap()
    }

    /// Seals a plaintext of one's own making, as a hostile OOB-AS can.
    fn seal_raw(key: &RecipientKey, start: &[u8]) -> Vec<u8> {
        let kem = key.config().kem();
        let mut slot = vec![0; slot_size(kem)];
        slot[kem.enc_size()..][..start.len()].copy_from_slice(start);
        key.config()
            .seal(
                &info(key.mailbox()),
                cps().as_bytes(),
                &mut slot,
                &mut rng(),
            )
            .unwrap();
        slot
    }

    #[test]
    fn the_longest_passport_fits_and_one_byte_more_is_refused_with_both_sizes() {
        for (kem, capacity) in [
            (Kem::DhkemX25519, 1998),
            (Kem::DhkemP256, 1965),
            (Kem::XWing, 2958),
        ] {
            let key = key(kem);
            let longest = "x".repeat(capacity);
            let sealed = seal_passport(key.config(), &cps(), &longest, &mut rng()).unwrap();
            assert_eq!(sealed.as_bytes().len(), slot_size(kem));
            assert_eq!(open_passport(&key, &cps(), sealed.as_ref()), Ok(longest));

            let longer = "x".repeat(capacity + 1);
            let error = seal_passport(key.config(), &cps(), &longer, &mut rng()).unwrap_err();
            assert_eq!(
                error,
                SealError::TooLong {
                    length: capacity + 1,
                    kem
                }
            );
            let message = error.to_string();
            assert!(message.contains(&(capacity + 1).to_string()), "{message}");
            assert!(message.contains(&capacity.to_string()), "{message}");
        }
    }

    #[test]
    fn it_opens_under_the_documented_info_and_aad() {
        let key = key(Kem::DhkemX25519);
        let sealed = seal_passport(key.config(), &cps(), "a.b.c", &mut rng()).unwrap();
        let info = [b"pennyblack passport v1".as_slice(), &key.mailbox().0].concat();
        let plaintext = key.open(&info, b"cps.example", sealed.as_ref()).unwrap();
        assert_eq!(plaintext[..9], *b"\x00\x05a.b.c\x00\x00");
        assert_eq!(plaintext.len(), 2000);
    }

    #[test]
    fn sealed_for_one_cps_it_does_not_open_for_another() {
        let key = key(Kem::DhkemX25519);
        let sealed = seal_passport(key.config(), &cps(), "a.b.c", &mut rng()).unwrap();
        let other = "cps.example:8443".parse().unwrap();
        assert_eq!(
            open_passport(&key, &other, sealed.as_ref()),
            Err(OpenError::Hpke(HpkeError::OpenError))
        );
    }

    #[test]
    fn another_recipient_cannot_open_it() {
        let sealed = seal_passport(key(Kem::XWing).config(), &cps(), "a.b.c", &mut rng()).unwrap();
        let other = RecipientKey::generate(Kem::XWing, &mut StdRng::seed_from_u64(6)).unwrap();
        assert_eq!(
            open_passport(&other, &cps(), sealed.as_ref()),
            Err(OpenError::Hpke(HpkeError::OpenError))
        );
    }

    #[test]
    fn the_bit_of_the_encapsulated_key_that_x25519_ignores_is_noticed() {
        for kem in [Kem::DhkemX25519, Kem::XWing] {
            let key = key(kem);
            let sealed = seal_passport(key.config(), &cps(), "a.b.c", &mut rng()).unwrap();
            let mut altered = sealed.as_bytes().to_vec();
            altered[kem.enc_size() - 1] ^= 0x80;
            assert_eq!(
                open_passport(&key, &cps(), &altered),
                Err(OpenError::Hpke(HpkeError::OpenError)),
                "{kem}"
            );
        }
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        let key = key(Kem::DhkemX25519);
        assert_eq!(
            open_passport(&key, &cps(), &seal_raw(&key, b"\x00\x01ab")),
            Err(OpenError::Padding)
        );
        assert_eq!(
            open_passport(&key, &cps(), &seal_raw(&key, b"\x00\x02ab")),
            Ok("ab".to_owned())
        );
    }

    #[test]
    fn a_length_past_the_slot_is_refused() {
        let key = key(Kem::DhkemX25519);
        assert_eq!(
            open_passport(&key, &cps(), &seal_raw(&key, b"\x07\xcf")),
            Err(OpenError::Length {
                length: 1999,
                capacity: 1998
            })
        );
        assert_eq!(
            open_passport(&key, &cps(), &seal_raw(&key, b"\x00\x01\xff")),
            Err(OpenError::NotText)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_passport_comes_back_as_it_went(
            kem in prop::sample::select(Kem::ALL.as_slice()), text in "[ -~]{0,1900}"
        ) {
            let key = key(kem);
            let sealed = seal_passport(key.config(), &cps(), &text, &mut rng()).unwrap();
            prop_assert_eq!(open_passport(&key, &cps(), sealed.as_ref()), Ok(text));
        }

        #[test]
        fn a_flipped_bit_anywhere_is_noticed(
            kem in prop::sample::select(Kem::ALL.as_slice()),
            position in any::<prop::sample::Index>(),
            bit in 0..8u8
        ) {
            let key = key(kem);
            let sealed = seal_passport(key.config(), &cps(), "a.b.c", &mut rng()).unwrap();
            let mut altered = sealed.as_bytes().to_vec();
            let position = position.index(altered.len());
            altered[position] ^= 1 << bit;
            prop_assert!(open_passport(&key, &cps(), &altered).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(
            kem in prop::sample::select(Kem::ALL.as_slice()),
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            full in any::<bool>()
        ) {
            let mut bytes = bytes;
            if full {
                bytes.resize(slot_size(kem), 7);
            }
            prop_assert!(open_passport(&key(kem), &cps(), &bytes).is_err());
        }

        #[test]
        fn no_plaintext_makes_unpadding_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64)
        ) {
            let _ = unpad(&bytes);
        }
    }
}
