//! The program `pennyblack demo`, played to its end: what CPSs and relay saw of it. What it
//! says of itself is compared with what they received, and is in the files that it keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

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

    /// What each CPS saw.
    fn cpss(&self) -> &[Value] {
        self.report["cpss"].as_array().unwrap()
    }

    /// The addresses at which one of the CPSs saw carriers that sent something for calls.
    fn carriers_at_cpss(&self) -> BTreeSet<&str> {
        let visitors = self.cpss().iter();
        let visitors = visitors.flat_map(|cps| cps["visitors"].as_array().unwrap());
        let calling = visitors.filter(|visitor| {
            let is_carrier = visitor["whose"].as_str().unwrap().starts_with("carrier-");
            is_carrier
                && FOR_CALLS
                    .iter()
                    .any(|asked| !visitor["asked"][asked].is_null())
        });
        calling
            .map(|visitor| visitor["address"].as_str().unwrap())
            .collect()
    }

    /// How often this stands in the files of all CPSs.
    fn count_at_cpss(&self, needle: &str) -> usize {
        CPSS.iter().map(|cps| self.count(cps, needle)).sum()
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
const CPSS: [&str; 3] = ["cps-a", "cps-b", "cps-c"];
const FOR_CALLS: [&str; 3] = ["sealed-request", "store", "look-up"];
const KILLED: &str = "cps-b.example";

/// The mailbox of a call's first copy, and both numbers.
fn of_a_call(report: &Value) -> [&str; 3] {
    let call = &report["calls"][7];
    let of = |member: &str| call[member].as_str().unwrap();
    [
        call["mailboxes"][0]["mailbox"].as_str().unwrap(),
        of("orig"),
        of("dest"),
    ]
}

/// The CPSs that hold copies of a call, for each of its mailboxes.
fn copies(call: &Value) -> Vec<Vec<&str>> {
    let mailboxes = call["mailboxes"].as_array().unwrap().iter();
    let cpss = mailboxes.map(|one| one["cpss"].as_array().unwrap());
    cpss.map(|cpss| cpss.iter().map(|cps| cps.as_str().unwrap()).collect())
        .collect()
}

#[test]
fn no_cps_sees_a_carrier_or_all_calls_and_the_relay_sees_no_call() {
    let played = Played::with(&[]);
    let report = &played.report;
    let calls = report["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 200);
    let at_relay = report["relay_sight"]["visitors"].as_array().unwrap();
    let seen: Vec<_> = at_relay.iter().map(|one| one["address"].clone()).collect();
    assert_eq!(seen, ["127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1"]);
    assert!(played.carriers_at_cpss().is_empty());
    for cps in played.cpss() {
        assert_eq!(cps["carriers_seen"], Value::Array(vec![]));
        assert!(cps["calls_seen"].as_u64().unwrap() < 200, "{cps}");
    }
    for carrier in CARRIERS {
        assert_eq!(played.count_at_cpss(carrier), 0, "{carrier} at a CPS");
    }
    for private in of_a_call(report).into_iter().chain(["PrivateToken"]) {
        assert_eq!(played.count("relay", private), 0, "{private} at the relay");
    }
    // The relay received something.
    assert!(played.count("relay", "POST /cps-a HTTP/1.1") > 150);

    // A CPS died, and each call has two copies: all have their verdicts.
    let is_valid = |call: &Value| call["verdict"] == "valid" && copies(call)[0].len() == 2;
    assert!(calls.iter().all(is_valid), "{report}");
    let incomplete = calls.iter().filter(|call| call["away"] == KILLED);
    let incomplete: Vec<_> = incomplete.map(|call| &call["incomplete"]).collect();
    assert_eq!(incomplete.len(), 60);
    assert!(incomplete.iter().all(|cpss| **cpss == json!([KILLED])));
    // The roster was signed as it must be.
    let roster = &report["roster"];
    assert_eq!(roster["members"].as_array().unwrap().len(), 6);
    assert_eq!(roster["signed_by"].as_array().unwrap().len(), 2);
    let kept = played.home.join("rosters");
    let mut check = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    let check = check.args(["federation", "check"]).arg(kept).output();
    assert!(check.unwrap().status.success());
}

/// The plant: the same calls with one copy each, without the relay. What is searched for is
/// found, and what the dead CPS held is lost.
#[test]
fn without_relay_and_second_copy_the_cpss_see_each_carrier_and_calls_are_lost() {
    let played = Played::with(&["--direct", "--copies", "1"]);
    let report = &played.report;
    assert_eq!(played.carriers_at_cpss(), BTreeSet::from(CARRIERS));
    assert_eq!(report["relay_sight"]["visitors"], Value::Array(vec![]));
    let [mailbox, _, dest] = of_a_call(report);
    for private in [mailbox, dest, "PrivateToken"] {
        assert!(played.count_at_cpss(private) > 0, "{private} at a CPS");
    }
    let calls = report["calls"].as_array().unwrap();
    let (lost, valid): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call["verdict"] != "valid");
    assert_eq!(report["crash"]["lost"], lost.len());
    assert!(!lost.is_empty());
    let at_the_dead = |call: &Value| copies(call).contains(&vec![KILLED]);
    for call in lost {
        assert!(
            at_the_dead(call) && call["incomplete"] == json!([KILLED]),
            "{call}"
        );
    }
    for call in valid {
        assert!(!at_the_dead(call) || call["away"].is_null(), "{call}");
    }
}
