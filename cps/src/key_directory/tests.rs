//! A directory in files: what was registered stays, what was withdrawn stays withdrawn,
//! and nobody's renewal depends on what others have registered.

mod asked;
mod dropped;
pub(crate) mod holder;
mod sequences;
mod weights;

mod one_spelling;
mod placements;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{Coverage, KeyRecord, MAX_LIFETIME};
use pennyblack_runtime::reload::FromFiles;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::NumberRange;

use self::holder::{Holder, NOW, policy};
use super::reservation::Reservation;
use super::{KeyDirectory, Registered};
use crate::refusal::Refusal;

const LATER: UnixTime = UnixTime(NOW.0 + 100);

fn open(home: &Path, holders: &[&Holder], now: UnixTime) -> KeyDirectory {
    KeyDirectory::open(&home.join("keys"), policy(holders, home), now).unwrap()
}

fn listed(directory: &KeyDirectory) -> Vec<String> {
    let all = directory.all();
    let mut all: Vec<_> = all
        .iter()
        .map(|record| record.as_str().to_owned())
        .collect();
    all.sort();
    all
}

/// The record again, a second later, with so long to live.
fn renewed(record: &KeyRecord, seconds: u64) -> KeyRecord {
    let iat = UnixTime(record.iat.0 + 1);
    KeyRecord {
        iat,
        exp: iat.plus(Duration::from_secs(seconds)),
        ..record.clone()
    }
}

/// Registers records until there is no room for the holder: how many.
fn fill(directory: &KeyDirectory, holder: &Holder) -> usize {
    let mut count = 0;
    loop {
        match directory.register(&holder.sign(&holder.record()), NOW) {
            Ok(_) => count += 1,
            Err(Refusal::TooManyOfGrant { .. }) => return count,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_renewal_depends_on_nobodys_room_and_all_that_was_stored_is_listed_again() {
    let home = tempfile::tempdir().unwrap();
    let (one, block) = (Holder::new(), Holder::of_block());
    let holders = [&one, &block];
    let directory = Arc::new(open(home.path(), &holders, NOW));
    let record = one.record();
    directory.register(&one.sign(&record), NOW).unwrap();
    // Of nine blocks: heavier than the same of one number.
    let nine = NumberRange::new(holder::NUMBER.parse().unwrap(), 9).unwrap();
    let shared = KeyRecord {
        coverage: Coverage::Range(nine.clone()),
        ..block.record()
    };
    directory.register(&block.sign(&shared), NOW).unwrap();
    let small = block.record();
    directory.register(&block.sign(&small), NOW).unwrap();
    fill(&directory, &one);
    fill(&directory, &block);
    let renewed_once = renewed(&record, 86_400);
    let registered = directory.register(&one.sign(&renewed_once), NOW);
    assert_eq!(registered.unwrap(), Registered::Stored);

    let withdrawal = one.sign(&renewed(&renewed_once, 1));
    let considered = directory.consider(&withdrawal, NOW).unwrap().unwrap();
    let reserved = Reservation::of(Arc::clone(&directory), considered, NOW);
    assert!(reserved.unwrap().is_some());
    // One that is heavier needs more room.
    let heavier = KeyRecord {
        coverage: Coverage::Range(nine),
        ..renewed(&small, 86_400)
    };
    let refused = directory.register(&block.sign(&heavier), NOW);
    assert!(
        matches!(refused, Err(Refusal::TooManyOfGrant { .. })),
        "{refused:?}"
    );
    // By a certificate of other numbers it is paid for by others.
    let light = KeyRecord {
        coverage: one.record().coverage,
        ..renewed(&shared, 1)
    };
    let other = directory.register(&one.sign(&light), NOW);
    assert!(
        matches!(other, Err(Refusal::TooManyOfGrant { .. })),
        "{other:?}"
    );

    let before = listed(&directory);
    drop(directory);
    let directory = open(home.path(), &holders, NOW);
    assert_eq!(listed(&directory).len(), before.len());
    assert_eq!(listed(&directory), before);
    directory.register(&withdrawal, NOW).unwrap();
}

#[test]
fn a_heavier_record_needs_room_for_what_it_weighs_more() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_block());
    let directory = open(home.path(), &[&holder], NOW);
    let range = |count| NumberRange::new(holder::NUMBER.parse().unwrap(), count).unwrap();
    let eight = KeyRecord {
        coverage: Coverage::Range(range(8)),
        ..holder.record()
    };
    let small = holder.record();
    for record in [&eight, &small] {
        directory.register(&holder.sign(record), NOW).unwrap();
    }
    fill(&directory, &holder);
    // Less room than either of the two takes.
    directory
        .register(&holder.sign(&renewed(&small, 1)), NOW)
        .unwrap();
    directory.purge(LATER);
    let nine = KeyRecord {
        coverage: Coverage::Range(range(9)),
        ..renewed(&eight, 86_400)
    };
    let registered = directory.register(&holder.sign(&nine), LATER);
    assert_eq!(registered.unwrap(), Registered::Stored);
}

#[test]
fn a_withdrawn_record_cannot_be_registered_again() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = open(home.path(), &[&holder], NOW);
    let record = holder.record();
    let token = holder.sign(&record);
    directory.register(&token, NOW).unwrap();
    let withdrawal = holder.sign(&renewed(&record, 1));
    directory.register(&withdrawal, NOW).unwrap();
    directory.purge(LATER);
    let is_refused = |directory: &KeyDirectory| {
        let again = directory.register(&token, LATER);
        assert!(matches!(again, Err(Refusal::OlderRecord)), "{again:?}");
        assert_eq!(listed(directory), [""; 0]);
    };
    is_refused(&directory);
    drop(directory);
    let directory = open(home.path(), &[&holder], LATER);
    is_refused(&directory);
    drop(directory);
    // Nor after a start at which nobody could verify the withdrawal.
    let (elsewhere, stranger) = (tempfile::tempdir().unwrap(), Holder::new());
    let other_roots = policy(&[&stranger], elsewhere.path());
    drop(KeyDirectory::open(&home.path().join("keys"), other_roots, LATER).unwrap());
    let directory = open(home.path(), &[&holder], LATER);
    is_refused(&directory);

    // What has ended is charged, and forgotten when nothing is left to be refused.
    assert!(directory.read().taken().0 > 0);
    let end = NOW.plus(MAX_LIFETIME + Duration::from_secs(1));
    directory.purge(end);
    assert_eq!(directory.read().taken(), (0, 0));
    let files = std::fs::read_dir(home.path().join("keys")).unwrap();
    assert_eq!(files.count(), 0);

    // A newer record of the key takes the place of the withdrawal.
    let directory = open(home.path(), &[&holder], NOW);
    directory.register(&withdrawal, NOW).unwrap();
    directory.purge(LATER);
    let back = holder.sign(&renewed(&renewed(&record, 1), 86_400));
    directory.register(&back, LATER).unwrap();
    assert_eq!(listed(&directory), [back]);
}

