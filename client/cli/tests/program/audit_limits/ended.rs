//! The auditor as a process, and how much memory it took.

use std::env;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

/// Between two looks at the memory of a process.
const PACE: Duration = Duration::from_millis(2);

pub(super) fn audit(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    program.args(["--json", "audit", command]);
    program
}

/// A process that has ended, and the most memory that was seen of it.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) said: String,
    pub(crate) resident_kb: u64,
}

impl Ended {
    pub(crate) fn of(mut command: Command) -> Self {
        // Not a pipe, which nobody reads meanwhile.
        let mut output = tempfile::tempfile().unwrap();
        command.stdout(output.try_clone().unwrap());
        command.stderr(output.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let mut resident_kb = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            resident_kb = resident_kb.max(most_resident_kb(&child).unwrap_or(0));
            thread::sleep(PACE);
        };
        let mut said = String::new();
        output.rewind().unwrap();
        output.read_to_string(&mut said).unwrap();
        Self {
            code: status.code().unwrap_or(-1),
            said,
            resident_kb,
        }
    }
}

/// The most that the process has had at any time, once it has become the program: a child that is
/// spawned has this process's memory until then, and its parent may go on a moment before.
fn most_resident_kb(child: &Child) -> Option<u64> {
    let program = fs::read_link(format!("/proc/{}/exe", child.id())).ok()?;
    if program == env::current_exe().ok()? {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
