use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::fault_disk::{FaultDisk, SyncFault, seeds};
use crate::frame::HEADER_SIZE;

fn open(disk: &FaultDisk) -> Result<(Journal<FaultDisk>, Vec<Vec<u8>>), JournalError> {
    let mut records = Vec::new();
    let journal = Journal::open(Arc::new(disk.clone()), "j", |_, record| {
        records.push(record.to_vec());
    })?;
    Ok((journal, records))
}

/// Opens it as an operator does, who starts the process again when the disk refused.
fn open_at_last(disk: &FaultDisk) -> Result<(Journal<FaultDisk>, Vec<Vec<u8>>), JournalError> {
    loop {
        match open(disk) {
            Err(JournalError::Io(_)) => {}
            other => return other,
        }
    }
}

fn frame(records: &[&[u8]]) -> FrameBuilder {
    let mut frame = FrameBuilder::default();
    for record in records {
        frame.push(&[record]);
    }
    frame
}

/// What a run of random operations knows about its records.
#[derive(Default)]
struct Knowledge {
    acknowledged: Vec<Vec<u8>>,
    /// Refused with an error after which something was acknowledged: void.
    void: Vec<Vec<u8>>,
    /// Refused, and nothing was acknowledged since: may be there or not.
    unknown: Vec<Vec<u8>>,
}

impl Knowledge {
    fn record(&mut self, record: Vec<u8>, appended: io::Result<()>) {
        if appended.is_ok() {
            self.acknowledged.push(record);
            self.void.append(&mut self.unknown);
        } else {
            self.unknown.push(record);
        }
    }

    /// None acknowledged is missing or doubled, none void is back, order is kept.
    fn agrees_with(&mut self, found: &[Vec<u8>]) -> bool {
        let kept: Vec<_> = found
            .iter()
            .filter(|record| !self.unknown.contains(record))
            .cloned()
            .collect();
        // What was found is durable from now on.
        let returned = self.unknown.drain(..).filter(|r| found.contains(r));
        let returned: Vec<_> = returned.collect();
        let agrees = kept == self.acknowledged;
        self.acknowledged.extend(returned);
        agrees
    }
}

/// Appends, rolls, injected faults and losses of power in random order.
fn run(seed: u64, plant_bug: bool) -> Result<bool, JournalError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut disk = FaultDisk::default();
    let mut known = Knowledge::default();
    let (mut journal, _) = open(&disk)?;
    if plant_bug {
        disk.ignore_syncs();
    }
    for step in 0..40u32 {
        match rng.random_range(0..10) {
            0 => journal.roll(),
            1 => disk.fail_next_sync(SyncFault::Lost),
            2 if rng.random() => disk.fail_next_directory_sync(),
            2 => disk.fail_next_sync(SyncFault::Persisted),
            3 => {
                // The process ends, and half of the times the power with it.
                drop(journal);
                if rng.random() {
                    disk = disk.after_power_loss(rng.random());
                }
                let found;
                (journal, found) = open_at_last(&disk)?;
                if !known.agrees_with(&found) {
                    return Ok(false);
                }
                if plant_bug {
                    disk.ignore_syncs();
                }
            }
            _ => {
                let size = rng.random_range(4..400);
                let mut record = vec![7; size];
                record[..4].copy_from_slice(&step.to_be_bytes());
                let appended = journal.append(&mut frame(&[&record]));
                known.record(record, appended);
            }
        }
    }
    let (_, found) = open(&disk.after_power_loss(rng.random()))?;
    Ok(known.agrees_with(&found))
}

#[test]
fn no_loss_of_power_takes_what_was_acknowledged_or_brings_back_what_was_not() {
    for seed in seeds() {
        assert!(matches!(run(seed, false), Ok(true)), "seed {seed}");
    }
}

#[test]
fn the_harness_catches_a_sync_that_is_skipped() {
    let caught = (0..200).filter(|&seed| !matches!(run(seed, true), Ok(true)));
    assert!(caught.count() > 100);
}

#[test]
fn a_frame_that_failed_is_void_once_another_was_acknowledged() {
    for fault in [SyncFault::Lost, SyncFault::Persisted] {
        let disk = FaultDisk::default();
        let (mut journal, _) = open(&disk).unwrap();
        journal.append(&mut frame(&[b"first"])).unwrap();
        disk.fail_next_sync(fault);
        assert!(journal.append(&mut frame(&[b"refused"])).is_err());
        journal.append(&mut frame(&[b"second"])).unwrap();
        let (_, found) = open(&disk).unwrap();
        assert_eq!(found, [b"first".as_slice(), b"second"]);
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"first"])).unwrap();
    disk.limit(Some(150));
    for _ in 0..3 {
        assert!(journal.append(&mut frame(&[&[1; 500]])).is_err());
    }
    disk.limit(None);
    journal.append(&mut frame(&[b"second"])).unwrap();
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found, [b"first".as_slice(), b"second"]);
}

