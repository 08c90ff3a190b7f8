use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::MAX_KEYS;
use pennyblack_evidence::log_entry::LogEntry;
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use serde_json::{json, to_string};

use super::super::book::MAX_DAYS;
use super::super::epochs::{Closed, DayOfSpends, Epoch, Issued};
use super::*;

const LAST: UnixTime = UnixTime(u64::MAX);

fn state(cps: String) -> State {
    State::new(
        ("cps.example/log+0+A".to_owned(), cps),
        None,
        Epochs::default(),
    )
}

#[test]
fn the_fullest_state_fits_into_what_is_read() {
    let day = DayOfSpends {
        proven: u64::MAX,
        on_word: u64::MAX,
    };
    let epoch = Epoch {
        token_type: u16::MAX,
        // 342 bytes in base64url, and an authority of 259.
        token_key: "A".repeat(456),
        issuer: Some("a".repeat(259)),
        not_before: Some(LAST),
        announced: Some(LAST),
        opened: Some(LAST),
        closed: Some(Closed {
            minute: LAST,
            spent: u64::MAX,
            replayed: u64::MAX,
            refused: u64::MAX,
            further_double_spends: u64::MAX,
        }),
        issued: Some(Issued {
            minute: LAST,
            total: u64::MAX,
        }),
        double_spends: [].into(),
    };
    let length = |value: serde_json::Value| to_string(&value).unwrap().len();
    let key = length(json!({ ("f".repeat(64)): epoch }));
    let day = length(json!({ (u64::MAX.to_string()): day }));
    // A tile of hashes for each of 8 levels, one of entries, in base64; and a checkpoint of
    // which each character is escaped.
    let position = (8 * 256 * 32 + LogEntry::MAX_BUNDLE_SIZE) * 4 / 3 + 6 * MAX_NOTE_SIZE;
    let fullest = MAX_KEYS * key + MAX_DAYS * day + 2 * position;
    assert!(fullest < MAX_SIZE, "{fullest} bytes of {MAX_SIZE}");
}

#[test]
fn a_state_that_could_not_be_read_again_does_not_replace_the_one_before() {
    let home = tempfile::tempdir().unwrap();
    let directory = StateDirectory::new(&home.path().join("audit"));
    directory.keep(&state("read".to_owned())).unwrap();
    let refused = directory.keep(&state("x".repeat(MAX_SIZE))).unwrap_err();
    assert!(matches!(refused, StateError::TooLarge { .. }), "{refused}");
    assert_eq!(directory.require().unwrap().cps, "read");
}

#[test]
fn a_file_that_is_longer_than_any_state_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let file = fs::File::create(home.path().join(FILE)).unwrap();
    file.set_len(1 << 43).unwrap();
    let refused = StateDirectory::new(home.path()).load().unwrap_err();
    assert!(matches!(refused, StateError::Io { .. }), "{refused}");
}
