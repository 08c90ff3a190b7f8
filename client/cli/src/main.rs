//! The command line: parsing, dispatch, and how an outcome becomes text, JSON
//! and an exit code. Not here: any decision that the library could take.

mod audit;
mod call;
mod carrier;
mod demo;
mod directory;
mod federation;
mod load;
mod mailbox;
mod numbering;
mod oblivious;
mod options;
mod outcome;
mod pki;
mod relays;
mod signals;
mod standard_error;
mod table;
mod verify;
mod witnesses;
mod wording;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime;

use outcome::{Exit, Failure, Outcome};

/// Out-of-band STIR (RFC 8816) with sealed PASSporTs and one-time tokens: draw
/// tokens, store PASSporTs, verify calls, audit services.
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
    /// Draw tokens from an issuer into a wallet.
    #[command(subcommand)]
    Carrier(carrier::CarrierCommand),
    /// Store a call's PASSporT for the called number.
    Call(Box<call::CallArguments>),
    /// Make a mailbox for called numbers, and publish its key.
    #[command(subcommand)]
    Mailbox(Box<mailbox::MailboxCommand>),
    /// Write a table of who holds which numbers.
    #[command(subcommand)]
    Numbering(numbering::NumberingCommand),
    /// Keys of CPSs for requests that go through relays (Oblivious HTTP).
    #[command(subcommand)]
    Oblivious(Box<oblivious::ObliviousCommand>),
    /// Key records of a federation at hand, so that no call asks for one; and hints at others.
    #[command(subcommand)]
    Directory(Box<directory::DirectoryCommand>),
    /// Rosters, which say who belongs to a federation: make, sign, check and fetch them.
    #[command(subcommand)]
    Federation(Box<federation::FederationCommand>),
    /// Run a demonstration on this machine: certificates, issuer, CPS, carriers, OOB-VSs,
    /// telephone gateways, and attacks on them.
    Demo(demo::DemoArguments),
    /// Look for a call's PASSporT in a mailbox, and verify it.
    Verify(Box<verify::VerifyArguments>),
    /// Measure an issuer and a CPS under load: throughput, latencies, failures.
    Load(Box<load::LoadArguments>),
    /// Check what the operators of a CPS and an issuer have published: follow their
    /// logs, report on a period, prove single entries.
    #[command(subcommand)]
    Audit(Box<audit::AuditCommand>),
    #[command(hide = true)]
    Service(demo::ServiceArguments),
}

const AFTER_HELP: &str = "\
Examples:
  pennyblack demo
  pennyblack call --help

Exit codes:
  0  done; for `verify`: a valid PASSporT for this call
  1  failed: a file, a key, a setting; the message says what to do
  2  the command line is wrong
  3  verify: no PASSporT for this call
  4  verify: PASSporTs for this call, but none can be verified
     (never \"forged\": anyone may store one, RFC 8816 section 7.5)
  5  the network or a service could not be reached, or is overloaded, or a
     mailbox was not read to its end; never a verdict
  6  a service refused the request; the message says why
  7  the wallet holds no token that may be spent now; carrier status: none for
     some CPS
  8  call, directory find: there is no key for the called number; call: or none
     of its CPSs is in the roster
  9  carrier: the issuer's key is not the newest in its public log, or the log
     was changed; oblivious, call: the same of a CPS's key for relays
  10  audit follow: the time was up; the next run goes on from there
  11  audit follow: the CPS takes keys of an issuer whose log was not named
  12  call: a key for the called number is published, but this machine cannot
     check that its signer holds the number
  13  no relay could carry the request, and nothing goes directly: none was
     reached, or they refused it, or no key of the CPS is known; the CPS has
     read nothing
  14  federation, directory, call: the newest roster has ended, or is not valid
     yet
  15  mailbox watch: somebody else has published a key for these numbers

Exit codes of `audit`, each a kind of misbehaviour (docs/auditing.md); 20, 21
and 24 of `federation`, too, for rosters; 20 to 24, 27 and 29 of `directory` and
`mailbox watch`:
  20  fork: the log has signed two histories
  21  rollback: the log shows fewer entries than it has signed for
  22  rewritten entry: an entry or a tile is not what was signed for
  23  missing tile: a file that was signed for is not there
  24  bad signature: a checkpoint is not signed by the right key
  25  false accusation: a double spend whose evidence does not prove it
  26  more spent than issued
  27  too few witnesses have cosigned
  28  unknown key: the CPS accepts a key that its issuer has not announced
  29  contradiction: an entry that cannot be read, or contradicts an earlier one
  30  excess: more token keys than a log may state, or days with double spends
  31  too close: two keys of an issuer begin less than 20 minutes apart";

/// Parses the command line, does what it says, and prints the outcome.
fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return wrong_command_line(error),
    };
    let json = arguments.json;
    if let Command::Service(arguments) = arguments.command {
        return demo::serve(arguments);
    }
    match dispatch(arguments.command, json) {
        Ok(outcome) => outcome.print(json),
        Err(failure) => failure.print(json),
    }
}

