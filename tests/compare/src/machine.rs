//! The machine that is measured on: what it is, and which core does what.

use std::fs;
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

/// What a reader must know of a machine to judge a number from it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor, as it calls itself, with family and model.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The operating system's name and its kernel.
    pub system: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let of_cpu = |key| field(&cpu, key, ':').unwrap_or("unknown");
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let name = field(&release, "PRETTY_NAME", '=').unwrap_or(std::env::consts::OS);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: format!(
                "{}, family {} model {}",
                of_cpu("model name"),
                of_cpu("cpu family"),
                of_cpu("model")
            ),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: format!("{}, Linux {}", name.trim_matches('"'), kernel.trim()),
        }
    }
}

fn field<'a>(text: &'a str, key: &str, separator: char) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find_map(|(name, value)| (name.trim() == key).then_some(value.trim()))
}

/// Which core serves and which one loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Runs the service, and the floors that are plain computation.
    pub service: usize,
    /// Runs the senders of requests.
    pub load: usize,
}

impl Cores {
    /// The first core serves, the last one loads; on a machine of one core they
    /// are the same, and nothing "per core" is worth much.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let ids = core_affinity::get_core_ids().unwrap_or_default();
        let id = |core: Option<&core_affinity::CoreId>| core.map_or(0, |core| core.id);
        Self {
            service: id(ids.first()),
            load: id(ids.last()),
        }
    }
}

/// Keeps this thread, and those that it starts from now on, on one core.
pub fn pin(core: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}

/// Lets this thread, and those that it starts from now on, run on every core.
pub fn unpin() {
    let mut all = CpuSet::new();
    for core in 0..CpuSet::MAX_CPU {
        all.set(core);
    }
    sched_setaffinity(None, &all).unwrap();
}

/// Runs `work` on a thread that stays on `core`.
pub fn on_core<T: Send>(core: usize, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let run = scope.spawn(move || {
            pin(core);
            work()
        });
        run.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How many threads a process has; zero where the kernel does not say.
#[must_use]
pub fn threads(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}

/// The memory that a process holds, in bytes; zero where the kernel does not say.
#[must_use]
pub fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kilobytes = field(&status, "VmRSS", ':').and_then(|size| size.split(' ').next());
    kilobytes.and_then(|size| size.parse().ok()).unwrap_or(0.0) * 1024.0
}
