//! What a command came to, and how it is told: to people on a terminal, to
//! programs as JSON, to scripts as an exit code.

mod exit;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use console::style;
use pennyblack_audit::{AuditError, LogPlaceError, ProofFileError, StateError};
use pennyblack_client::auth_service::{OobAuthenticationError, PassportInputError};
use pennyblack_client::carrier::CarrierError;
use pennyblack_client::identity::IdentityError;
use pennyblack_client::oblivious::KeyFetchError;
use pennyblack_client::trust::TrustFilesError;
use pennyblack_client::verification_service::{
    BesideKeyError, MailboxCpssError, MailboxKeyError, OobVerificationError, PublishError,
};
use pennyblack_client::wallet::{SpendError, WalletError};
use pennyblack_evidence::key_log_view::FollowError;
use pennyblack_evidence::oblivious_log::ObliviousLogError;
use pennyblack_http::{HttpError, RouteError, RouteFault};
use pennyblack_numbering::NumberingServiceError;
use pennyblack_numbering::table_file::TableFileError;
use pennyblack_pki::PkiError;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_tlog::ReadLogError;
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use self::exit::Exit;
use super::standard_error::{message, tell};
use super::wording::folded;

/// A command that came to an end, with whatever it has to say.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For `--json`.
    pub(crate) json: Value,
    /// For people.
    pub(crate) text: String,
    /// For scripts.
    pub(crate) exit: Exit,
    /// It was printed already, before the command came to its end.
    is_shown: bool,
}

impl Outcome {
    /// An outcome with the exit code that scripts see.
    pub(crate) fn new(json: Value, text: impl Into<String>, exit: Exit) -> Self {
        Self {
            json,
            text: text.into(),
            exit,
            is_shown: false,
        }
    }

    /// The command did what it was asked.
    pub(crate) fn done(json: Value, text: impl Into<String>) -> Self {
        Self::new(json, text, Exit::Done)
    }

    /// Adds a line that may explain the outcome.
    pub(crate) fn note(&mut self, note: &impl ToString) {
        let note = note.to_string();
        let line = format!("  {} {note}", style("note:").yellow());
        self.text.push_str(&format!("\n{}", folded(&line)));
        if let Value::Object(members) = &mut self.json {
            members.insert("note".to_owned(), note.into());
        }
    }

    /// Tells it on standard output, if that was not done yet.
    pub(crate) fn print(self, json: bool) -> ExitCode {
        ExitCode::from(self.shown_now(json).exit as u8)
    }

    /// Tells it on standard output while the command still has something to do.
    pub(crate) fn shown_now(mut self, json: bool) -> Self {
        if self.is_shown {
            return self;
        }
        let text = match json {
            true => self.json.to_string(),
            false => std::mem::take(&mut self.text),
        };
        let mut stdout = io::stdout();
        // A closed pipe is the reader's decision, not our failure.
        let _ = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
        self.is_shown = true;
        self
    }
}

/// A report for `--json`.
pub(crate) fn json_of(report: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(report).map_err(|error| Failure::new(Exit::Failed, error))
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

    /// What is wrong, for a command that tells several faults.
    pub(crate) fn sentence(&self) -> String {
        message(self.error.as_ref())
    }

    /// The same, of what this option names.
    pub(crate) fn of_option(self, option: &str) -> Self {
        Self::new(
            self.exit,
            format!("{option}: {}", message(self.error.as_ref())),
        )
    }

    /// The exit code that scripts see.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells it: text on standard error, JSON on standard output.
    pub(crate) fn print(self, json: bool) -> ExitCode {
        let message = message(self.error.as_ref());
        if json {
            let document = json!({ "error": message, "exit_code": self.exit as u8 });
            let _ = writeln!(io::stdout(), "{document}");
        } else {
            let label = style("error:").for_stderr().red().bold();
            tell(&label.to_string(), &message);
        }
        ExitCode::from(self.exit as u8)
    }
}

pub(crate) fn exit_of_http(error: &HttpError) -> Exit {
    match error {
        HttpError::NoAnswer { .. } | HttpError::TimeUp { .. } | HttpError::SpeaksTls { .. } => {
            Exit::Network
        }
        HttpError::Refused(refused) if refused.status.is_server_error() => Exit::Network,
        HttpError::Refused(_) => Exit::Refused,
        HttpError::Route(error) => exit_of_route(error),
        _ => Exit::Failed,
    }
}

