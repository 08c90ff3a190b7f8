//! The program `pennyblack demo`, stopped before its end: what it has begun ends with it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PACE: Duration = Duration::from_millis(10);

/// Waits until this is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(PACE);
    }
}

/// Processes whose command line names this directory.
fn processes_in(directory: &Path) -> usize {
    let directory = directory.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines
        .filter(|line| line.contains("service") && line.contains(directory))
        .count()
}

#[test]
fn a_demonstration_that_is_stopped_leaves_no_service_and_no_file_behind() {
    for signal in ["HUP", "TERM", "INT"] {
        let home = tempfile::tempdir().unwrap();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
            .arg("demo")
            .env("TMPDIR", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("five services", || processes_in(home.path()) == 5);
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", signal, &demo.id().to_string()]);
        assert!(sent.status().unwrap().success());
        let mut status = None;
        until("the end", || {
            status = demo.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(1), "{signal}");
        until("the end of its services", || processes_in(home.path()) == 0);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "{signal}");
    }
}