#[test]
fn damage_in_the_middle_is_refused_and_named() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    for _ in 0..3 {
        journal.append(&mut frame(&[&[1; 100]])).unwrap();
    }
    let name = name("j", 0);
    let mut contents = disk.open(&name).unwrap().read_all().unwrap();
    contents[200] ^= 1;
    let damaged = FaultDisk::default();
    damaged.create(&name).unwrap().append(&contents).unwrap();
    let error = open(&damaged).err().unwrap();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}

/// The salt of all later frames is in the first one.
#[test]
fn damage_anywhere_in_the_first_frame_is_refused_when_others_follow() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"acknowledged"])).unwrap();
    let name = name("j", 0);
    let contents = disk.open(&name).unwrap().read_all().unwrap();
    for at in 0..HEADER_SIZE + 4 + 8 {
        let mut contents = contents.clone();
        contents[at] ^= 1;
        let damaged = FaultDisk::default();
        damaged.create(&name).unwrap().append(&contents).unwrap();
        let error = open(&damaged).err().unwrap();
        let refused = matches!(
            error,
            JournalError::Damaged { .. } | JournalError::OtherVersion(_)
        );
        assert!(refused, "byte {at}: {error}");
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_durable_when_it_was_found_at_a_restart() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"first"])).unwrap();
    disk.fail_next_sync(SyncFault::Lost);
    assert!(journal.append(&mut frame(&[&[1; 1_000]])).is_err());
    drop(journal);
    // The process starts anew, and the page cache shows it all.
    let (journal, found) = open(&disk).unwrap();
    assert_eq!(found.len(), 2);
    drop(journal);
    for seed in 0..20 {
        let (_, kept) = open(&disk.after_power_loss(seed)).unwrap();
        assert_eq!(kept, found, "seed {seed}");
    }
}

#[test]
fn a_full_disk_is_not_filled_with_empty_segments() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"first"])).unwrap();
    disk.limit(Some(0));
    for _ in 0..20 {
        assert!(journal.append(&mut frame(&[b"refused"])).is_err());
    }
    assert_eq!(disk.list().unwrap().len(), 1);
    assert_eq!(journal.sealed(), [SegmentNumber(0)]);
}

#[test]
fn a_segment_that_is_not_prepared_in_time_is_not_waited_for() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let slow = disk.clone();
    journal.prepared = Some(Prepared {
        number: 0,
        file: std::thread::spawn(move || {
            wait.recv().unwrap();
            slow.create_zeroed(&name("j", 0), 5_000)
        }),
    });
    journal.next = 1;
    journal.append(&mut frame(&[b"a"])).unwrap();
    assert_eq!(journal.current(), SegmentNumber(1));
    release.send(()).unwrap();
    drop(journal);
    assert_eq!(disk.list().unwrap(), [name("j", 1)]);
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found, [b"a"]);
}

#[test]
fn damage_at_the_end_of_a_sealed_segment_is_refused() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[&[1; 100]])).unwrap();
    journal.roll();
    journal.append(&mut frame(&[b"next"])).unwrap();
    let mut first = disk.open(&name("j", 0)).unwrap();
    let length = first.length().unwrap();
    first.truncate(length - 1).unwrap();
    assert!(matches!(open(&disk), Err(JournalError::Damaged { .. })));
}

#[test]
fn removed_segments_stay_away_and_numbers_go_on() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    for record in [b"a", b"b"] {
        journal.append(&mut frame(&[record])).unwrap();
        journal.roll();
    }
    let sealed = journal.sealed();
    assert_eq!(sealed, [SegmentNumber(0), SegmentNumber(1)]);
    for segment in &sealed {
        journal.remove(*segment).unwrap();
    }
    // An empty one keeps the numbers going.
    assert_eq!(journal.sealed(), []);
    assert_eq!(journal.current(), SegmentNumber(2));
    let (mut journal, found) = open(&disk).unwrap();
    assert_eq!(found, Vec::<Vec<u8>>::new());
    journal.append(&mut frame(&[b"c"])).unwrap();
    assert_eq!(journal.current(), SegmentNumber(3));
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found, [b"c"]);
}

