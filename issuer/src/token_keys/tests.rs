use std::fs;
use std::time::Duration;

use pennyblack_storage::atomic_file;
use tempfile::TempDir;

use super::key_files::KeyFiles;
use super::rotation::refuse_collisions;
use super::*;

const NOW: UnixTime = UnixTime(1_790_000_000);
const SCHEDULE: KeySchedule = KeySchedule {
    epoch: Duration::from_secs(86_400),
    announce_ahead: Duration::from_secs(7_200),
};

const PLAN: KeyPlan = KeyPlan {
    schedule: SCHEDULE,
    key_type: KeyType::BlindRsa,
};

fn open(directory: &TempDir, now: UnixTime) -> Result<TokenKeys, KeyError> {
    let files = KeyFiles::open(&directory.path().join("keys")).unwrap();
    let keys = TokenKeys::open(Box::new(files), PLAN, &[], now)?.publish();
    turn(&keys, now)?;
    Ok(keys)
}

/// Rotates and deletes, as the issuer does.
fn turn(keys: &TokenKeys, now: UnixTime) -> Result<UnixTime, KeyError> {
    let turned = keys.publish(keys.prepare(&[], now)?);
    keys.delete(&turned.withdrawn)?;
    Ok(turned.next)
}

fn files(directory: &TempDir) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory.path().join("keys")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_same_key_is_found_again() {
    let directory = TempDir::new().unwrap();
    let first: Vec<_> = open(&directory, NOW).unwrap().live().ids().collect();
    let again: Vec<_> = open(&directory, NOW).unwrap().live().ids().collect();
    assert_eq!(first, again);
}

/// A crash can fall between writing the next key and publishing it, and between
/// withdrawing the last one and deleting it. Both leave only files, and the files
/// decide.
#[test]
fn a_crash_at_any_point_of_a_rotation_ends_in_the_same_keys() {
    let directory = TempDir::new().unwrap();
    let keys = open(&directory, NOW).unwrap();
    let announced = NOW.plus(SCHEDULE.epoch - SCHEDULE.announce_ahead);
    turn(&keys, announced).unwrap();
    let after: Vec<_> = keys.live().ids().collect();
    assert_eq!(after.len(), 2);
    // Written, not published:
    assert_eq!(
        open(&directory, announced)
            .unwrap()
            .live()
            .ids()
            .collect::<Vec<_>>(),
        after
    );

    let second_announced = announced.plus(SCHEDULE.epoch);
    let third = NOW.plus(SCHEDULE.epoch * 2);
    turn(&keys, second_announced).unwrap();
    let with_first = files(&directory);
    assert_eq!(with_first.len(), 3);
    let first = fs::read(&with_first[0]).unwrap();
    turn(&keys, third).unwrap();
    let live: Vec<_> = keys.live().ids().collect();
    assert_eq!(files(&directory).len(), 2);
    // Withdrawn, not deleted:
    atomic_file::write_private(&with_first[0], &first).unwrap();
    assert_eq!(
        open(&directory, third)
            .unwrap()
            .live()
            .ids()
            .collect::<Vec<_>>(),
        live
    );
    assert_eq!(files(&directory).len(), 2);
}

#[test]
fn a_key_that_is_prepared_is_kept_and_not_shown_until_it_is_published() {
    let directory = TempDir::new().unwrap();
    let keys = open(&directory, NOW).unwrap();
    let before = keys.live();
    let announced = NOW.plus(SCHEDULE.epoch - SCHEDULE.announce_ahead);
    // Given up twice, as when the log cannot be written: it is the same key.
    drop(keys.prepare(&[], announced).unwrap());
    let prepared = keys.prepare(&[], announced).unwrap();
    assert_eq!(files(&directory).len(), 2);
    assert_eq!(keys.live().directory(), before.directory());
    let expected: Vec<_> = prepared.live().ids().collect();
    assert_eq!(expected.len(), 2);
    keys.publish(prepared);
    assert_eq!(keys.live().ids().collect::<Vec<_>>(), expected);
}

