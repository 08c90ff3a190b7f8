//! `pennyblack directory`: where the keys of numbers are. Not here: asking for them.

pub(crate) mod hints;

use clap::Subcommand;

use super::outcome::{Failure, Outcome};

/// What to do about directories of keys.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  pennyblack directory hints carrier-b.pem --rosters rosters")]
pub(crate) enum DirectoryCommand {
    /// Show where a certificate or a CPS advertisement says that keys are.
    Hints(hints::Hints),
}

/// Does it.
pub(crate) fn run(command: DirectoryCommand) -> Result<Outcome, Failure> {
    match command {
        DirectoryCommand::Hints(arguments) => hints::show(&arguments),
    }
}
