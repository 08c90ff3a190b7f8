//! Spent tokens: what the next one costs, how long it waits at the worst, what each
//! takes of memory, and how long they take to be read at a start.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Sample, Series, by_turns};
use super::{own_microseconds, sized};
use crate::finding::Unit;
use crate::latency::percentile;
use crate::rows::restart::open_elsewhere;
use crate::setting::Setting;
use crate::store::{Filling, spend};

const SIZES: [u64; 5] = [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];
/// Spends in a turn.
const TURN: u64 = 4_000;
/// Bytes of an entry: this is about tokens.
const ENTRY: usize = 16;
/// A file system in memory, where nobody else's sync is waited for.
const IN_MEMORY: &str = "/dev/shm";

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let homes = SIZES.map(|size| {
        let size = sized(setting, size);
        (size as f64, filled(size))
    });
    let mut curves = at_rest(setting, &homes);
    curves.push(inserting(setting, &homes));
    drop(homes);
    curves.push(waiting(setting));
    curves
}

/// A directory with so many spends, all archived.
fn filled(size: u64) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let filling = Filling::open(home.path());
    filling.fill(size, |number| spend(number, ENTRY, &filling.clock));
    filling.settle();
    home
}

/// Restart and memory, each time in a process of its own.
fn at_rest(setting: &Setting, homes: &[(f64, TempDir)]) -> Vec<Curve> {
    let empty = tempfile::tempdir().unwrap();
    let empty = open_elsewhere(empty.path()).resident;
    let mut scenes: Vec<_> = homes.iter().map(|(size, home)| (*size, home)).collect();
    let size_of = |home: &TempDir| open_elsewhere(home.path());
    let [seconds, bytes] = by_turns(setting.pairs.min(5), &mut scenes, |home| {
        let opened = size_of(home);
        [
            opened.seconds,
            (opened.resident - empty) / opened.spent as f64,
        ]
    });
    for ((size, _), sample) in homes.iter().zip(&bytes) {
        assert!(sample.values.iter().all(|each| each.is_finite()), "{size}");
    }
    vec![
        Curve {
            name: "spent-tokens-restart",
            title: "Opening the store after a SIGKILL",
            growing: "spent tokens in the store",
            cost: "time to open it, from the page cache",
            unit: Unit::Seconds,
            series: vec![Series::new("opening", Expectation::Linear(SLACK), seconds)],
        },
        Curve {
            name: "spent-tokens-memory",
            title: "Memory of a spent token",
            growing: "spent tokens in the store",
            cost: "memory for each, file-backed pages not counted",
            unit: Unit::Bytes,
            series: vec![Series::new("each", Expectation::Flat(SLACK), bytes)],
        },
    ]
}

/// What a spend costs from its judgement until its entry has died.
fn inserting(setting: &Setting, homes: &[(f64, TempDir)]) -> Curve {
    let open = |(size, home): &(f64, TempDir)| (*size, (Filling::open(home.path()), *size as u64));
    let mut scenes: Vec<_> = homes.iter().map(open).collect();
    let turn = sized(setting, TURN);
    let [whole] = by_turns(setting.pairs, &mut scenes, |(filling, next)| {
        let first = *next;
        *next += turn;
        [own_microseconds(turn, || {
            filling.spend(turn, |number| spend(first + number, ENTRY, &filling.clock));
            filling.settle();
        })]
    });
    Curve {
        name: "spent-tokens-store",
        title: "Spending one more token",
        growing: "spent tokens in the store",
        cost: "processor time, sender included: committed, archived, expired",
        unit: Unit::Microseconds,
        series: vec![Series::new("a spend", Expectation::Flat(SLACK), whole)],
    }
}

/// How long spends wait while their number grows tenfold.
fn waiting(setting: &Setting) -> Curve {
    let directory = Path::new(IN_MEMORY);
    let home = if directory.is_dir() {
        tempfile::tempdir_in(directory)
    } else {
        tempfile::tempdir()
    };
    let home = home.unwrap();
    let filling = Filling::open(home.path());
    let (mut max, mut longest, mut there) = (Vec::new(), Vec::new(), 0);
    for size in SIZES.map(|size| sized(setting, size)) {
        let waits = filling.spend(size - there, |number| {
            spend(there + number, ENTRY, &filling.clock)
        });
        there = size;
        let sample = |wait: Duration| Sample {
            size: size as f64,
            values: vec![wait.as_secs_f64() * 1e3],
        };
        max.push(sample(percentile(waits.clone(), 99.0)));
        longest.push(sample(percentile(waits, 100.0)));
    }
    Curve {
        name: "spent-tokens-wait",
        title: "How long spends wait while there are more and more",
        growing: "spent tokens at the end, since the size before",
        cost: "wait of a spend, 64 at a time, on a disk in memory",
        unit: Unit::Milliseconds,
        series: vec![
            Series::new("p99", Expectation::Flat(SLACK), max),
            Series::new("the longest", Expectation::Flat(4.0), longest),
        ],
    }
}