#[test]
fn a_record_of_a_time_that_is_still_to_come_here_waits_for_it() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = open(home.path(), &[&holder], NOW);
    let [record, other] = [(); 2].map(|()| holder.record());
    let (withdrawn, kept) = (holder.sign(&record), holder.sign(&other));
    for token in [&withdrawn, &kept, &holder.sign(&renewed(&record, 1))] {
        directory.register(token, NOW).unwrap();
    }
    drop(directory);
    // The clock of this start is behind.
    let before = UnixTime(NOW.0 - 100);
    let directory = open(home.path(), &[&holder], before);
    assert_eq!(listed(&directory), [""; 0]);
    directory.purge(LATER);
    assert_eq!(listed(&directory), [kept]);
    let again = directory.register(&withdrawn, LATER);
    assert!(matches!(again, Err(Refusal::OlderRecord)), "{again:?}");
    // Nor does it lose what is listed when it is set back.
    let year_ago = UnixTime(NOW.0 - 365 * 86_400);
    directory.drop_refused(&directory.all(), year_ago);
    assert_eq!(listed(&directory).len(), 1);
}

#[test]
fn what_has_ended_weighs_the_accounts_that_it_needs() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_scattered(100));
    let directory = open(home.path(), &[&holder], NOW);
    let record = holder.record();
    let end = KeyRecord {
        exp: UnixTime(NOW.0 + 1),
        ..record
    };
    directory.register(&holder.sign(&end), NOW).unwrap();
    directory.purge(LATER);
    let (taken, accounts) = directory.read().taken();
    assert!(accounts > 500, "{accounts}");
    assert!(taken >= accounts as u64 * 128, "{taken} of {accounts}");
}

#[test]
fn an_end_that_follows_another_is_charged_once() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let first = renewed(&holder.record(), 1);
    let mut taken = Vec::new();
    // As another node registered them, of which this one hears later.
    for end in [&first, &renewed(&first, 1)] {
        let stored = vec![(String::new(), holder.sign(end))];
        assert!(directory.verify_stored(stored, LATER).is_empty());
        taken.push(directory.read().taken());
    }
    assert_eq!(taken[0], taken[1]);
    assert!(taken[0].0 > 0);
    directory.purge(LATER.plus(MAX_LIFETIME));
    assert_eq!(directory.read().taken(), (0, 0));
}

#[test]
fn an_end_in_redis_that_nobody_can_verify_ends_nothing() {
    let (home, holder, stranger) = (tempfile::tempdir().unwrap(), Holder::new(), Holder::new());
    let end = renewed(&holder.record(), 1);
    let id = (end.key.mailbox(), end.iss.clone());
    for (trusted, iat) in [(&stranger, None), (&holder, Some(end.iat))] {
        let directory = trusted.directory(home.path());
        let stored = vec![(String::new(), holder.sign(&end))];
        assert!(directory.verify_stored(stored, LATER).is_empty());
        assert_eq!(directory.read().newest(&id), iat);
    }
}

