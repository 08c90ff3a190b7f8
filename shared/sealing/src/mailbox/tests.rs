use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

fn any_kem() -> impl Strategy<Value = Kem> {
    prop::sample::select(Kem::ALL.as_slice())
}

fn key(kem: Kem, seed: u64) -> RecipientKey {
    RecipientKey::generate(kem, &mut StdRng::seed_from_u64(seed)).unwrap()
}

#[test]
fn the_encoding_is_three_identifiers_and_the_key() {
    let config = key(Kem::DhkemX25519, 1).config().clone();
    let expected = [&[0, 0x20, 0, 1, 0, 1], config.public_key()].concat();
    assert_eq!(config.as_bytes(), expected);
    assert_eq!(config.mailbox().0, encoding::sha256(&expected));
    assert_eq!(key(Kem::XWing, 1).config().as_bytes().len(), 6 + 1216);
}

#[test]
fn a_suite_that_is_not_in_use_is_refused_by_name() {
    let mut encoded = key(Kem::DhkemX25519, 1).config().as_bytes().to_vec();
    encoded[5] = 3;
    let error = KeyConfig::parse(&encoded).unwrap_err();
    assert_eq!(
        error.to_string(),
        "HPKE suite of DHKEM(X25519): kdf 0x0001 with aead 0x0003 is not supported, use 0x0001 with 0x0001"
    );
    encoded[1] = 0x21;
    assert_eq!(
        KeyConfig::parse(&encoded),
        Err(KeyError::UnsupportedKem(0x21))
    );
}

#[test]
fn a_key_that_nobody_can_be_sealed_to_is_refused() {
    assert_eq!(
        KeyConfig::new(Kem::DhkemX25519, &[0; 32]),
        Err(KeyError::InvalidPublicKey(Kem::DhkemX25519))
    );
    let mut off_curve = key(Kem::DhkemP256, 1).config().public_key().to_vec();
    off_curve[64] ^= 1;
    assert_eq!(
        KeyConfig::new(Kem::DhkemP256, &off_curve),
        Err(KeyError::InvalidPublicKey(Kem::DhkemP256))
    );
    let mut not_reduced = key(Kem::XWing, 1).config().public_key().to_vec();
    not_reduced[..3].fill(0xff);
    assert_eq!(
        KeyConfig::new(Kem::XWing, &not_reduced),
        Err(KeyError::InvalidPublicKey(Kem::XWing))
    );
    let mut small_order = key(Kem::XWing, 1).config().public_key().to_vec();
    small_order[1184..].fill(0);
    assert_eq!(
        KeyConfig::new(Kem::XWing, &small_order),
        Err(KeyError::InvalidPublicKey(Kem::XWing))
    );
}

#[test]
fn a_private_key_out_of_range_is_refused() {
    let mut file = [0; RecipientKey::FILE_SIZE];
    file[1] = 0x10;
    assert_eq!(
        RecipientKey::from_bytes(&file).unwrap_err(),
        KeyError::InvalidPrivateKey(Kem::DhkemP256)
    );
}

#[test]
fn debug_output_does_not_hold_the_private_key() {
    let key = key(Kem::DhkemX25519, 7);
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.mailbox().to_string()));
    let file = key.to_bytes();
    assert!(!shown.contains(&hex::encode(&file[2..])));
    assert!(!shown.contains(&encoding::base64url(&file[2..])));
}

#[test]
fn a_mailbox_id_has_one_spelling() {
    let text = MailboxId([0xff; 32]).to_string();
    assert_eq!(text.parse(), Ok(MailboxId([0xff; 32])));
    // The last character's two low bits lie past the 256th bit.
    let other = format!("{}9", &text[..42]);
    assert!(matches!(
        other.parse::<MailboxId>(),
        Err(MailboxIdError::Text(_))
    ));
    assert_eq!(
        format!("{text}=").parse::<MailboxId>(),
        Err(MailboxIdError::Length(44))
    );
    assert_eq!(
        serde_json::to_string(&MailboxId([0; 32])).unwrap(),
        format!("\"{}\"", "A".repeat(43))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_configuration_comes_back_as_it_went(kem in any_kem(), seed in any::<u64>()) {
        let config = key(kem, seed).config().clone();
        prop_assert_eq!(config.kem(), kem);
        prop_assert_eq!(KeyConfig::parse(config.as_bytes()), Ok(config.clone()));
        prop_assert_eq!(config.to_string().parse(), Ok(config.clone()));
        prop_assert_eq!(KeyConfig::new(kem, config.public_key()), Ok(config));
    }

    #[test]
    fn a_private_key_comes_back_from_its_file(kem in any_kem(), seed in any::<u64>()) {
        let key = key(kem, seed);
        let read = RecipientKey::from_bytes(&key.to_bytes()).unwrap();
        prop_assert_eq!(key.to_bytes().len(), RecipientKey::FILE_SIZE);
        prop_assert_eq!(read.config(), key.config());
        prop_assert_eq!(read.to_bytes(), key.to_bytes());
    }

    #[test]
    fn a_configuration_cut_or_lengthened_is_refused(
        kem in any_kem(), seed in any::<u64>(), cut in any::<prop::sample::Index>()
    ) {
        let config = key(kem, seed).config().clone();
        let encoded = config.as_bytes();
        prop_assert!(KeyConfig::parse(&encoded[..cut.index(encoded.len())]).is_err());
        prop_assert_eq!(
            KeyConfig::parse(&[encoded, &[0]].concat()),
            Err(KeyError::Form(WireError::TrailingBytes(1)))
        );
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(
        kem in any_kem(), tail in proptest::collection::vec(any::<u8>(), 0..1300), text in ".{0,64}"
    ) {
        let mut bytes = kem.id().to_be_bytes().to_vec();
        bytes.extend(kem.kdf_id().to_be_bytes());
        bytes.extend(kem.aead_id().to_be_bytes());
        bytes.extend_from_slice(&tail);
        let _ = KeyConfig::parse(&bytes);
        let _ = KeyConfig::parse(&tail);
        let _ = RecipientKey::from_bytes(&tail);
        let _ = text.parse::<KeyConfig>();
        let _ = text.parse::<MailboxId>();
    }
}
