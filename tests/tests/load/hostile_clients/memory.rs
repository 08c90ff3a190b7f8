//! How much memory a process has had at most (`proc_pid_status(5)`).

use std::fs;

/// Forgets what it had before.
pub(crate) fn forget_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
}

/// MiB resident at most since then.
pub(crate) fn peak(process: u32) -> u64 {
    status(process, "VmHWM:")
}

/// MiB resident now.
pub(crate) fn resident(process: u32) -> u64 {
    status(process, "VmRSS:")
}

fn status(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: u64 = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024
}
