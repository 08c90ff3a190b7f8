//! The walls of docs/architecture.md: what a crate must never know of, it does not
//! depend on. Cargo says what each one links; a wall that falls is a failed test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test has no better answer to a failure than to end"
)]

mod circles;
mod documented;
mod links;
mod walls;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use walls::{FORMS, WALLS};

/// Who may depend on both services: what plays a whole federation.
const FEDERATIONS: &[&str] = &[
    "pennyblack-cli",
    "pennyblack-testbed",
    "pennyblack-tests",
    "pennyblack-compare",
];

/// Longest file of ours, in lines.
const LONGEST_FILE: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The crates that each crate links: without tests, without what a feature must ask for.
struct Links(BTreeMap<String, BTreeSet<String>>);

impl Links {
    fn of_this_workspace() -> Self {
        // Of other platforms a build has fetched nothing.
        let version = cargo(&["-vV"]);
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let platform = format!("--filter-platform={}", host.unwrap());
        let metadata = ["metadata", "--format-version=1", "--locked", "--offline"];
        let metadata = cargo(&[&metadata[..], &[&platform]].concat());
        Self::read(&serde_json::from_str(&metadata).unwrap())
    }

    fn read(metadata: &Value) -> Self {
        let ours = |package: &Value| package["source"].is_null();
        let mut names = BTreeMap::new();
        let mut on_request = BTreeSet::new();
        for package in metadata["packages"].as_array().unwrap() {
            let (id, name) = (
                package["id"].as_str().unwrap(),
                package["name"].as_str().unwrap(),
            );
            names.insert(id, name);
            for dependency in package["dependencies"].as_array().unwrap() {
                if ours(package) && dependency["optional"] == true {
                    on_request.insert((id, dependency["name"].as_str().unwrap()));
                }
            }
        }
        let mut links: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let id = node["id"].as_str().unwrap();
            let linked = links.entry(names[id].to_owned()).or_default();
            for dependency in node["deps"].as_array().unwrap() {
                let name = names[dependency["pkg"].as_str().unwrap()];
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                let is_linked = kinds.iter().any(|kind| kind["kind"].is_null());
                if is_linked && !on_request.contains(&(id, name)) {
                    linked.insert(name.to_owned());
                }
            }
        }
        Self(links)
    }

    /// The way from one crate to another, if it links it.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut ways = vec![vec![from.to_owned()]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let last = way.last()?;
            if last == to && way.len() > 1 {
                return Some(way);
            }
            for next in self.0.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    ways.push(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        None
    }

    fn fallen(&self) -> Vec<String> {
        let mut fallen = Vec::new();
        for wall in WALLS {
            for crate_name in wall.of {
                assert!(
                    self.0.contains_key(*crate_name),
                    "there is no crate {crate_name}"
                );
                for never in wall.never {
                    if let Some(way) = self.way(crate_name, never) {
                        fallen.push(format!("{}: {}", wall.why, way.join(" → ")));
                    }
                }
            }
        }
        for name in self.0.keys().filter(|name| name.starts_with("pennyblack-")) {
            let both = ["pennyblack-issuer", "pennyblack-cps"];
            let knows_both = both.iter().all(|service| self.way(name, service).is_some());
            if knows_both && !FEDERATIONS.contains(&name.as_str()) {
                fallen.push(format!("{name} depends on both services"));
            }
        }
        fallen
    }
}

#[test]
fn no_crate_links_what_it_must_never_know_of() {
    let fallen = Links::of_this_workspace().fallen();
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

#[test]
fn a_wall_that_falls_is_seen() {
    let mut links = Links::of_this_workspace();
    let evidence = links.0.get_mut("pennyblack-evidence").unwrap();
    evidence.insert("pennyblack-sealing".to_owned());
    let fallen = links.fallen().join("\n");
    let way = "pennyblack-evidence → pennyblack-sealing";
    assert!(
        fallen.contains("the issuer knows nothing of mailboxes"),
        "{fallen}"
    );
    assert!(fallen.contains(way), "{fallen}");
}

/// Our sources: every file of Rust that is committed, with what is in it.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(below)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "nothing below {below}");
    found
}

#[test]
fn wire_forms_read_no_clock_and_open_no_socket() {
    let asks = [
        "SystemTime::now",
        "Instant::now",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
    ];
    for name in FORMS {
        let directory = name.replace("pennyblack-", "shared/");
        for (path, text) in sources(&directory) {
            let code = text.split("#[cfg(test)]").next().unwrap();
            let asked = asks.iter().find(|ask| code.contains(**ask));
            let is_test = path.to_string_lossy().contains("tests");
            assert!(
                asked.is_none() || is_test,
                "{} has {asked:?}",
                path.display()
            );
        }
    }
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let mut long = Vec::new();
    for below in ["shared", "issuer", "cps", "client", "tests"] {
        for (path, text) in sources(below) {
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// `tests/run` looks for no tests in documentation.
#[test]
fn no_documentation_has_code_that_would_be_a_test() {
    let mut code = Vec::new();
    for below in ["shared", "issuer", "cps", "client", "tests"] {
        for (path, text) in sources(below) {
            let lines = text.lines().map(str::trim_start);
            let documentation =
                lines.filter_map(|line| line.strip_prefix("///").or(line.strip_prefix("//!")));
            let fences = documentation.filter_map(|line| line.trim_start().strip_prefix("```"));
            // Each second one ends a block.
            let is_text = |language: &str| matches!(language, "text" | "json" | "toml" | "sh");
            if !fences.step_by(2).all(is_text) {
                code.push(path.display().to_string());
            }
        }
    }
    assert!(code.is_empty(), "{}", code.join("\n"));
}
