//! `pennyblack audit`: check what operators have published. Not here: any of the
//! checks.

mod compare;
mod federation;
mod follow;
mod output;
mod practice;
mod report;
mod witness;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pennyblack_audit::{AuditError, FiledReport, LogPlace, Period, StateDirectory, verify_proof};
use pennyblack_base::time::UnixTime;
use pennyblack_http::HttpClient;
use pennyblack_runtime::clock::Clock;
use pennyblack_storage::limited_file;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::{LogProof, VerifierKey};
use serde_json::json;

use super::options::NetworkOptions;
use super::outcome::{Exit, Failure, Outcome};
use super::witnesses::WitnessOptions;
use super::wording::wrapped;

/// The commands.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pennyblack audit follow https://cps.example/log --key \"$CPS_KEY\" \\
      --issuer https://issuer.example/log --issuer-key \"$ISSUER_KEY\" \\
      --state audit
  pennyblack audit follow --roster rosters --state audit
  pennyblack audit report --state audit --from 2026-11-01 --to 2026-11-30
  pennyblack audit verify entry-17.proof --key \"$CPS_KEY\"

docs/auditing.md walks through all of it.")]
pub(crate) enum AuditCommand {
    /// Read what is new in the logs, prove it, and check the evidence of every entry.
    Follow(follow::FollowArguments),
    /// Report what happened in a period, from what `follow` has read.
    Report(ReportArguments),
    /// Write one entry with its proof to a small file.
    Prove(ProveArguments),
    /// Verify such a file, without a network.
    Verify(VerifyArguments),
    /// Compare what two auditors have seen, or what one has seen with the log: there
    /// must be one history.
    Compare(compare::CompareArguments),
    /// Practise: make logs with a planted double spend on this machine, and audit them.
    Practice(practice::PracticeArguments),
    /// Run a witness: cosign the checkpoints of logs while they are consistent with the
    /// earlier ones.
    Witness(witness::WitnessArguments),
}

/// What `report` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack audit report --state audit
  pennyblack audit report --state audit --from 2026-11-01 --to 2026-11-30 \\
      --csv november.csv --html november.html")]
pub(crate) struct ReportArguments {
    /// Directory that `follow` keeps.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// First day (UTC), such as 2026-11-01. Default: the first on record.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day (UTC). Default: the last on record.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// Also write comma-separated values to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also write a document with charts to this file, for any browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What `prove` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack audit prove https://cps.example/log 17 --key \"$CPS_KEY\" \\
      --out entry-17.proof")]
pub(crate) struct ProveArguments {
    /// The log: its URL, or a directory of its files.
    log: String,
    /// The entry's index; the first is 0.
    index: u64,
    /// The key of the log.
    #[arg(long)]
    key: VerifierKey,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    witnesses: WitnessOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

/// What `verify` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack audit verify entry-17.proof --key \"$CPS_KEY\"")]
pub(crate) struct VerifyArguments {
    /// The file.
    file: PathBuf,
    /// The key of the log.
    #[arg(long)]
    key: VerifierKey,
    #[command(flatten)]
    witnesses: WitnessOptions,
}

/// Does it.
pub(crate) async fn run(command: AuditCommand, json: bool) -> Result<Outcome, Failure> {
    match command {
        AuditCommand::Follow(arguments) => follow::run(arguments, json).await,
        AuditCommand::Report(arguments) => report(&arguments),
        AuditCommand::Prove(arguments) => prove(arguments).await,
        AuditCommand::Verify(arguments) => verify(&arguments),
        AuditCommand::Compare(arguments) => compare::run(arguments).await,
        AuditCommand::Practice(arguments) => practice::run(arguments, json).await,
        AuditCommand::Witness(arguments) => witness::run(arguments, json).await,
    }
}

fn report(arguments: &ReportArguments) -> Result<Outcome, Failure> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        let text = format!("--from {from} is after --to {to}: name the first day with --from");
        return Err(Failure::new(Exit::Usage, text));
    }
    let state = StateDirectory::new(&arguments.state).require()?;
    let from = arguments.from.map(start_of).transpose()?;
    let after = arguments.to.map(|last| last.tomorrow()).transpose();
    let after = after.map_err(|error| Failure::new(Exit::Usage, error))?;
    let period = Period {
        from,
        until: after.map(start_of).transpose()?,
    };
    let filed = FiledReport::new(&state, period, (Clock::system().now(), program()))?;
    if let Some(file) = &arguments.csv {
        write(file, "--csv", &filed.report.to_csv())?;
    }
    if let Some(file) = &arguments.html {
        write(file, "--html", &filed.to_html())?;
    }
    report::report(&filed)
}

/// This program and its version.
fn program() -> String {
    format!("pennyblack {}", env!("CARGO_PKG_VERSION"))
}

fn start_of(day: Date) -> Result<UnixTime, Failure> {
    let usage = |error: jiff::Error| Failure::new(Exit::Usage, error);
    let start = day.to_zoned(TimeZone::UTC).map_err(usage)?;
    let seconds = start.timestamp().as_second();
    let seconds = u64::try_from(seconds)
        .map_err(|_| Failure::new(Exit::Usage, format!("{day} is before 1970")))?;
    Ok(UnixTime(seconds))
}

async fn prove(arguments: ProveArguments) -> Result<Outcome, Failure> {
    let client: HttpClient = arguments.network.http().client()?;
    let place = LogPlace::new(&arguments.log, &client)?;
    let name = arguments.key.name().clone();
    let in_log = |error| AuditError::Log {
        log: name.clone(),
        error,
    };
    let reader = LogReader::new(place, arguments.key, arguments.witnesses.policy()?);
    let checkpoint = reader.checkpoint().await.map_err(in_log)?;
    let proof = reader.prove(arguments.index, &checkpoint).await;
    let text = proof.map_err(in_log)?.to_string();
    write(&arguments.out, "--out", &text)?;
    let (file, size) = (arguments.out.display().to_string(), text.len());
    let said = format!(
        "wrote entry {} of {name} with its proof to {file} ({size} bytes)",
        arguments.index
    );
    Ok(Outcome::done(
        json!({ "log": name.as_str(), "index": arguments.index, "file": file, "bytes": size }),
        wrapped(&said, "", "  "),
    ))
}

fn verify(arguments: &VerifyArguments) -> Result<Outcome, Failure> {
    let file = &arguments.file;
    let read = limited_file::read_text(file, LogProof::MAX_SIZE);
    let text = read.map_err(|error| {
        let text = format!(
            "{}: {error}; `pennyblack audit prove` writes such a file",
            file.display()
        );
        Failure::new(Exit::Failed, text)
    })?;
    let proven = verify_proof(&text, &arguments.key, &arguments.witnesses.policy()?);
    let proven = proven.map_err(|error| {
        let file = file.display().to_string();
        Failure::from(error).of_option(&file)
    })?;
    Ok(output::proven(&proven, arguments.key.name()))
}

fn write(file: &Path, option: &str, text: &str) -> Result<(), Failure> {
    let written = fs::File::create(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let text = format!("{option}: {}: {error}", file.display());
        Failure::new(Exit::Failed, text)
    })
}
