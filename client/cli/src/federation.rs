//! `pennyblack federation`: rosters. Not here: what makes a roster good
//! (`pennyblack_roster`).

mod check;
mod fetch;
mod make;
mod show;

use std::path::Path;

use clap::Subcommand;
use pennyblack_roster::{ChainError, RosterDirectoryError};
use pennyblack_storage::atomic_file;

pub(crate) use self::show::standing;
use super::outcome::{Exit, Failure, Outcome};

/// What to do with rosters.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  # a governor makes its key, and tells the others the line that is printed
  pennyblack federation key --name carrier-a.example --out carrier-a.governor
  # one of them makes a roster of a draft; each signs it; one merges
  pennyblack federation new draft.txt --out 1.unsigned
  pennyblack federation sign 1.unsigned --key carrier-a.governor --out 1.a
  pennyblack federation merge 1.a 1.b --out 1.roster
  pennyblack federation show 1.roster

docs/federation.md has the whole way, for three carriers.")]
pub(crate) enum FederationCommand {
    /// Make the key with which a governor signs.
    Key(make::Key),
    /// Make a roster, the first or a successor, of a draft.
    New(make::New),
    /// Sign a roster.
    Sign(make::Sign),
    /// Put the signatures of several copies of a roster into one.
    Merge(make::Merge),
    /// Show what a roster says, and who has signed it.
    Show(show::Show),
    /// Check that rosters follow each other from a pinned one on.
    Check(check::Check),
    /// Fetch rosters up to the newest, and keep them.
    Fetch(fetch::Fetch),
}

/// Does it.
pub(crate) async fn run(command: FederationCommand) -> Result<Outcome, Failure> {
    match command {
        FederationCommand::Key(arguments) => make::key(&arguments),
        FederationCommand::New(arguments) => make::new(&arguments),
        FederationCommand::Sign(arguments) => make::sign(&arguments),
        FederationCommand::Merge(arguments) => make::merge(&arguments),
        FederationCommand::Show(arguments) => show::show(&arguments),
        FederationCommand::Check(arguments) => check::check(&arguments),
        FederationCommand::Fetch(arguments) => fetch::fetch(arguments).await,
    }
}

fn exit_of_chain(error: &ChainError) -> Exit {
    match error {
        ChainError::Fork(..) => Exit::Fork,
        ChainError::NotSigned { .. }
        | ChainError::NotPinned { .. }
        | ChainError::OtherPredecessor { .. }
        | ChainError::OtherFederation { .. } => Exit::BadSignature,
        _ => Exit::Failed,
    }
}

fn exit_of_directory(error: &RosterDirectoryError) -> Exit {
    error.chain_error().map_or(Exit::Failed, exit_of_chain)
}

impl From<RosterDirectoryError> for Failure {
    fn from(error: RosterDirectoryError) -> Self {
        Self::new(exit_of_directory(&error), error)
    }
}

fn at(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}

/// Writes a file that anyone may read, all of it or nothing.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = atomic_file::write_public(path, text.as_bytes());
    written.map_err(|error| at(path, error))
}