/// Tells of a command line that cannot be read, or of the help that it asks for.
fn wrong_command_line(error: clap::Error) -> ExitCode {
    let asks_for_json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && asks_for_json {
        return Failure::new(Exit::Usage, usage_text(&error)).print(true);
    }
    error.exit()
}

/// What is wrong with it, without the label that is for terminals.
fn usage_text(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.trim_end().to_owned()
}

fn dispatch(command: Command, json: bool) -> Result<Outcome, Failure> {
    match command {
        Command::Audit(command) => on_runtime(audit::run(*command, json)),
        Command::Pki(command) => pki::run(command),
        Command::Carrier(command) => on_runtime(carrier::run(command)),
        Command::Numbering(command) => on_runtime(numbering::run(command)),
        Command::Oblivious(command) => on_runtime(oblivious::run(*command)),
        Command::Federation(command) => on_runtime(federation::run(*command)),
        Command::Directory(command) => on_runtime(directory::run(*command, json)),
        Command::Call(arguments) => on_runtime(call::run(*arguments)),
        Command::Demo(arguments) => on_runtime(demo::run(arguments, json)),
        Command::Service(arguments) => Err(Failure::new(
            Exit::Usage,
            format!("{arguments:?} is run on its own"),
        )),
        Command::Load(arguments) => on_all_cores(load::run(*arguments, json)),
        Command::Mailbox(command) => on_runtime(mailbox::run(*command)),
        Command::Verify(arguments) => on_runtime(verify::run(*arguments, json)),
    }
}

/// One thread is enough: commands wait for networks, not for processors.
fn on_runtime(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    run_to_its_end(runtime::Builder::new_current_thread(), work)
}

/// Load is made by as many threads as there are cores.
fn on_all_cores(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    run_to_its_end(runtime::Builder::new_multi_thread(), work)
}

/// How long what is being written may take when the command has come to its end.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// What the command began and does not want any more is not waited for: a look-up of a
/// name goes on for half a minute when the name server is silent, whatever the deadline.
fn run_to_its_end(
    mut runtime: runtime::Builder,
    work: impl Future<Output = Result<Outcome, Failure>>,
) -> Result<Outcome, Failure> {
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WRITES);
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// As a look-up of a name does that a silent name server does not answer.
    #[test]
    fn work_that_nobody_waits_for_does_not_hold_the_command() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let begin = std::time::Instant::now();
        let work = async move {
            tokio::task::spawn_blocking(move || held.recv_timeout(Duration::from_secs(30)));
            Ok(Outcome::done(serde_json::Value::Null, ""))
        };
        on_runtime(work).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(15));
        drop(hold);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// The command and all below it that people see.
    fn visible(command: &clap::Command) -> Vec<&clap::Command> {
        let below = command.get_subcommands().filter(|one| !one.is_hide_set());
        let below = below.flat_map(visible);
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn the_help_of_every_command_has_an_example_that_fits_80_columns() {
        let program = Arguments::command();
        let commands = visible(&program);
        assert!(commands.len() > 20, "{} commands", commands.len());
        for command in commands {
            let after = command.get_after_help().map(ToString::to_string);
            let after = after.unwrap_or_default();
            let name = command.get_name();
            assert!(after.contains("Example"), "{name} --help has no example");
            assert!(
                after.contains("pennyblack "),
                "{name} --help has no example"
            );
            for line in after.lines() {
                assert!(line.chars().count() <= 80, "{name} --help: {line}");
            }
        }
    }

    /// A deadline of half a minute would end a run that is told to take an hour.
    #[test]
    fn a_command_has_one_limit_of_its_time() {
        let mut limited = 0;
        let mut commands = vec![Arguments::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let limits = ["deadline", "time_limit", "duration"];
            let ids = command
                .get_arguments()
                .map(|argument| argument.get_id().as_str());
            let found: Vec<_> = ids.filter(|id| limits.contains(id)).collect();
            assert!(found.len() <= 1, "{}: {found:?}", command.get_name());
            limited += found.len();
        }
        assert!(limited >= 7, "{limited} commands have a limit");
    }

    /// The codes that begin lines of a list.
    fn codes_in<'t>(text: &'t str, prefix: &str, end: &str) -> Vec<u8> {
        let begins = |line: &'t str| line.strip_prefix(prefix)?.split(end).next()?.parse().ok();
        text.lines().filter_map(begins).collect()
    }

    #[test]
    fn the_exit_codes_of_the_help_and_of_the_documents_are_those_of_the_program() {
        let codes = Exit::ALL.map(|exit| exit as u8);
        assert_eq!(codes_in(AFTER_HELP, "  ", "  "), codes);
        let mut documented = codes_in(include_str!("../../../docs/problems.md"), "| ", " |");
        let kinds = include_str!("../../../docs/auditing.md");
        documented.extend(codes_in(kinds, "| ", " |"));
        assert_eq!(documented, codes);
    }
}