#[test]
fn rotating_says_when_to_rotate_again() {
    let directory = TempDir::new().unwrap();
    let keys = open(&directory, NOW).unwrap();
    let announce = NOW.plus(SCHEDULE.epoch - SCHEDULE.announce_ahead);
    assert_eq!(turn(&keys, NOW).unwrap(), announce);
    assert_eq!(turn(&keys, announce).unwrap(), NOW.plus(SCHEDULE.epoch));
}

#[test]
fn a_clock_that_was_ten_years_ahead_for_a_while_leaves_the_present_key_and_its_rotation() {
    let directory = TempDir::new().unwrap();
    let keys = open(&directory, NOW).unwrap();
    let present: Vec<_> = keys.live().ids().collect();
    turn(&keys, NOW.plus(SCHEDULE.epoch * 3650)).unwrap();
    assert_eq!(keys.live().ids().count(), 2);
    turn(&keys, NOW).unwrap();
    assert_eq!(keys.live().ids().collect::<Vec<_>>(), present);
    assert_eq!(files(&directory).len(), 1);
    let announce = NOW.plus(SCHEDULE.epoch - SCHEDULE.announce_ahead);
    assert_eq!(turn(&keys, NOW).unwrap(), announce);
}

#[test]
fn a_damaged_or_foreign_key_file_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    open(&directory, NOW).unwrap();
    let path = files(&directory).remove(0);
    let good = fs::read(&path).unwrap();

    fs::write(&path, b"-----BEGIN").unwrap();
    let said = open(&directory, NOW).unwrap_err().to_string();
    assert!(said.contains(path.to_str().unwrap()), "{said}");

    fs::write(
        &path,
        SigningKey::generate(KeyType::BlindRsa)
            .unwrap()
            .to_file()
            .unwrap(),
    )
    .unwrap();
    let said = open(&directory, NOW).unwrap_err().to_string();
    assert!(said.contains("another key"), "{said}");

    fs::write(&path, good).unwrap();
    fs::write(path.with_file_name("other.pem"), b"").unwrap();
    let said = open(&directory, NOW).unwrap_err().to_string();
    assert!(said.contains("other.pem"), "{said}");
}

#[test]
fn a_key_that_cannot_be_written_is_not_published() {
    let directory = TempDir::new().unwrap();
    let keys = open(&directory, NOW).unwrap();
    let before: Vec<_> = keys.live().ids().collect();
    fs::remove_dir_all(directory.path().join("keys")).unwrap();
    let announced = NOW.plus(SCHEDULE.epoch - SCHEDULE.announce_ahead);
    assert!(matches!(turn(&keys, announced), Err(KeyError::Files(_))));
    assert_eq!(keys.live().ids().collect::<Vec<_>>(), before);
}

#[test]
fn keys_whose_ids_end_alike_are_refused() {
    let key = || {
        Arc::new(TokenKey::new(
            SigningKey::generate(KeyType::BlindRsa).unwrap(),
            NOW,
        ))
    };
    let first = key();
    let twin = Arc::new(TokenKey::new(
        SigningKey::from_file(KeyType::BlindRsa, &first.signing().to_file().unwrap()).unwrap(),
        NOW,
    ));
    assert!(refuse_collisions(&[Arc::clone(&first)]).is_ok());
    assert!(matches!(
        refuse_collisions(&[first, twin]),
        Err(KeyError::Collision(_, _))
    ));
}

/// As after a move to a store that has none of the keys in the log.
#[test]
fn nobody_can_draw_before_the_first_key_begins() {
    let directory = TempDir::new().unwrap();
    let files = KeyFiles::open(&directory.path().join("keys")).unwrap();
    let logged = [NOW.minus(Duration::from_secs(60))];
    let keys = TokenKeys::open(Box::new(files), PLAN, &logged, NOW).unwrap();
    let keys = keys.publish();
    let first = keys.live().starts()[0];
    assert!(first > NOW);
    let why = keys.trouble(NOW).unwrap();
    assert!(why.contains(&first.to_string()), "{why}");
    assert_eq!(keys.trouble(first), None);
    keys.withhold("Redis has lost keys");
    let why = keys.trouble(first).unwrap();
    assert!(why.contains("Redis has lost keys"), "{why}");
}
