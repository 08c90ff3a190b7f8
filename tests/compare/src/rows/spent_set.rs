//! The store by itself: spends committed in groups, without requests around them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pennyblack_cps::store::{Outcome, Store as _};
use pennyblack_runtime::clock::Clock;

use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::latency::percentile;
use crate::machine::pin;
use crate::pairs::Pairs;
use crate::peer::{Comparison, Peer};
use crate::report::number;
use crate::setting::Setting;
use crate::store::{GROUP, open, spend, spend_all};

const SPENDS: usize = 64 * 1_000;
/// Bytes of an entry: the row is about tokens.
const ENTRY: usize = 16;

/// What cannot be beaten: a file as long as it will ever be, one write and one
/// sync for a group, and a set of nonces in memory.
struct BareJournal {
    file: File,
    spent: HashSet<[u8; 32]>,
    offset: u64,
}

impl BareJournal {
    /// Bytes of a spend with its evidence and the entry.
    const RECORD: usize = 216 + ENTRY;

    fn create(path: &Path, spends: usize) -> Self {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .unwrap();
        let zeros = vec![0; 1 << 20];
        for chunk in 0..=(spends * Self::RECORD / zeros.len()) {
            file.write_all_at(&zeros, (chunk * zeros.len()) as u64)
                .unwrap();
        }
        file.sync_all().unwrap();
        Self {
            file,
            spent: HashSet::new(),
            offset: 0,
        }
    }

    fn spend_group(&mut self, first: u64) {
        let mut bytes = Vec::with_capacity(GROUP * Self::RECORD);
        for token in first..first + GROUP as u64 {
            let mut record = [5; Self::RECORD];
            record[..8].copy_from_slice(&token.to_be_bytes());
            let nonce = *record.first_chunk().unwrap();
            if self.spent.insert(nonce) {
                bytes.extend_from_slice(&record);
            }
        }
        self.file.write_all_at(&bytes, self.offset).unwrap();
        self.file.sync_data().unwrap();
        self.offset += bytes.len() as u64;
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let store = open(&home.path().join("store"), &clock);
    let spends = setting.scaled(SPENDS) / GROUP * GROUP;
    let mut first = 0;
    let mut ours = || {
        let (took, _) = spend_all(&store, &clock, GROUP, spends as u64, |number| {
            spend(first + number, ENTRY, &clock)
        });
        first += spends as u64;
        took.as_secs_f64() / spends as f64
    };
    let mut bare = BareJournal::create(&home.path().join("bare"), spends * (setting.pairs + 1));
    let mut next = 0;
    let floor = || in_groups(spends, &mut next, |first| bare.spend_group(first));
    let pairs = Pairs::measure(setting.pairs, &mut ours, floor);
    let mut findings = vec![
        Finding::measured(
            "spent set, group commit of 64: inserts",
            "bare preallocated journal + hash set",
            Goal::AtLeast(0.5),
            Unit::Times,
            pairs.speed(),
        )
        .note(inserts(&pairs)),
    ];
    let engines = [
        ("fjall", "the `fjall` crate: a batch of 64, synced"),
        ("redb", "the `redb` crate: a transaction of 64, durable"),
    ];
    for (engine, against) in engines {
        let place = home.path().join(engine);
        let arguments = [OsStr::new(engine), place.as_os_str()];
        let peer = Peer::start(setting, setting.cores.load, &arguments);
        let comparison = Comparison {
            what: "the same",
            against,
            goal: 1.0,
        };
        findings.push(comparison.by_turns(setting, peer, spends, &mut ours, inserts));
    }
    findings
}

/// Seconds for one of `spends`, which come in groups; `next` is the first of them.
fn in_groups(spends: usize, next: &mut u64, mut spend_group: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    for _ in 0..spends / GROUP {
        spend_group(*next);
        *next += GROUP as u64;
    }
    start.elapsed().as_secs_f64() / spends as f64
}

fn inserts(pairs: &Pairs) -> String {
    format!(
        "{} inserts a second, against {}",
        number(1.0 / pairs.ours().median),
        number(1.0 / pairs.floor().median)
    )
}

/// Commits a second in a turn: far from what the store can do.
const COMMITS: usize = 1_000;

/// Latency of single commits while all cores compute.
pub(super) fn latency(setting: &Setting) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let store = open(&home.path().join("store"), &clock);
    let commits = setting.scaled(COMMITS);
    let mut bare = BareJournal::create(
        &home.path().join("bare"),
        commits * GROUP * (setting.pairs + 1),
    );
    let (mut first, mut next) = (0, 0);
    let computing = Computing::start();
    let (mut p99, mut p999) = (Vec::new(), Vec::new());
    for _ in 0..setting.pairs {
        let ours = paced(commits, || {
            first += 1;
            let spend = spend(first, 2_048, &clock);
            let stored = store.spend_and_append(spend, clock.now());
            assert_eq!(computing.runtime.block_on(stored), Ok(Outcome::Stored));
        });
        let floor = paced(commits, || {
            bare.spend_group(next);
            next += GROUP as u64;
        });
        p99.push((
            percentile(ours.clone(), 99.0).as_secs_f64(),
            percentile(floor.clone(), 99.0).as_secs_f64(),
        ));
        p999.push((
            percentile(ours, 99.9).as_secs_f64(),
            percentile(floor, 99.9).as_secs_f64(),
        ));
    }
    let line = |what: &str, goal: f64, pairs: Vec<(f64, f64)>| {
        let pairs = Pairs::of(pairs);
        Finding::measured(
            what,
            "bare write and fdatasync, the same moments",
            Goal::AtMost(goal),
            Unit::Times,
            pairs.cost(),
        )
        .note(format!(
            "{} ms, the floor {} ms",
            number(pairs.ours().median * 1e3),
            number(pairs.floor().median * 1e3)
        ))
    };
    vec![
        line("commit latency, all cores half busy, p99", 3.0, p99),
        line("the same, p99.9", 5.0, p999),
    ]
}

/// One call every millisecond; how long each took.
fn paced(calls: usize, mut call: impl FnMut()) -> Vec<Duration> {
    let start = Instant::now();
    let mut took = Vec::with_capacity(calls);
    for place in 0..calls {
        let due = start + Duration::from_millis(1) * u32::try_from(place).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        call();
        took.push(begun.elapsed());
    }
    took
}

/// A thread on each core that verifies signatures half of the time.
struct Computing {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

impl Computing {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = |core| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                pin(core);
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    std::hint::black_box(floors::ed25519_verification(20));
                    std::thread::sleep(begun.elapsed());
                }
            })
        };
        Self {
            threads: (0..cores).map(compute).collect(),
            stop,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        }
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
