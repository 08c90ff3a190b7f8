use proptest::prelude::*;

use crate::store_request::scene::{NOW, Received, cps, scene, signed, signed_with};
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::WireError;
use pennyblack_evidence::log_entry::*;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_sealing::sealed::seal_passport;

fn double_spend() -> Statement {
    let other = seal_passport(&scene().recipient, &cps(), "d.e.f", &mut rand::rng()).unwrap();
    let stored = Received::from(&signed()).check().unwrap();
    let later = signed_with(&other, UnixTime(NOW.0 + 7));
    let later = Received::from(&later).check().unwrap();
    Statement::DoubleSpend(Box::new(later.double_spend_after(*stored.record())))
}

fn key() -> TokenKey {
    let mut modulus = [7; 256];
    modulus[0] = 0x80;
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

fn all() -> Vec<LogEntry> {
    let (token_key_id, not_before) = (key().id(), UnixTime(NOW.0 + 999));
    let statements = [
        double_spend(),
        Statement::KeyEpochOpened {
            issuer: "issuer.example:8443".parse().unwrap(),
            key: key(),
            not_before,
        },
        Statement::KeyEpochClosed {
            token_key_id,
            totals: EpochTotals {
                spent: 1,
                replayed: 2,
                refused: 4,
                further_double_spends: 3,
            },
        },
        Statement::TokenKeyAnnounced {
            key: key(),
            not_before,
        },
        Statement::IssuanceTotal {
            token_key_id,
            issued: u64::MAX,
        },
        Statement::ObliviousKeyAnnounced(ObliviousKey {
            key_config: KeyConfigDigest([9; 32]),
            kem_id: 0x20,
            not_before,
            not_after: UnixTime(NOW.0 + 99_999),
        }),
        Statement::KeyRecordPublished(KeyRecordHash([5; 32])),
        Statement::KeyRecordEnded(KeyRecordHash([5; 32])),
    ];
    let entries = statements.map(|statement| LogEntry {
        minute: Minute::of(NOW),
        statement,
    });
    entries.to_vec()
}

#[test]
fn every_kind_comes_back_as_it_went_and_in_no_other_form() {
    for (place, entry) in all().into_iter().enumerate() {
        let bytes = entry.to_bytes();
        assert_eq!(bytes[..2], [1, place as u8 + 1]);
        assert_eq!(LogEntry::parse(&bytes).as_ref(), Ok(&entry));
        for cut in 0..bytes.len() {
            assert!(LogEntry::parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(
            LogEntry::parse(&longer),
            Err(WireError::TrailingBytes(1).into())
        );
    }
}

#[test]
fn an_authority_has_one_spelling_in_an_entry() {
    let spelled = |authority: &str| {
        let authority = authority.as_bytes();
        let bytes = all().remove(1).to_bytes();
        let (head, rest) = bytes.split_at(10);
        let after = &rest[2 + "issuer.example:8443".len()..];
        let length = u16::try_from(authority.len()).unwrap().to_be_bytes();
        LogEntry::parse(&[head, &length, authority, after].concat())
    };
    assert!(spelled("issuer.example:8444").is_ok());
    for other in [
        "issuer.eXample",
        "issuer.example:443",
        "issuer.example:08443",
        "\u{e9}.example",
    ] {
        let read = spelled(other);
        assert!(read.is_err(), "{other}: {read:?}");
    }
    assert_eq!(spelled("A.example"), Err(LogEntryError::AuthoritySpelling));
}

#[test]
fn evidence_proves_as_much_after_it_was_in_the_log() {
    let entry = LogEntry {
        minute: Minute::of(NOW),
        statement: double_spend(),
    };
    let bytes = entry.to_bytes();
    let Statement::DoubleSpend(read) = LogEntry::parse(&bytes).unwrap().statement else {
        panic!("another kind");
    };
    assert!(read.verify(&scene().issuer.key()).is_ok());
    assert!(bytes.len() < 700, "{} bytes", bytes.len());
}

#[test]
fn the_seconds_of_an_entry_are_neither_told_nor_taken() {
    assert_eq!(Minute::of(UnixTime(119)).start(), UnixTime(60));
    let mut bytes = all().remove(2).to_bytes();
    bytes[9] ^= 1;
    assert!(matches!(
        LogEntry::parse(&bytes),
        Err(LogEntryError::Minute(_))
    ));
    bytes[9] ^= 1;
    bytes[0] = 2;
    assert_eq!(LogEntry::parse(&bytes), Err(LogEntryError::Version(2)));
}

/// The bytes of docs/protocol.md section 7.2, written down once by hand.
#[test]
fn an_oblivious_key_is_encoded_as_the_protocol_says_and_has_a_time_in_which_it_is_good() {
    let entry = LogEntry {
        minute: Minute::of(UnixTime(60)),
        statement: Statement::ObliviousKeyAnnounced(ObliviousKey {
            key_config: KeyConfigDigest([0xab; 32]),
            kem_id: 0x20,
            not_before: UnixTime(0x0102),
            not_after: UnixTime(0x0304),
        }),
    };
    let digest = "ab".repeat(32);
    let expected = format!("0106000000000000003c{digest}002000000000000001020000000000000304");
    assert_eq!(hex::encode(entry.to_bytes()), expected);
    let mut bytes = entry.to_bytes();
    for never in [0x0102, 0x0101] {
        bytes.splice(52.., UnixTime(never).0.to_be_bytes());
        assert_eq!(LogEntry::parse(&bytes), Err(LogEntryError::NeverValid));
    }
}

/// The same for key records: the hash is all that there is.
#[test]
fn a_key_record_is_its_hash_in_the_log() {
    for (kind, state) in [
        (7, Statement::KeyRecordPublished as fn(_) -> _),
        (8, Statement::KeyRecordEnded as fn(_) -> _),
    ] {
        let entry = LogEntry {
            minute: Minute::of(UnixTime(60)),
            statement: state(KeyRecordHash::of("a.b.c")),
        };
        // `printf a.b.c | sha256sum`
        let hash = "845e30448809e2bc8958eb025bfc795235d13b077a53d0c3abbd2385170dc9b8";
        let expected = format!("010{kind}000000000000003c{hash}");
        assert_eq!(hex::encode(entry.to_bytes()), expected);
    }
}

#[test]
fn a_kind_of_a_later_version_is_counted_and_comes_back_as_it_went() {
    let mut skipped = SkippedKinds::default();
    assert!(!skipped.record(&all()[0]));
    for (kind, length) in [(11, 0), (9, 1), (9, LogEntry::MAX_SIZE - 10)] {
        let header = [1, kind, 0, 0, 0, 0, 0, 0, 0, 60];
        let bytes = [&header[..], &vec![7; length]].concat();
        let entry = LogEntry::parse(&bytes).unwrap();
        assert_eq!(entry.minute.start(), UnixTime(60));
        assert_eq!(entry.to_bytes(), bytes);
        assert!(skipped.record(&entry));
    }
    let told = "3 entries of kinds that this version does not know (kind 9: 2, kind 11: 1)";
    assert_eq!(skipped.to_string(), told);
    let too_long = [&[1, 9][..], &vec![0; LogEntry::MAX_SIZE - 1]].concat();
    let too_long = LogEntry::parse(&too_long);
    assert_eq!(
        too_long,
        Err(LogEntryError::TooLong(LogEntry::MAX_SIZE + 1))
    );
    // What all entries have in common is required of these, too.
    assert!(LogEntry::parse(&[1, 9, 0, 0, 0, 0, 0, 0, 0]).is_err());
    let second = LogEntry::parse(&[1, 9, 0, 0, 0, 0, 0, 0, 0, 61]);
    assert_eq!(second, Err(LogEntryError::Minute(61)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        which in 0usize..8, at: usize, to: u8, tail in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = ALL[which].clone();
        let at = at % bytes.len();
        bytes[at] = to;
        bytes.extend(tail);
        if let Ok(entry) = LogEntry::parse(&bytes) {
            prop_assert_eq!(entry.to_bytes(), bytes);
        }
    }
}

static ALL: std::sync::LazyLock<Vec<Vec<u8>>> =
    std::sync::LazyLock::new(|| all().iter().map(LogEntry::to_bytes).collect());
