#![no_main]
//! A journal as it may lie on a disk. Whatever was done to it: if it opens, it
//! opens again with the same records, and what is appended then is not lost.

use std::sync::Arc;

use pennyblack_base::wire::Reader;
use pennyblack_storage::disk::{Disk as _, DiskFile as _};
use pennyblack_storage::fault_disk::FaultDisk;
use pennyblack_storage::group_commit::FrameBuilder;
use pennyblack_storage::journal::Journal;

pennyblack_fuzz::fuzz_bytes!(check);

/// So few that the disk in memory they lie on costs little of the memory budget.
const MOST_SEGMENTS: u64 = 64;

fn check(bytes: &[u8]) {
    let disk = Arc::new(FaultDisk::default());
    put_segments(&disk, bytes);
    let mut found = Vec::new();
    let opened = Journal::open(disk.clone(), "j", |_, record| found.push(record.to_vec()));
    let Ok(mut journal) = opened else {
        return;
    };
    assert_eq!(records(&disk), found);

    let mut frame = FrameBuilder::default();
    frame.push(&[b"appended"]);
    journal.append(&mut frame).expect("a sound disk");
    drop(journal);
    found.push(b"appended".to_vec());
    assert_eq!(records(&disk), found);
}

fn records(disk: &Arc<FaultDisk>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    Journal::open(disk.clone(), "j", |_, record| found.push(record.to_vec())).expect("a journal");
    found
}

/// Makes segments of the input, as it says: a kind and bytes (with a `uint16`
/// length) again and again, where the kinds are a sound frame with this payload,
/// these bytes as they are, and the next segment.
fn put_segments(disk: &FaultDisk, bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let (mut segment, mut frames, mut contents) = (0, 0, Vec::new());
    let mut salt = [0; 8];
    while let (Ok(kind), Ok(part)) = (reader.u8(), reader.vec_u16()) {
        match kind % 4 {
            0 | 1 => {
                contents.extend(sound_frame(frames, salt, part));
                if frames == 0 {
                    salt = told_salt(part);
                }
                frames += 1;
            }
            2 => contents.extend_from_slice(part),
            _ if segment + 1 == MOST_SEGMENTS => {}
            _ => {
                put_segment(disk, segment, &contents);
                (segment, frames, salt) = (segment + 1, 0, [0; 8]);
                contents.clear();
            }
        }
    }
    put_segment(disk, segment, &contents);
}

fn put_segment(disk: &FaultDisk, number: u64, contents: &[u8]) {
    let mut file = disk
        .create(&format!("j-{number:016x}"))
        .expect("a new file");
    file.append(contents).expect("room");
    file.sync().expect("a sound disk");
}

/// A frame as the journal writes it, in code of its own.
fn sound_frame(index: u64, salt: [u8; 8], payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let index = index.to_be_bytes();
    let crc = crc32fast::hash(&[&salt[..], &length, &index, payload].concat()).to_be_bytes();
    [b"PBF2", &length[..], &index, &crc, payload].concat()
}

/// The salt that a first frame with this payload tells: the first eight bytes of
/// its first record.
fn told_salt(payload: &[u8]) -> [u8; 8] {
    let mut reader = Reader::new(payload);
    let record = reader.u32().and_then(|length| reader.take(length as usize));
    let told = record.ok().and_then(|record| record.first_chunk().copied());
    told.unwrap_or([0; 8])
}
