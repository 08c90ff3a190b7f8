//! Failures as users have them, each a row of a table: the command, its exit code, and what
//! is said of what was wrong, where, and what to do next. With `--json` the same is said as
//! one JSON document, and standard output and standard error are used as docs/problems.md
//! says. Not here: what services refuse in detail (`tests/journeys`).

mod codes;
mod rows;
mod town;

use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use rows::{Row, Told};
use serde_json::Value;
use town::Town;

/// Commands that run at one time: most of them wait for an answer that does not come.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_failure_ends_with_its_exit_code_and_says_what_to_do() {
    let town = Town::build().await;
    let checked = tokio::task::spawn_blocking(move || {
        let rows: Vec<_> = rows::all().collect();
        let wrong = rows.chunks(AT_ONCE).flat_map(|rows| check_all(rows, &town));
        let wrong: Vec<_> = wrong.collect();
        (wrong, town)
    });
    let (wrong, town) = checked.await.unwrap();
    town.end().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with these rows.
fn check_all(rows: &[&Row], town: &Town) -> Vec<String> {
    thread::scope(|scope| {
        let running: Vec<_> = rows
            .iter()
            .map(|row| scope.spawn(|| [check_text(row, town), check_json(row, town)]))
            .collect();
        let checked = running.into_iter().flat_map(|row| row.join().unwrap());
        checked.filter_map(Result::err).collect()
    })
}

fn run(directory: &Path, line: &str, more: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    program.args(more).args(line.split_whitespace());
    program.current_dir(directory).output().unwrap()
}

fn check_text(row: &Row, town: &Town) -> Result<(), String> {
    let output = run(town.home(), &town.filled(row.line), &[]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let seen = Seen {
        row,
        how: "text",
        exit: output.status.code(),
        stdout: &stdout,
        stderr: &stderr,
    };
    let said = match row.told {
        Told::Error => stderr.clone(),
        // Its lines are folded.
        Told::Outcome => stdout.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    seen.require(
        row.says.iter().all(|words| said.contains(words)),
        "words are missing",
    )?;
    seen.require(row.exit == 0 || said.lines().count() > 0, "nothing is said")?;
    match row.told {
        Told::Error => {
            seen.require(stdout.is_empty(), "an error is told on standard output")?;
            let begins = |line: &str| line.starts_with("error: ");
            seen.require(stderr.lines().any(begins), "no line begins with error:")
        }
        Told::Outcome => {
            let is_folded = |line: &str| {
                let is_command = line.contains("pennyblack call --resend");
                is_command || line.chars().count() <= 80 || !line.trim().contains(' ')
            };
            seen.require(stdout.lines().all(is_folded), "a line is too long")?;
            seen.require(
                !stderr.contains("error: "),
                "an outcome is told as an error",
            )
        }
    }
}

fn check_json(row: &Row, town: &Town) -> Result<(), String> {
    let output = run(town.home(), &town.filled(row.line), &["--json"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let seen = Seen {
        row,
        how: "JSON",
        exit: output.status.code(),
        stdout: &stdout,
        stderr: &stderr,
    };
    seen.require(
        !stderr.contains("error: "),
        "an error is told on standard error",
    )?;
    let Ok(Value::Object(document)) = serde_json::from_str(&stdout) else {
        return seen.require(false, "it is not one JSON document");
    };
    let said = match row.told {
        Told::Error => {
            let code = document.get("exit_code").and_then(Value::as_u64);
            seen.require(code == Some(row.exit.into()), "exit_code is another one")?;
            document
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        }
        Told::Outcome => stdout.clone(),
    };
    seen.require(
        row.says.iter().all(|words| said.contains(words)),
        "words are missing",
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A command that has ended.
struct Seen<'a> {
    row: &'a Row,
    how: &'static str,
    exit: Option<i32>,
    stdout: &'a str,
    stderr: &'a str,
}

impl Seen<'_> {
    /// The exit code is always required, too.
    fn require(&self, condition: bool, otherwise: &str) -> Result<(), String> {
        let otherwise = match self.exit == Some(i32::from(self.row.exit)) {
            true if condition => return Ok(()),
            true => otherwise,
            false => "the exit code is another one",
        };
        let Row {
            what, exit, says, ..
        } = self.row;
        let Self {
            how,
            exit: actual,
            stdout,
            stderr,
            ..
        } = self;
        Err(format!(
            "{what} ({how}): {otherwise}: exit {actual:?} instead of {exit}, words {says:?}\n\
             --- stdout\n{stdout}--- stderr\n{stderr}"
        ))
    }
}
