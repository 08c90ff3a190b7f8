//! Implementations of others, each run by the program `peers` in a process of its own:
//! they ask other features of crates that our programs share, and would have all of them
//! compiled once more. `tests/peers/src/main.rs` says how `peers` is spoken to.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::finding::{Finding, Goal, Unit};
use crate::machine::on_core;
use crate::pairs::Pairs;
use crate::setting::Setting;

/// Builds `peers`.
const BUILD: &str = "cargo build --release --manifest-path tests/peers/Cargo.toml";
/// Where that command leaves it, seen from the root of the repository.
const BUILT: &str = "tests/peers/target/release/peers";

/// A peer that is set up. Its process ends when it is dropped.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Sets up the peer of these arguments on `core`.
    ///
    /// # Errors
    /// Why it cannot be measured, and what to do.
    pub fn start(setting: &Setting, core: usize, arguments: &[&OsStr]) -> Result<Self, String> {
        let program = program(setting.peers.as_deref())?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = on_core(core, || command.spawn())
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut peer = Self {
            requests: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        match peer.answer().as_deref() {
            Some("ready") => Ok(peer),
            _ => Err(format!(
                "{} does not offer {arguments:?}; build the peers again with `{BUILD}`",
                program.display()
            )),
        }
    }

    /// Has it handle so many items; the seconds that one took, as it measured them.
    ///
    /// # Panics
    /// When it has ended, for a reason that it said on standard error.
    pub fn seconds_per_item(&mut self, items: usize) -> f64 {
        writeln!(self.requests, "{items}").expect("the peer reads a number of items");
        let answer = self.answer().expect("the peer answers a number of items");
        answer.parse().expect("the peer answers in seconds")
    }

    /// The next line; none after the last one.
    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        Some(line.strip_suffix('\n')?.to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program `peers`: the one that was named, or else the one next to this program (a
/// target directory for both), or else the one where it is built by default.
fn program(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return if named.is_file() {
            Ok(named.to_owned())
        } else {
            Err(format!(
                "--peers {} is not a file: build the peers with `{BUILD}`",
                named.display()
            ))
        };
    }
    let next_to_this = std::env::current_exe().map(|this| this.with_file_name("peers"));
    next_to_this
        .into_iter()
        .chain([PathBuf::from(BUILT)])
        .find(|place| place.is_file())
        .ok_or_else(|| {
            format!("build the peers with `{BUILD}` at the root, or say --peers PROGRAM")
        })
}

/// What is measured against a peer, and how many times as fast it should be.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What of ours.
    pub what: &'a str,
    /// Against what.
    pub against: &'a str,
    /// How many times as fast ours should be.
    pub goal: f64,
}

impl Comparison<'_> {
    /// Measures `ours`, which returns seconds for one item, and the peer by turns; the
    /// peer handles `items` in a turn. Without a peer nothing is measured, and the line
    /// says why.
    pub fn by_turns(
        self,
        setting: &Setting,
        peer: Result<Peer, String>,
        items: usize,
        ours: impl FnMut() -> f64,
        note: impl FnOnce(&Pairs) -> String,
    ) -> Finding {
        let goal = Goal::AtLeast(self.goal);
        let mut peer = match peer {
            Ok(peer) => peer,
            Err(why) => {
                return Finding::not_measured(self.what, self.against, goal, Unit::Times, why);
            }
        };
        let pairs = Pairs::measure(setting.pairs, ours, || peer.seconds_per_item(items));
        Finding::measured(self.what, self.against, goal, Unit::Times, pairs.speed())
            .note(note(&pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::pairs::Spread;

    const COMPARISON: Comparison<'_> = Comparison {
        what: "ours",
        against: "theirs",
        goal: 1.0,
    };

    fn setting(peers: &str) -> Setting {
        Setting {
            peers: Some(peers.into()),
            ..Setting::quick()
        }
    }

    /// What a shell script in the place of `peers` does.
    fn scripted(script: &str) -> Result<Peer, String> {
        let arguments = ["-c", script].map(OsStr::new);
        Peer::start(&setting("/bin/sh"), Setting::quick().cores.load, &arguments)
    }

    fn measure(peer: Result<Peer, String>) -> Finding {
        COMPARISON.by_turns(&Setting::quick(), peer, 64, || 0.5, |_| String::new())
    }

    #[test]
    fn a_peer_answers_every_number_of_items() {
        let script = r#"echo ready; while read items; do echo "$items.25"; done"#;
        let mut peer = scripted(script).unwrap();
        assert_eq!(peer.seconds_per_item(3), 3.25);
        assert_eq!(peer.seconds_per_item(4), 4.25);
        assert_eq!(
            measure(Ok(peer)).outcome,
            Outcome::Measured(Spread::once(64.25 / 0.5))
        );
    }

    #[test]
    fn without_the_program_a_line_says_how_to_build_it() {
        let setting = setting("/nowhere/peers");
        let peer = Peer::start(&setting, setting.cores.load, &[]);
        let Outcome::NotMeasured(why) = measure(peer).outcome else {
            panic!("measured without a peer");
        };
        assert!(
            why.contains("--peers /nowhere/peers") && why.contains(BUILD),
            "{why}"
        );
    }

    #[test]
    fn a_program_that_is_not_ready_is_not_measured() {
        for script in ["exit 2", "echo usage", "printf ready"] {
            let why = scripted(script).unwrap_err();
            assert!(why.contains(BUILD), "{why}");
        }
    }

    #[test]
    #[should_panic(expected = "the peer answers a number of items")]
    fn a_peer_that_ends_meanwhile_has_no_answer() {
        let mut peer = scripted("echo ready; read items").unwrap();
        peer.seconds_per_item(1);
    }
}
