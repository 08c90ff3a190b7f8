use proptest::prelude::*;

use super::*;

fn key(key_id: u8, kem: Kem) -> GatewayKey {
    GatewayKey::new(key_id, PrivateKey::derive(kem, &[7; 32])).unwrap()
}

#[test]
fn a_configuration_of_ours_has_one_suite_and_comes_back_as_it_went() {
    for (kem, size, suite) in [
        (Kem::DhkemX25519, 41, [0, 4, 0, 1, 0, 1]),
        (Kem::DhkemP256, 74, [0, 4, 0, 1, 0, 1]),
        (Kem::XWing, 1225, [0, 4, 0, 1, 0, 2]),
    ] {
        let key = key(9, kem);
        let encoded = key.config().as_bytes();
        assert_eq!(encoded.len(), size);
        assert_eq!(encoded[0], 9);
        assert_eq!(encoded[1..3], kem.id().to_be_bytes());
        assert!(encoded.ends_with(&suite));
        let read = KeyConfig::parse(encoded).unwrap();
        assert_eq!(&read, key.config());
        assert_eq!((read.key_id(), read.kem()), (9, kem));
        assert_eq!(read.digest(), encoding::sha256(encoded));
    }
}

#[test]
fn one_suite_of_several_is_enough() {
    let ours = key(9, Kem::DhkemX25519).config().as_bytes().to_vec();
    let start = ours.len() - 6;
    let with = |suites: &[u8]| {
        let mut encoded = ours[..start].to_vec();
        put_vec_u16(&mut encoded, suites);
        KeyConfig::parse(&encoded)
    };
    assert!(with(&[0, 1, 0, 3, 0, 1, 0, 1]).is_ok());
    assert_eq!(
        with(&[0, 1, 0, 3]),
        Err(KeyConfigError::UnsupportedSuites(Kem::DhkemX25519))
    );
    assert_eq!(with(&[]), Err(KeyConfigError::Suites(0)));
    assert_eq!(with(&[0, 1, 0, 1, 0]), Err(KeyConfigError::Suites(5)));
}

#[test]
fn a_list_passes_over_what_it_cannot_use_and_nothing_else() {
    let (first, second) = (key(1, Kem::XWing), key(2, Kem::DhkemX25519));
    let mut list = KeyConfig::encode_list([first.config()]);
    put_vec_u16(&mut list, &[3, 0x00, 0x21, 1, 2, 3]);
    let mut other_suite = second.config().as_bytes().to_vec();
    *other_suite.last_mut().unwrap() = 3;
    put_vec_u16(&mut list, &other_suite);
    list.extend(KeyConfig::encode_list([second.config()]));
    let read = KeyConfig::parse_list(&list).unwrap();
    assert_eq!(read, [first.config().clone(), second.config().clone()]);
    assert_eq!(KeyConfig::parse_list(&[]), Ok(Vec::new()));
    for cut in 1..41 {
        assert!(KeyConfig::parse_list(&list[..list.len() - cut]).is_err());
    }
    let mut no_key = second.config().as_bytes().to_vec();
    no_key[3..35].fill(0);
    put_vec_u16(&mut list, &no_key);
    assert_eq!(
        KeyConfig::parse_list(&list),
        Err(KeyConfigError::InvalidPublicKey(Kem::DhkemX25519))
    );
}

#[test]
fn a_list_is_read_up_to_a_limit() {
    let long = vec![0; KeyConfig::MAX_LIST_SIZE + 1];
    assert_eq!(
        KeyConfig::parse_list(&long),
        Err(KeyConfigError::ListTooLong(32_801))
    );
}

#[test]
fn one_is_read_up_to_a_limit_that_a_list_of_sixteen_keeps() {
    let mut encoded = key(1, Kem::XWing).config().as_bytes().to_vec();
    let suites = encoded.len() - 6;
    let room = (KeyConfig::MAX_SIZE - suites - 2) / 4;
    let mut with = |pairs: usize| {
        encoded.truncate(suites);
        put_vec_u16(&mut encoded, &[0, 1, 0, 2].repeat(pairs));
        KeyConfig::parse(&encoded)
    };
    let largest = with(room).unwrap();
    let refused = with(room + 1).unwrap_err();
    assert!(matches!(refused, KeyConfigError::TooLong(_)), "{refused}");
    let list = KeyConfig::encode_list(&vec![largest; 16]);
    assert_eq!(KeyConfig::parse_list(&list).unwrap().len(), 16);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        kem in prop::sample::select(&Kem::ALL[..]),
    ) {
        let _ = KeyConfig::parse(&bytes);
        let _ = KeyConfig::parse_list(&bytes);
        let [a, b] = kem.id().to_be_bytes();
        let _ = KeyConfig::parse(&[&[1, a, b], &bytes[..]].concat());
    }
}
