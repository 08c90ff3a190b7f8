//! A log over a disk and files that lose power in the middle of anything.

use std::collections::BTreeMap;

use pennyblack_storage::fault_disk::{FaultDisk, SyncFault, seeds};
use rand::RngExt as _;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::memory_files::MemoryFiles;

type FragileLog = TransparencyLog<FaultDisk, MemoryFiles>;

struct Fragile {
    disk: FaultDisk,
    files: MemoryFiles,
}

impl Fragile {
    /// The log, and what is in it.
    fn open(&self) -> Result<(FragileLog, Vec<Vec<u8>>), OpenLogError> {
        let mut rng = StdRng::seed_from_u64(7);
        let key = NoteSigner::generate(name(), SignatureType::Ed25519, &mut rng);
        let mut entries = Vec::new();
        let disk = Arc::new(self.disk.clone());
        let log = TransparencyLog::on(disk, self.files.clone(), key, None, |_, entry| {
            entries.push(entry.to_vec());
        })?;
        Ok((log, entries))
    }

    /// The tree that anybody can have seen to be signed for.
    fn signed(&self) -> Option<TreeHead> {
        let contents = self.files.contents();
        let text = String::from_utf8(contents.get("checkpoint")?.clone()).unwrap();
        let checkpoint: SignedCheckpoint = text.parse().unwrap();
        Some(checkpoint.checkpoint().head)
    }
}

/// What somebody was told.
#[derive(Default)]
struct Told {
    promised: BTreeMap<u64, Vec<u8>>,
    signed: Vec<TreeHead>,
}

impl Told {
    fn is_true_of(&self, entries: &[Vec<u8>]) -> Result<(), String> {
        for (place, entry) in &self.promised {
            if entries.get(*place as usize) != Some(entry) {
                return Err(format!("entry {place} was promised and is another"));
            }
        }
        for head in &self.signed {
            let before = entries.get(..head.size as usize);
            if before.map(head_of) != Some(*head) {
                return Err(format!("{head:?} was signed and is not true"));
            }
        }
        Ok(())
    }
}

/// Opens and appends until the power is lost, a few times over.
fn run(runtime: &Runtime, seed: u64, honest: bool) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut fragile = Fragile {
        disk: FaultDisk::default(),
        files: MemoryFiles::default(),
    };
    let mut told = Told::default();
    let mut number = 0;
    for _ in 0..4 {
        if !honest {
            fragile.disk.ignore_syncs();
        }
        let steps = rng.random_range(0..12);
        fragile.files.lose_power_after(steps, rng.random());
        if let Ok((log, entries)) = fragile.open() {
            told.is_true_of(&entries)?;
            for _ in 0..rng.random_range(1..150) {
                if rng.random_range(0..40) == 0 {
                    fragile.disk.fail_next_sync(SyncFault::Persisted);
                }
                let entry = entry(number);
                number += 1;
                if let Ok(place) = runtime.block_on(log.append(entry.clone()))
                    && told.promised.insert(place, entry).is_some()
                {
                    return Err(format!("the place {place} was given twice"));
                }
            }
        }
        told.signed.extend(fragile.signed());
        fragile = Fragile {
            disk: fragile.disk.after_power_loss(rng.random()),
            files: fragile.files.after_power_loss(),
        };
    }
    let (log, entries) = fragile.open().map_err(|error| error.to_string())?;
    told.is_true_of(&entries)?;
    if log.checkpoint().checkpoint().head != head_of(&entries) {
        return Err("not all entries were signed for after a start".to_owned());
    }
    Ok(())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

#[test]
fn what_was_promised_or_signed_survives_a_loss_of_power_at_any_step() {
    let runtime = runtime();
    for seed in seeds().step_by(20) {
        let outcome = run(&runtime, seed, true);
        assert_eq!(outcome, Ok(()), "seed {seed}");
    }
}

#[test]
fn a_disk_that_only_says_it_has_synced_is_found_out() {
    let runtime = runtime();
    let caught = (0..50).filter(|seed| run(&runtime, *seed, false).is_err());
    assert!(caught.count() > 10, "the harness would notice nothing");
}
