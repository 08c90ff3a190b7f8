//! `pennyblack audit practice`: makes two logs with a planted double spend on this machine,
//! and audits them with the commands that it prints. Not here: the exercise, and the audit.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use console::style;
use indicatif::ProgressBar;
use pennyblack_runtime::clock::Clock;
use pennyblack_testbed::demo::DemoError;
use pennyblack_testbed::practice::{Exercise, play};
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::wording::wrapped;
use super::AuditCommand;
use super::follow::PACE;

/// What `practice` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack audit practice

Takes less than a minute. docs/auditing.md says what to look at, and what to
try next.")]
pub(crate) struct PracticeArguments {
    /// Directory to make, for the logs, their keys and the auditor's files.
    #[arg(value_name = "DIR", default_value = "practice")]
    directory: PathBuf,
}

/// A command of this program, as it is printed and as it is run.
struct Step {
    /// In front of the options.
    words: Vec<String>,
    options: Vec<(&'static str, Value)>,
}

/// The value of an option.
enum Value {
    Text(String),
    /// What stands in a file.
    Content(PathBuf),
}

/// As a line for a shell, with an option on each.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pennyblack audit {}", self.words.join(" "))?;
        for (option, value) in &self.options {
            match value {
                Value::Text(text) => write!(f, " \\\n    {option} {text}")?,
                Value::Content(file) => {
                    write!(f, " \\\n    {option} \"$(cat {})\"", file.display())?;
                }
            }
        }
        Ok(())
    }
}

/// The program's own parser, so that what is printed is what is run.
#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: AuditCommand,
}

impl Step {
    fn parse(&self) -> Result<AuditCommand, Failure> {
        let mut arguments = vec!["audit".to_owned()];
        arguments.extend(self.words.iter().cloned());
        for (option, value) in &self.options {
            arguments.push((*option).to_owned());
            arguments.push(match value {
                Value::Text(text) => text.clone(),
                Value::Content(file) => content(file)?,
            });
        }
        let line = Line::try_parse_from(arguments);
        line.map(|line| line.command)
            .map_err(|error| Failure::new(Exit::Failed, error))
    }
}

fn content(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        let text = format!("{}: {error}", file.display());
        Failure::new(Exit::Failed, text)
    })?;
    Ok(text.trim_end().to_owned())
}

/// Plays the exercise, and audits what is left of it.
pub(crate) async fn run(arguments: PracticeArguments, json: bool) -> Result<Outcome, Failure> {
    let directory = arguments.directory;
    fs::create_dir(&directory).map_err(|error| not_made(&directory, &error))?;
    let spinner = spinner(json);
    let begins = |what: &str| spinner.set_message(what.to_owned());
    let played = play(&directory, Clock::system().now(), &begins).await;
    spinner.finish_and_clear();
    let exercise = played.map_err(|error| not_played(&directory, &error))?;
    let (mut text, mut results) = (introduction(&directory), Vec::new());
    for step in steps(&directory, &exercise) {
        let outcome = Box::pin(super::run(step.parse()?, json)).await?;
        let line = style(format!("$ {step}")).bold();
        text.push_str(&format!("\n\n{line}\n{}", outcome.text.trim_end()));
        results.push(json!({
            "command": step.to_string(),
            "exit_code": outcome.exit as u8,
            "result": outcome.json,
        }));
        if outcome.exit != Exit::Done {
            break;
        }
    }
    let is_done = results.len() == STEPS;
    let exit = if is_done { Exit::Done } else { Exit::Failed };
    let json = json!({ "directory": directory, "steps": results });
    Ok(Outcome::new(json, text, exit))
}

fn not_made(directory: &Path, error: &io::Error) -> Failure {
    let name = directory.display();
    let text = match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{name} exists already, and an exercise is not played over another: delete it, or \
             name another directory, as in `pennyblack audit practice again`"
        ),
        _ => format!("{name} cannot be made: {error}; name another directory"),
    };
    Failure::new(Exit::Failed, text)
}

/// What is left then is half an exercise, and in the way of the next one.
fn not_played(directory: &Path, error: &DemoError) -> Failure {
    let name = directory.display();
    let text = match fs::remove_dir_all(directory) {
        Ok(()) => format!("{error}; {name} is deleted again: run the command once more"),
        Err(kept) => format!(
            "{error}; {name} holds half an exercise ({kept}): delete it, and run the command once \
             more"
        ),
    };
    Failure::new(Exit::Failed, text)
}

fn spinner(json: bool) -> ProgressBar {
    let spinner = match json {
        true => ProgressBar::hidden(),
        false => ProgressBar::new_spinner(),
    };
    spinner.enable_steady_tick(PACE);
    spinner
}

fn introduction(directory: &Path) -> String {
    let directory = directory.display();
    let text = format!(
        "An issuer, a CPS and a witness ran here for some hours of a clock of their own, which \
         began two days ago. Two carriers made calls, and one of them sent three different requests \
         with one token. Everything has stopped: the two logs are files in {directory}. These \
         commands audit them; repeat and change them as you like."
    );
    wrapped(&text, "", "")
}

/// How many [`steps`] there are.
const STEPS: usize = 4;

fn steps(directory: &Path, exercise: &Exercise) -> [Step; STEPS] {
    let path = |path: &Path| path.display().to_string();
    let text = |name: &str| Value::Text(path(&directory.join(name)));
    let key = |file: &Path| Value::Content(file.to_owned());
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let (cps, issuer) = (&exercise.cps, &exercise.issuer);
    let files = path(&cps.files);
    let index = exercise.double_spend.to_string();
    let proof = "double-spend.tlog-proof";
    [
        Step {
            words: words(&["follow", &files]),
            options: vec![
                ("--key", key(&cps.key)),
                ("--issuer", Value::Text(path(&issuer.files))),
                ("--issuer-key", key(&issuer.key)),
                ("--witness", key(&exercise.witness)),
                ("--state", text("audit")),
            ],
        },
        Step {
            words: words(&["report"]),
            options: vec![("--state", text("audit")), ("--html", text("report.html"))],
        },
        Step {
            words: words(&["prove", &files, &index]),
            options: vec![("--key", key(&cps.key)), ("--out", text(proof))],
        },
        Step {
            words: words(&["verify", &path(&directory.join(proof))]),
            options: vec![
                ("--key", key(&cps.key)),
                ("--witness", key(&exercise.witness)),
            ],
        },
    ]
}