#[test]
fn what_was_read_before_a_newer_record_was_registered_changes_nothing() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let older = holder.record();
    let ended = renewed(&older, 1);
    let newer = holder.sign(&renewed(&ended, 86_400));
    directory.register(&newer, LATER).unwrap();
    for read in [&older, &ended] {
        directory.take_in(vec![(String::new(), holder.sign(read))], LATER);
        assert_eq!(listed(&directory), std::slice::from_ref(&newer));
        // Nor what was on its way to Redis meanwhile.
        let written = directory.verify(&holder.sign(read), read.iat).unwrap();
        directory.insert_newer(written);
        assert_eq!(listed(&directory), std::slice::from_ref(&newer));
    }
}

#[test]
fn nobody_hears_of_a_record_that_has_ended_also_before_it_is_removed() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let record = renewed(&holder.record(), 50);
    directory
        .register(&holder.sign(&record), record.iat)
        .unwrap();
    let number = holder::NUMBER.parse().unwrap();
    for (now, is_told) in [
        (record.exp.minus(Duration::from_secs(1)), true),
        (record.exp, false),
    ] {
        assert_eq!(
            directory
                .key_for_stores(record.key.mailbox(), now)
                .is_some(),
            is_told
        );
        assert_eq!(!directory.of_number(&number, now).is_empty(), is_told);
        let page = directory.of_prefix(&"1212".parse().unwrap(), None, now);
        assert_eq!(!page.unwrap().records.is_empty(), is_told);
    }
}

#[test]
fn who_registers_has_only_the_waiting_record_of_its_own_key_verified() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let records = [(); 3].map(|()| holder.record());
    let directory = open(home.path(), &[&holder], NOW);
    for record in &records {
        directory.register(&holder.sign(record), NOW).unwrap();
    }
    let mut little = policy(&[&holder], home.path());
    little.capacity = 2;
    let directory = KeyDirectory::open(&home.path().join("keys"), little, NOW).unwrap();
    let waiting = directory.waiting_names();
    assert_eq!((listed(&directory).len(), waiting.len()), (2, 1));
    let is_listed = |record: &&KeyRecord| listed(&directory).contains(&holder.sign(record));
    let first = records.iter().find(is_listed).unwrap();
    let second = records.iter().find(|record| !is_listed(record)).unwrap();

    let older = KeyRecord {
        iat: UnixTime(second.iat.0 - 1),
        ..second.clone()
    };
    let is_refused = || {
        let older = directory.register(&holder.sign(&older), LATER);
        assert!(matches!(older, Err(Refusal::OlderRecord)), "{older:?}");
    };
    is_refused();
    assert_eq!(directory.waiting_names(), waiting);
    // The first one ends, so that there would be room for the second.
    directory
        .register(&holder.sign(&renewed(first, 1)), NOW)
        .unwrap();
    directory.remove_ended(LATER);
    let stranger = directory.register(&holder.sign(&holder.record()), LATER);
    assert!(stranger.is_err());
    assert_eq!(directory.waiting_names(), waiting);
    assert_eq!(listed(&directory).len(), 1);
    is_refused();
    assert!(listed(&directory).contains(&holder.sign(second)));
    assert!(directory.waiting_names().is_empty());
}

#[test]
fn a_record_answers_for_a_bounded_number_of_blocks() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_spc());
    for (count, is_stored) in [(4_096_u64, true), (4_097, false)] {
        let rows = (0..count).map(|n| format!("683G,{},1\n", 12_120_000_000 + 2 * n));
        let csv = format!("spc,first,count\n{}", rows.collect::<String>());
        let mut policy = policy(&[&holder], home.path());
        let read = move || NumberingTable::parse(csv.as_bytes());
        policy.numbering = Some(FromFiles::open("the table of a test", read).unwrap());
        let directory = KeyDirectory::unread(policy);
        let record = KeyRecord {
            iss: "683G".to_owned(),
            coverage: Coverage::Spc("683G".parse().unwrap()),
            ..holder.record()
        };
        let registered = directory.register(&holder.sign(&record), NOW);
        assert_eq!(registered.is_ok(), is_stored, "{registered:?}");
    }
}

#[test]
fn a_certificate_of_too_many_blocks_registers_nothing() {
    for (ranges, is_stored) in [(25, true), (26, false)] {
        let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_ranges(ranges));
        let number = "12125550105".to_owned();
        let record = KeyRecord {
            coverage: Coverage::Number(number.parse().unwrap()),
            iss: number,
            ..holder.record()
        };
        let registered = holder
            .directory(home.path())
            .register(&holder.sign(&record), NOW);
        match registered {
            Ok(_) => assert!(is_stored),
            Err(error) => assert!(
                !is_stored && matches!(error, Refusal::ScatteredGrant { .. }),
                "{error}"
            ),
        }
    }
}
