use std::path::PathBuf;

use pennyblack_storage::atomic_file;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const NUMBER: u64 = 7;

fn authority() -> Authority {
    "issuer.test".parse().unwrap()
}

fn wrapping_key(digit: char) -> WrappingKey {
    let home = TempDir::new().unwrap();
    let path: PathBuf = home.path().join("wrapping.key");
    let text = format!("{}\n", digit.to_string().repeat(64));
    atomic_file::write_private(&path, text.as_bytes()).unwrap();
    WrappingKey::read(&path).unwrap()
}

fn some_keys() -> Vec<Arc<TokenKey>> {
    let keys = KeyType::ALL.into_iter().zip(1..);
    keys.map(|(key_type, start)| {
        let signing = SigningKey::generate(key_type).unwrap();
        Arc::new(TokenKey::new(signing, UnixTime(start)))
    })
    .collect()
}

fn sealed(keys: &[Arc<TokenKey>]) -> Vec<u8> {
    seal(keys, NUMBER, &authority(), &wrapping_key('a')).unwrap()
}

fn said(result: Result<Vec<Arc<TokenKey>>, KeyListError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn keys_of_every_type_come_back_in_their_order() {
    let keys = some_keys();
    let again = open(&sealed(&keys), NUMBER, &authority(), &wrapping_key('a')).unwrap();
    let form = |keys: &[Arc<TokenKey>]| -> Vec<_> {
        keys.iter()
            .map(|key| (key.not_before(), key.id(), key.token_type()))
            .collect()
    };
    assert_eq!(form(&keys), form(&again));
    assert!(
        open(&sealed(&[]), NUMBER, &authority(), &wrapping_key('a'))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn nothing_of_a_private_key_is_seen_in_a_sealed_list() {
    let keys = some_keys();
    let sealed = sealed(&keys);
    for key in &keys {
        let file = key.signing().to_file().unwrap();
        for part in file.windows(16) {
            assert!(!sealed.windows(16).any(|other| other == part));
        }
    }
}

#[test]
fn another_wrapping_key_is_told_from_a_changed_list() {
    let sealed = sealed(&some_keys());
    let other = open(&sealed, NUMBER, &authority(), &wrapping_key('b'));
    let other = said(other);
    assert!(other.contains("another wrapping key"), "{other}");
    assert!(other.contains("token_keys.wrapping_key"), "{other}");
}

#[test]
fn a_list_is_good_for_its_number_and_issuer_only() {
    let sealed = sealed(&some_keys());
    let key = wrapping_key('a');
    let renumbered = said(open(&sealed, NUMBER + 1, &authority(), &key));
    assert!(renumbered.contains("changed by somebody"), "{renumbered}");
    let elsewhere = said(open(&sealed, NUMBER, &"other.test".parse().unwrap(), &key));
    assert!(elsewhere.contains("changed by somebody"), "{elsewhere}");
}

#[test]
fn a_change_of_any_byte_is_refused() {
    let key = SigningKey::generate(KeyType::VoprfRistretto255).unwrap();
    let good = sealed(&[Arc::new(TokenKey::new(key, UnixTime(1)))]);
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        assert!(open(&changed, NUMBER, &authority(), &wrapping_key('a')).is_err());
    }
    for length in 0..good.len() {
        assert!(open(&good[..length], NUMBER, &authority(), &wrapping_key('a')).is_err());
    }
}

#[test]
fn more_keys_than_a_list_takes_are_refused() {
    let key = SigningKey::generate(KeyType::BlindRsa).unwrap();
    let key = Arc::new(TokenKey::new(key, UnixTime(1)));
    let many = vec![key; 40];
    let refused = seal(&many, NUMBER, &authority(), &wrapping_key('a'));
    assert!(matches!(refused, Err(KeyListError::TooLong)));
    let long = vec![VERSION; 2 * MOST];
    let refused = open(&long, NUMBER, &authority(), &wrapping_key('a'));
    assert!(matches!(refused, Err(KeyListError::TooLong)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = open(&bytes, NUMBER, &authority(), &wrapping_key('a'));
        let _ = parse(&bytes);
    }
}
