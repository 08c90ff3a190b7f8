//! What is remembered of a log: read again only whole, and bounded.

use proptest::prelude::*;

use super::*;
use crate::key_calendar::MAX_KEYS_A_DAY;
use pennyblack_tlog::note::MAX_NOTE_SIZE;

#[test]
fn what_is_remembered_is_read_again_and_trusted_only_whole() {
    let mut served = Served::with(0..5);
    let view = followed(&mut served, None);
    let json = view.to_json().unwrap();
    assert_eq!(KeyLogView::from_json(&json).unwrap(), view);
    let shorter = json.replacen(
        &format!("{}", view.position.roots()[0]),
        &format!("{}=", "A".repeat(43)),
        1,
    );
    assert!(KeyLogView::from_json(&shorter).is_err());
    let unsigned = json.replacen("issuer.example/log\\n5", "issuer.example/log\\n4", 1);
    assert_ne!(unsigned, json);
    assert!(KeyLogView::from_json(&unsigned).is_err());
    let of_a_later_version = json.replacen('{', r#"{"more":1,"#, 1);
    assert!(KeyLogView::from_json(&of_a_later_version).is_err());
}

#[test]
fn an_entry_of_a_later_version_is_skipped_and_remembered_as_skipped() {
    let mut served = Served::with(0..2);
    let before = followed(&mut served, None);
    assert_eq!(before.newly_skipped(None), None);
    let later = [1, 9, 0, 0, 0, 0, 0, 0, 0, 60, 1, 2, 3];
    served.entries.splice(2..2, [later.to_vec(), entry(2)]);
    let view = followed(&mut served, Some(before.clone()));
    view.require(&key(2)).unwrap();
    let told = "1 entry of a kind that this version does not know (kind 9: 1)";
    assert_eq!(view.skipped().to_string(), told);
    assert_eq!(view.newly_skipped(Some(&before)), Some(view.skipped()));
    let remembered = KeyLogView::from_json(&view.to_json().unwrap()).unwrap();
    assert_eq!(remembered, view);
    // Said once, when it is new.
    let again = followed(&mut served, Some(remembered));
    assert_eq!(again.newly_skipped(Some(&view)), None);
    // What may not be skipped has another version.
    served.entries.push([&[2], &later[1..]].concat());
    let refused = served.follow(&LogPolicy::default(), Some(again));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("entry 4"), "{refused}");
    assert!(refused.contains("update this program"), "{refused}");
}

#[test]
fn more_keys_than_epochs_need_are_refused_and_what_was_remembered_stays() {
    let mut served = Served::with(0..3);
    let before = followed(&mut served, None);
    // All of one day.
    let at_once = |variant: u16| {
        let key = TokenKey::parse(TokenType::BLIND_RSA_2048, &key(variant).encoded).unwrap();
        let statement = Statement::TokenKeyAnnounced {
            key,
            not_before: UnixTime(1_795_000_000),
        };
        let minute = Minute::of(UnixTime(0));
        LogEntry { minute, statement }.to_bytes()
    };
    let most = u16::try_from(MAX_KEYS_A_DAY).unwrap();
    served.entries.extend((3..3 + most).map(at_once));
    let view = followed(&mut served, Some(before));
    served.entries.push(at_once(3 + most));
    let refused = served.follow(&LogPolicy::default(), Some(view.clone()));
    let refused = refused.unwrap_err();
    let is_named =
        matches!(refused, FollowError::TooManyKeys { index, .. } if index == 3 + u64::from(most));
    assert!(is_named, "{refused}");
    assert_eq!(
        KeyLogView::from_json(&view.to_json().unwrap()).unwrap(),
        view
    );
}

#[test]
fn the_most_that_is_remembered_is_read_again_and_more_is_not_written() {
    let mut served = Served::with(0..255);
    let mut view = followed(&mut served, None);
    let id = |number: usize| {
        let mut id = [0xff; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        TokenKeyId(id)
    };
    let most = (0..MAX_KEYS).map(|number| (id(number), UnixTime(u64::MAX - number as u64)));
    view.keys = most.collect();
    view.issued = (0..MAX_KEYS).map(|number| (id(number), u64::MAX)).collect();
    let json = view.to_json().unwrap();
    // Room for the cosignatures of a checkpoint, and twice of the line feeds in it.
    assert!(json.len() + 2 * MAX_NOTE_SIZE < KeyLogView::MAX_JSON_SIZE);
    assert_eq!(KeyLogView::from_json(&json).unwrap(), view);
    view.keys
        .extend((MAX_KEYS..4 * MAX_KEYS).map(|number| (id(number), UnixTime(u64::MAX))));
    let refused = view.to_json().unwrap_err();
    assert!(matches!(refused, RememberedError::TooLong(_)), "{refused}");
    let padded = format!("{json}{}", " ".repeat(KeyLogView::MAX_JSON_SIZE));
    let refused = KeyLogView::from_json(&padded).unwrap_err();
    assert!(matches!(refused, RememberedError::TooLong(_)), "{refused}");
}

/// What is remembered after a look that failed, and read again as it would be.
fn remembered_of(served: &Served, memory: &KeyLogView) -> (FollowError, KeyLogView) {
    let (policy, issuer) = (LogPolicy::default(), issuer());
    let followed = follow(&issuer, &policy, Some(memory.clone()), served, UnixTime(0));
    let NotFollowed { error, signed } = at_once(followed).unwrap_err();
    let view = signed.map_or_else(|| memory.clone(), |view| *view);
    let again = KeyLogView::from_json(&view.to_json().unwrap()).unwrap();
    assert_eq!(again, view);
    assert_eq!((&view.keys, view.head()), (&memory.keys, memory.head()));
    (error, view)
}

#[test]
fn what_was_signed_is_not_taken_back_because_its_entries_cannot_be_used() {
    let spoilers: [fn(&mut Served); 2] = [
        |served| served.entries.push(b"no entry".to_vec()),
        |served| {
            served.entries.push(entry(9));
            let path = "tile/entries/000.p/4".to_owned();
            served.instead.insert(path, None);
        },
    ];
    for spoil in spoilers {
        let mut served = Served::with(0..3);
        let view = followed(&mut served, None);
        spoil(&mut served);
        let (first, view) = remembered_of(&served, &view);
        assert!(!matches!(first, FollowError::Contradiction(_)), "{first}");
        // Without it, with another one in its place, and with that one and more.
        served.instead.clear();
        served.entries.truncate(3);
        for more in [None, Some(entry(5)), Some(entry(6)), Some(b"none".to_vec())] {
            served.entries.extend(more);
            let (error, kept) = remembered_of(&served, &view);
            assert!(matches!(error, FollowError::Contradiction(_)), "{error}");
            assert_eq!(kept, view);
        }
    }
}

#[test]
fn entries_that_are_served_at_last_are_taken_with_the_checkpoint_that_was_remembered() {
    let mut served = Served::with(0..2);
    let view = followed(&mut served, None);
    served.entries.extend((2..4).map(entry));
    let path = "tile/entries/000.p/4".to_owned();
    served.instead.insert(path, None);
    let (_, view) = remembered_of(&served, &view);
    served.entries.push(entry(4));
    let view = followed(&mut served, Some(view));
    view.require(&key(4)).unwrap();
    assert_eq!(view.position.unread(), None);
}

proptest! {
    #[test]
    fn no_memory_makes_it_panic(json in ".*") {
        let _ = KeyLogView::from_json(&json);
    }
}
