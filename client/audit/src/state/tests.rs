use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::MAX_KEYS;
use pennyblack_evidence::log_entry::LogEntry;
use pennyblack_tlog::note::MAX_NOTE_SIZE;
use serde_json::{json, to_string};

use super::super::epochs::{Closed, DayOfSpends, Epoch, Issued, MAX_DAYS, MAX_EPOCHS};
use super::*;

const LAST: UnixTime = UnixTime(u64::MAX);
const REST: &str = r#""since":1,"read_at":2,"witnesses_needed":0,"witnesses":"""#;

fn state(position: String) -> State {
    let cps = KeptLog {
        key: "cps.example/log+0+A".to_owned(),
        position,
        since: LAST,
        read_at: LAST,
        witnesses_needed: 0,
        witnesses: String::new(),
        skipped: SkippedKinds::default(),
    };
    State::new(cps, Vec::new(), None, <_>::default())
}

#[test]
fn the_fullest_state_fits_into_what_is_read() {
    let day = DayOfSpends {
        proven: u64::MAX,
        on_word: u64::MAX,
    };
    let epoch = Epoch {
        token_type: u16::MAX,
        // 342 bytes in base64url.
        token_key: "A".repeat(456),
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
    // A tile of hashes for each of 8 levels, one of entries, in base64; and a checkpoint.
    let position = (8 * 256 * 32 + LogEntry::MAX_BUNDLE_SIZE) * 4 / 3 + MAX_NOTE_SIZE;
    assert!(position + 1024 < MAX_POSITION_SIZE);
    // Each character may be escaped.
    let fullest = MAX_KEYS * key + MAX_DAYS * day + 2 * 6 * MAX_POSITION_SIZE;
    assert!(fullest < MAX_SIZE, "{fullest} bytes of {MAX_SIZE}");
}

#[test]
fn a_state_that_could_not_be_read_again_does_not_replace_the_one_before() {
    let home = tempfile::tempdir().unwrap();
    let directory = StateDirectory::new(&home.path().join("audit"));
    directory.keep(&state("read".to_owned())).unwrap();
    let refused = directory.keep(&state("x".repeat(MAX_POSITION_SIZE + 1)));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StateError::Damaged { .. }), "{refused}");
    let mut long = state("read".to_owned());
    long.cps.key = "x".repeat(MAX_SIZE);
    let refused = directory.keep(&long).unwrap_err();
    assert!(matches!(refused, StateError::TooLarge { .. }), "{refused}");
    assert_eq!(directory.require().unwrap().cps.position, "read");
}

#[test]
fn a_file_that_is_longer_than_any_state_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let file = fs::File::create(home.path().join(FILE)).unwrap();
    file.set_len(1 << 43).unwrap();
    let refused = StateDirectory::new(home.path()).load().unwrap_err();
    assert!(matches!(refused, StateError::Io { .. }), "{refused}");
}

#[test]
fn the_state_of_another_auditor_has_no_more_keys_or_longer_positions_than_ours() {
    let home = tempfile::tempdir().unwrap();
    let read = |keys: usize, position: usize| {
        let key = r#"{"token_type":2,"token_key":"","double_spends":{}}"#;
        let keys: Vec<_> = (0..keys).map(|id| format!("\"{id}\":{key}")).collect();
        let (keys, position) = (keys.join(","), "p".repeat(position));
        let text = format!(
            r#"{{"version":{VERSION},"cps":{{"key":"k","position":"{position}",{REST}}},"issuers":[],
                "epochs":{{"issuer.example":{{{keys}}}}}}}"#
        );
        fs::write(home.path().join(FILE), text).unwrap();
        StateDirectory::new(home.path()).require()
    };
    read(MAX_EPOCHS, MAX_POSITION_SIZE).unwrap();
    let refused = read(MAX_EPOCHS + 1, 0).unwrap_err().to_string();
    assert!(refused.contains("more than 200000 token keys"), "{refused}");
    let days = |keys: usize, days: usize| {
        let days: Vec<_> = (0..days).map(|day| format!("\"{day}\":[0,0]")).collect();
        let key = format!(
            r#"{{"token_type":2,"token_key":"","double_spends":{{{}}}}}"#,
            days.join(",")
        );
        let keys: Vec<_> = (0..keys).map(|id| format!("\"{id}\":{key}")).collect();
        // Of two issuers, whose days count together.
        let (one, other) = keys.split_at(keys.len() / 2);
        let (one, other) = (one.join(","), other.join(","));
        let text = format!("{{\"one.example\":{{{one}}},\"other.example\":{{{other}}}}}");
        serde_json::from_str::<Epochs>(&text)
    };
    days(2, MAX_DAYS / 2).unwrap();
    for refused in [days(1, MAX_DAYS + 1), days(3, MAX_DAYS / 2)] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("more than 200000 days"), "{refused}");
    }
    let log = format!(r#"{{"key":"k","position":"p",{REST}}}"#);
    let issuers = vec![log.clone(); MAX_ISSUERS + 1].join(",");
    let text =
        format!(r#"{{"version":{VERSION},"cps":{log},"issuers":[{issuers}],"epochs":{{}}}}"#);
    fs::write(home.path().join(FILE), text).unwrap();
    let refused = StateDirectory::new(home.path()).require().unwrap_err();
    assert!(
        refused.to_string().contains("more than 256 issuers"),
        "{refused}"
    );
    let refused = read(0, MAX_POSITION_SIZE + 1).unwrap_err().to_string();
    assert!(refused.contains("a position of"), "{refused}");
}

#[test]
fn the_state_of_an_earlier_version_is_not_called_damaged() {
    let home = tempfile::tempdir().unwrap();
    let earlier = r#"{"version":1,"cps_key":"k","cps":"p","issuer_key":null,"issuer":null}"#;
    fs::write(home.path().join(FILE), earlier).unwrap();
    let refused = StateDirectory::new(home.path()).require().unwrap_err();
    assert!(
        matches!(refused, StateError::Version { found: 1, .. }),
        "{refused}"
    );
}

#[test]
fn a_second_run_on_a_state_is_refused_until_the_first_has_ended() {
    let home = tempfile::tempdir().unwrap();
    let directory = StateDirectory::new(&home.path().join("audit"));
    let first = directory.lock().unwrap();
    let refused = directory.lock().unwrap_err();
    assert!(matches!(refused, StateError::InUse(_)), "{refused}");
    // To read the state for a report needs nobody's leave.
    assert!(directory.load().unwrap().is_none());
    drop(first);
    directory.lock().unwrap();
}
