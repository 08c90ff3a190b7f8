//! The program `pennyblack demo`, played to its end: what CPS and relay saw of it. What it
//! says of itself is compared with what they received, and is in the files that it keeps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

struct Played {
    report: Value,
    home: PathBuf,
    /// Removes it at the end.
    _temporary: tempfile::TempDir,
}

impl Played {
    /// Plays it with these arguments; it must say that all was as it should be.
    fn with(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
            .args(["demo", "--json", "--keep"])
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success() && report["ok"] == true, "{report}");
        let mut kept = fs::read_dir(temporary.path()).unwrap();
        Self {
            report,
            home: kept.next().unwrap().unwrap().path(),
            _temporary: temporary,
        }
    }

    /// The addresses at which this one saw carriers that sent something for calls.
    fn carriers_at(&self, who: &str, for_calls: &[&str]) -> Vec<&str> {
        let visitors = self.report[who]["visitors"].as_array().unwrap();
        let calling = visitors.iter().filter(|visitor| {
            let is_carrier = visitor["whose"].as_str().unwrap().starts_with("carrier-");
            is_carrier && (for_calls.iter()).any(|asked| !visitor["asked"][asked].is_null())
        });
        calling
            .map(|visitor| visitor["address"].as_str().unwrap())
            .collect()
    }

    /// How often this stands in the files of this beginning.
    fn count(&self, beginning: &str, needle: &str) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(&self.home).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_meant = name == beginning || name.starts_with(&format!("{beginning}."));
            // What it is told is no secret of its own.
            if is_meant && !name.ends_with(".toml") {
                count += count_in(&path, needle.as_bytes());
            }
        }
        count
    }
}

fn count_in(path: &Path, needle: &[u8]) -> usize {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries
            .map(|entry| count_in(&entry.unwrap().path(), needle))
            .sum();
    }
    let content = fs::read(path).unwrap();
    let windows = content.windows(needle.len());
    windows.filter(|window| *window == needle).count()
}

const CARRIERS: [&str; 3] = ["127.1.0.1", "127.2.0.1", "127.3.0.1"];
const FOR_CALLS: [&str; 3] = ["sealed-request", "store", "look-up"];

/// The mailbox of a call's first copy, and both numbers.
fn of_a_call(report: &Value) -> [&str; 3] {
    let call = &report["calls"][7];
    let of = |member: &str| call[member].as_str().unwrap();
    [
        call["mailboxes"][0].as_str().unwrap(),
        of("orig"),
        of("dest"),
    ]
}

#[test]
fn the_cps_sees_no_carrier_and_the_relay_no_call() {
    let played = Played::with(&[]);
    let report = &played.report;
    assert_eq!(report["calls"].as_array().unwrap().len(), 200);
    let at_relay = report["relay_sight"]["visitors"].as_array().unwrap();
    let seen: Vec<_> = at_relay.iter().map(|one| one["address"].clone()).collect();
    assert_eq!(seen, ["127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1"]);
    assert!(played.carriers_at("cps_sight", &FOR_CALLS).is_empty());
    assert_eq!(report["cps_sight"]["carriers_seen"], Value::Array(vec![]));
    for carrier in CARRIERS {
        assert_eq!(played.count("cps", carrier), 0, "{carrier} at the CPS");
    }
    for private in of_a_call(report).into_iter().chain(["PrivateToken"]) {
        assert_eq!(played.count("relay", private), 0, "{private} at the relay");
    }
    // The relay received something.
    assert!(played.count("relay", "POST /cps HTTP/1.1") > 400);
}

/// The same search finds what is there without a relay.
#[test]
fn without_the_relay_the_cps_sees_each_carrier_and_each_call() {
    let played = Played::with(&["--direct"]);
    let report = &played.report;
    assert_eq!(played.carriers_at("cps_sight", &FOR_CALLS), CARRIERS);
    let seen = report["cps_sight"]["carriers_seen"].as_array().unwrap();
    assert!(
        CARRIERS
            .iter()
            .all(|carrier| seen.contains(&(*carrier).into()))
    );
    assert_eq!(report["relay_sight"]["visitors"], Value::Array(vec![]));
    let [mailbox, _, dest] = of_a_call(report);
    for private in [mailbox, dest, "PrivateToken"] {
        assert!(played.count("cps", private) > 0, "{private} at the CPS");
    }
}