fn exit_of_route(error: &RouteError) -> Exit {
    match error.fault {
        RouteFault::Untrusted => Exit::Unaccounted,
        RouteFault::NoAnswer
        | RouteFault::NotTaken {
            is_passing: true, ..
        } => Exit::Network,
        RouteFault::NoWay | RouteFault::NoRelay | RouteFault::NotTaken { .. } => Exit::NoRelay,
    }
}

fn exit_of_caller(error: &OobAuthenticationError) -> Exit {
    match error {
        OobAuthenticationError::KeyLookup(error)
        | OobAuthenticationError::Refused { error }
        | OobAuthenticationError::NotNow { error }
        | OobAuthenticationError::Unknown { error } => exit_of_http(error),
        OobAuthenticationError::NoWay(error) => exit_of_route(error),
        OobAuthenticationError::NotInRoster { .. } => Exit::NoKey,
        OobAuthenticationError::Spend(SpendError::NoToken { .. }) => Exit::NoToken,
        _ => Exit::Failed,
    }
}

pub(crate) fn exit_of_audit(error: &AuditError) -> Exit {
    let no_answer = matches!(error, AuditError::Log { error, .. }
        if matches!(error, ReadLogError::Source(_)))
        || matches!(error, AuditError::TimeUp);
    match error.misbehaviour() {
        Some(misbehaviour) => misbehaviour.into(),
        None if no_answer => Exit::Network,
        None => Exit::Failed,
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(exit_of_audit(&error), error)
    }
}

impl From<ProofFileError> for Failure {
    fn from(error: ProofFileError) -> Self {
        let exit = error.misbehaviour().map_or(Exit::Failed, Exit::from);
        Self::new(exit, error)
    }
}

impl From<OobAuthenticationError> for Failure {
    fn from(error: OobAuthenticationError) -> Self {
        Self::new(exit_of_caller(&error), error)
    }
}

impl From<CarrierError> for Failure {
    fn from(error: CarrierError) -> Self {
        let exit = match &error {
            CarrierError::Http(error) => exit_of_http(error),
            CarrierError::IssuerLog(FollowError::Log(ReadLogError::Source(source))) => {
                let http = source.error.downcast_ref();
                http.map_or(Exit::Network, exit_of_http)
            }
            CarrierError::IssuerLog(_)
            | CarrierError::NotLogged(_)
            | CarrierError::NotNewest(_) => Exit::Unaccounted,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<KeyFetchError> for Failure {
    fn from(error: KeyFetchError) -> Self {
        let exit = match &error {
            error if error.is_untrusted() => Exit::Unaccounted,
            KeyFetchError::Http { error, .. } => exit_of_http(error),
            KeyFetchError::Log(ObliviousLogError::TooFewWitnesses(_)) => Exit::TooFewWitnesses,
            KeyFetchError::Log(_) => Exit::Network,
            KeyFetchError::NotOffered(_) => Exit::Refused,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::new(exit_of_http(&error), error)
    }
}

impl From<NumberingServiceError> for Failure {
    fn from(error: NumberingServiceError) -> Self {
        let exit = match &error {
            NumberingServiceError::Http(http) => exit_of_http(http),
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let PublishError::Http(http) = &error else {
            return Self::new(Exit::Failed, error);
        };
        Self::new(exit_of_http(http), error)
    }
}

impl From<OobVerificationError> for Failure {
    fn from(error: OobVerificationError) -> Self {
        let exit = match &error {
            OobVerificationError::Http(error) => exit_of_http(error),
            OobVerificationError::NoAnswerInTime(_) => Exit::Network,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

macro_rules! failed {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Exit::Failed, error)
            }
        })+
    };
}

failed!(
    ConfigurationError,
    LogPlaceError,
    StateError,
    IdentityError,
    MailboxKeyError,
    PassportInputError,
    PkiError,
    BesideKeyError,
    MailboxCpssError,
    TableFileError,
    TrustFilesError,
    WalletError,
);
