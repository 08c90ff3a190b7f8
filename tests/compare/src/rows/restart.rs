//! What a spent token and an entry cost in memory and on disk, and how long ten
//! million spent tokens take to be read after a SIGKILL.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use pennyblack_cps::store::Store as _;
use pennyblack_runtime::clock::Clock;
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Goal, Unit};
use crate::machine::resident;
use crate::pairs::Spread;
use crate::report::number;
use crate::setting::Setting;
use crate::store::{EPOCH, Filling, open, spend};

/// Spent tokens in the row about a restart.
const SPENT: usize = 10_000_000;
/// Entries in the row about memory.
const ENTRIES: usize = 200_000;
/// Bytes of a sealed PASSporT.
const SLOT: usize = 2_048;
/// The argument that makes this program fill or open a store and say what it holds.
pub const ARGUMENT: &str = "store";

/// What a process with an open store says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// How long opening took.
    pub(crate) seconds: f64,
    /// The memory that the process holds, in bytes.
    pub(crate) resident: f64,
    /// Spent tokens of [`EPOCH`].
    pub(crate) spent: u64,
}

/// Spent tokens that are older than any entry: the most there are.
pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    let (full, empty) = (home.path().join("full"), home.path().join("empty"));
    let spent = setting.scaled(SPENT);
    drop(Filled::start(&full, spent, 16, Afterwards::Expire));
    let disk = size_of(&full);
    let floor = seconds_to_read(&full);
    let (full, empty) = (open_elsewhere(&full), open_elsewhere(&empty));
    assert_eq!(full.spent, spent as u64, "some spends are lost");
    let memory = (full.resident - empty.resident) / spent as f64;
    vec![
        Finding::measured(
            "memory of a spent token",
            "Redis: 149 B",
            Goal::AtMost(48.0),
            Unit::Bytes,
            Spread::once(memory),
        ),
        Finding::measured(
            "disk of a spent token, evidence included",
            "nothing",
            Goal::AtMost(144.0),
            Unit::Bytes,
            Spread::once(disk / spent as f64),
        ),
        Finding::measured(
            format!(
                "restart with {} million spent tokens after SIGKILL",
                number(spent as f64 / 1e6)
            ),
            "reading the files once",
            Goal::AtMost(10.0),
            Unit::Seconds,
            Spread::once(full.seconds),
        )
        .note(format!(
            "{} MB, read once in {} s, both from the page cache",
            number(disk / 1e6),
            number(floor)
        )),
    ]
}

/// Entries that live, with the spends that are as young.
pub(super) fn memory(setting: &Setting) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    let entries = setting.scaled(ENTRIES);
    let of = |name: &str, count| {
        let filled = Filled::start(&home.path().join(name), count, SLOT, Afterwards::Keep);
        resident(filled.child.id())
    };
    let each = (of("full", entries) - of("empty", 0)) / entries as f64;
    vec![
        Finding::measured(
            "memory of a stored PASSporT and its spend",
            "the ciphertext: 2048 B",
            Goal::AtMost(SLOT as f64 + 176.0),
            Unit::Bytes,
            Spread::once(each),
        )
        .note(format!(
            "{} B besides the ciphertext",
            number(each - SLOT as f64)
        )),
    ]
}

/// What a filled store is left as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// Every entry lives.
    Keep,
    /// Every entry has died, and every spend is archived.
    Expire,
}

/// A process whose store is full. Killed when it is dropped.
struct Filled {
    child: Child,
}

impl Filled {
    fn start(directory: &Path, spent: usize, entry: usize, afterwards: Afterwards) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(ARGUMENT)
            .arg("fill")
            .arg(directory)
            .args([
                spent.to_string(),
                entry.to_string(),
                format!("{afterwards:?}"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "filled");
        Self { child }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a store in a process of its own, which ends then.
pub(crate) fn open_elsewhere(directory: &Path) -> Opened {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(ARGUMENT)
        .arg("open")
        .arg(directory)
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Fills or opens a store. `arguments` are those after [`ARGUMENT`].
pub fn serve(arguments: &[String]) {
    match arguments {
        [open, directory] if open == "open" => report(Path::new(directory)),
        [fill, directory, spent, entry, afterwards] if fill == "fill" => {
            let expire = afterwards == "Expire";
            self::fill(
                Path::new(directory),
                spent.parse().unwrap(),
                entry.parse().unwrap(),
                expire,
            );
        }
        _ => panic!("{ARGUMENT} open DIRECTORY, or fill DIRECTORY SPENT ENTRY Keep|Expire"),
    }
}

fn report(directory: &Path) {
    let start = Instant::now();
    let store = open(directory, &Clock::system());
    let seconds = start.elapsed().as_secs_f64();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let spent = runtime.block_on(store.spent(EPOCH)).unwrap();
    let opened = Opened {
        seconds,
        resident: resident(std::process::id()),
        spent,
    };
    println!("{}", serde_json::to_string(&opened).unwrap());
}

fn fill(directory: &Path, spent: u64, entry: usize, expire: bool) {
    let filling = Filling::open(directory);
    filling.fill(spent, |number| spend(number, entry, &filling.clock));
    if expire {
        filling.settle();
    }
    println!("filled");
    // Until it is killed.
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn size_of(directory: &Path) -> f64 {
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum::<u64>() as f64
}

fn seconds_to_read(directory: &Path) -> f64 {
    let start = Instant::now();
    for file in fs::read_dir(directory).unwrap() {
        std::hint::black_box(fs::read(file.unwrap().path()).unwrap());
    }
    start.elapsed().as_secs_f64()
}