#[test]
fn a_segment_whose_removal_failed_half_way_is_removed_by_the_next_attempt() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    for record in [b"a", b"b"] {
        journal.append(&mut frame(&[record])).unwrap();
        journal.roll();
    }
    disk.fail_next_directory_sync();
    assert!(journal.remove(SegmentNumber(0)).is_err());
    // It may come back with a loss of power, and so it still counts.
    assert_eq!(journal.sealed(), [SegmentNumber(0), SegmentNumber(1)]);
    journal.remove(SegmentNumber(0)).unwrap();
    assert_eq!(journal.sealed(), [SegmentNumber(1)]);
}

#[test]
fn a_segment_says_nothing_about_newer_ones() {
    let disk = FaultDisk::default();
    let mut file = disk.create(&name("j", 0)).unwrap();
    let salt = 7u64.to_be_bytes();
    let length_of_the_next = [salt, 1u64.to_be_bytes(), 20u64.to_be_bytes()].concat();
    let mut first = frame(&[&length_of_the_next]);
    file.append(first.seal(0, Salt::OF_FIRST)).unwrap();

    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"a"])).unwrap();
    drop(journal);
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found, [b"a"]);
}

#[test]
fn after_a_long_segment_the_next_is_made_ahead_and_replays_like_any_other() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    for record in [[1; 2_000], [2; 2_000], [3; 2_000]] {
        journal.append(&mut frame(&[&record])).unwrap();
        journal.roll();
    }
    // The third was prepared while the second was written to, as long as the first.
    journal.append(&mut frame(&[b"short"])).unwrap();
    assert_eq!(journal.current(), SegmentNumber(3));
    let current = disk.open(&name("j", 3)).unwrap();
    assert!(current.length().unwrap() > 2_000);
    for disk in [disk.clone(), disk.after_power_loss(1)] {
        let (_, found) = open(&disk).unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[3], b"short");
    }
}

#[test]
fn a_segment_that_could_not_be_made_ahead_is_begun_empty() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[&[1; 2_000]])).unwrap();
    journal.roll();
    // Room for what is written, and none for zeros.
    disk.limit(Some(3_500));
    journal.append(&mut frame(&[b"a"])).unwrap();
    journal.roll();
    journal.append(&mut frame(&[b"b"])).unwrap();
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found[1..], [b"a", b"b"]);
}

/// An OOB-AS chooses the bytes of its entry. A frame among them must not make a
/// torn end look like damage.
#[test]
fn a_frame_planted_in_a_torn_record_is_not_taken_for_one_of_ours() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"first"])).unwrap();
    let sound = disk.open(&name("j", 0)).unwrap().length().unwrap();
    let planted = frame(&[b"planted"]).seal(9, Salt::OF_FIRST).to_vec();
    journal.append(&mut frame(&[&planted])).unwrap();

    let mut contents = disk.open(&name("j", 0)).unwrap().read_all().unwrap();
    contents[usize::try_from(sound).unwrap()] ^= 1;
    let torn = FaultDisk::default();
    torn.create(&name("j", 0))
        .unwrap()
        .append(&contents)
        .unwrap();
    let (_, found) = open(&torn).unwrap();
    assert_eq!(found, [b"first"]);
}

#[test]
fn a_journal_of_another_version_is_refused_and_not_taken_for_an_empty_one() {
    let disk = FaultDisk::default();
    let mut file = disk.create(&name("j", 0)).unwrap();
    file.append(b"PBF1, and whatever followed then").unwrap();
    let error = open(&disk).err().unwrap();
    assert!(matches!(error, JournalError::OtherVersion(_)), "{error}");
}

#[test]
fn a_void_frame_stays_void_when_the_segment_that_said_so_is_removed() {
    let disk = FaultDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&mut frame(&[b"first"])).unwrap();
    disk.fail_next_sync(SyncFault::Persisted);
    assert!(journal.append(&mut frame(&[b"refused"])).is_err());
    // A segment that says how long the one before it is, and holds nothing else.
    disk.limit(Some(300));
    assert!(journal.append(&mut frame(&[&[1; 500]])).is_err());
    disk.limit(None);
    assert_eq!(journal.sealed(), [SegmentNumber(0), SegmentNumber(1)]);
    journal.remove(SegmentNumber(1)).unwrap();
    journal.append(&mut frame(&[b"second"])).unwrap();
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found, [b"first".as_slice(), b"second"]);
}
