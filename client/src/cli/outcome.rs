//! What a command came to, and how it is told: to people on a terminal, to
//! programs as JSON, to scripts as an exit code.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use console::style;
use pennyblack_client::pki::PkiError;
use serde_json::{Value, json};

/// The exit codes of the program; `--help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A file, a key or a setting.
    Failed = 1,
}

/// A command that came to an end, with whatever it has to say.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For `--json`.
    pub(crate) json: Value,
    /// For people.
    pub(crate) text: String,
    /// For scripts.
    pub(crate) exit: Exit,
}

impl Outcome {
    /// The command did what it was asked.
    pub(crate) fn done(json: Value, text: impl Into<String>) -> Self {
        Self {
            json,
            text: text.into(),
            exit: Exit::Done,
        }
    }

    /// Tells it on standard output.
    pub(crate) fn print(self, json: bool) -> ExitCode {
        let text = if json {
            self.json.to_string()
        } else {
            self.text
        };
        // A closed pipe is the reader's decision, not our failure.
        let _ = writeln!(io::stdout(), "{}", text.trim_end());
        ExitCode::from(self.exit as u8)
    }
}

/// A command that could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: Box<dyn Error>,
}

impl Failure {
    /// A failure with the exit code that scripts see.
    pub(crate) fn new(exit: Exit, error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// Tells it: text on standard error, JSON on standard output.
    pub(crate) fn print(self, json: bool) -> ExitCode {
        let message = message(self.error.as_ref());
        if json {
            let document = json!({ "error": message, "exit_code": self.exit as u8 });
            let _ = writeln!(io::stdout(), "{document}");
        } else {
            let _ = writeln!(
                io::stderr(),
                "{} {message}",
                style("error:").for_stderr().red().bold()
            );
        }
        ExitCode::from(self.exit as u8)
    }
}

/// The error and its causes, each said once: many messages already quote
/// their cause.
fn message(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

impl From<PkiError> for Failure {
    fn from(error: PkiError) -> Self {
        Self::new(Exit::Failed, error)
    }
}
