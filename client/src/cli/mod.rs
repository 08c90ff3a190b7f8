//! The command line: parsing, dispatch, and how an outcome becomes text, JSON
//! and an exit code. Not here: any decision that the library could take.

mod outcome;
mod pki;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use outcome::{Failure, Outcome};

/// Anonymous, flood-proof out-of-band STIR: draw tokens, store sealed
/// PASSporTs, verify calls.
#[derive(Debug, Parser)]
#[command(name = "pennyblack", version, after_help = AFTER_HELP, propagate_version = true)]
struct Arguments {
    /// Print one JSON document to standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A development certification authority for STIR certificates.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done; for `verify`: a valid PASSporT for this call
  1  failed: a file, a key, a setting; the message says what to do
  2  the command line is wrong
  3  verify: no PASSporT for this call
  4  verify: PASSporTs for this call, none of which can be verified
  5  verify: a PASSporT for this call is proven invalid
  6  the network or a service could not be reached or is overloaded; never a verdict
  7  a service refused the request; the message says why
  8  the wallet holds no token that may be spent now";

/// Parses the command line, does what it says, and prints the outcome.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments.command) {
        Ok(outcome) => outcome.print(arguments.json),
        Err(failure) => failure.print(arguments.json),
    }
}

fn dispatch(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Pki(command) => pki::run(command),
    }
}
