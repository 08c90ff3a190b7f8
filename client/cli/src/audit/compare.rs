//! `pennyblack audit compare`: whether two auditors were shown one log. Not here: how
//! that is found out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use console::style;
use indicatif::HumanCount;
use pennyblack_audit::{
    Agreement, CompareError, LogPlace, Positions, Seen, SeenLog, StateDirectory,
};
use pennyblack_http::HttpClient;
use pennyblack_tlog::ReadLogError;
use serde_json::json;

use super::super::options::NetworkOptions;
use super::super::outcome::{Exit, Failure, Outcome};
use super::super::wording::count;

const LOG: &str = "--log";
const ISSUER: &str = "--issuer";

/// What `compare` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # two auditors
  pennyblack audit compare audit/ other/audit.json --log https://cps.example/log
  # an auditor and the log itself
  pennyblack audit compare audit/ https://cps.example/log")]
pub(crate) struct CompareArguments {
    /// Directory that `follow` keeps, or a copy of the file in it.
    state: PathBuf,
    /// Another auditor's directory or copy; or the CPS's log: its URL, or a directory
    /// of its files.
    other: String,
    /// The CPS's log, as one of the two reaches it; needed if one has seen more than
    /// the other.
    #[arg(long)]
    log: Option<String>,
    /// An issuer's log, likewise; repeat the option for several.
    #[arg(long = "issuer", value_name = "LOG")]
    issuers: Vec<String>,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Whom to compare with.
enum Other {
    Auditor(Seen),
    Log(LogPlace),
}

/// Compares.
pub(crate) async fn run(arguments: CompareArguments) -> Result<Outcome, Failure> {
    let client = arguments.network.http().client()?;
    let seen = Seen::of(&state(&arguments.state)?)?;
    let other = other(&arguments.other, &client)?;
    let place = |place: Option<&str>| {
        let place = place.map(|place| LogPlace::new(place, &client));
        place.transpose()
    };
    let log = place(arguments.log.as_deref())?;
    let mut issuers = named(&arguments.issuers, &client).await?;
    let (mut agreements, mut left) = (Vec::new(), Vec::new());
    let others = match other {
        Other::Log(log) => {
            agreements.push(seen.cps.compare_with_log(log).await?);
            None
        }
        Other::Auditor(other) => {
            agreements.push(seen.cps.compare(&other.cps, log, LOG).await?);
            Some(other.issuers)
        }
    };
    for seen in &seen.issuers {
        let log = issuers.remove(seen.name().as_str());
        let other = others
            .iter()
            .flatten()
            .find(|other| other.name() == seen.name());
        match (&others, other, log) {
            (Some(_), Some(other), log) => agreements.push(seen.compare(other, log, ISSUER).await?),
            (None, _, Some(log)) => agreements.push(seen.compare_with_log(log).await?),
            _ => left.push(seen),
        }
    }
    if let Some(name) = issuers.into_keys().next() {
        let message = format!("{ISSUER}: {name} is not a log that this auditor has followed");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(report(&agreements, &left))
}

/// Logs by their origins, as they say themselves; whose they are is proven later.
async fn named(logs: &[String], client: &HttpClient) -> Result<HashMap<String, LogPlace>, Failure> {
    let mut named = HashMap::new();
    for log in logs {
        let place = LogPlace::new(log, client)?;
        let origin = place.origin().await.map_err(|error| {
            let exit = match error {
                ReadLogError::Source(_) => Exit::Network,
                _ => Exit::Failed,
            };
            Failure::new(exit, error).of_option(&format!("{ISSUER} {log}"))
        });
        named.insert(origin?, place);
    }
    Ok(named)
}

/// An argument that names a log, or another auditor's state.
fn other(argument: &str, client: &HttpClient) -> Result<Other, Failure> {
    let path = Path::new(argument);
    let is_url = argument.starts_with("https://") || argument.starts_with("http://");
    if is_url || path.join("checkpoint").is_file() {
        return Ok(Other::Log(LogPlace::new(argument, client)?));
    }
    Ok(Other::Auditor(Seen::of(&state(path)?)?))
}

fn state(path: &Path) -> Result<Positions, Failure> {
    let file = path.is_file().then(|| Positions::read(path)).transpose()?;
    match file.flatten() {
        Some(state) => Ok(state),
        None => Ok(StateDirectory::new(path).require_positions()?),
    }
}

fn report(agreements: &[Agreement], left: &[&SeenLog]) -> Outcome {
    let log =
        |one: &Agreement| json!({ "log": one.log.as_str(), "common": one.common, "most": one.max });
    let names: Vec<_> = left.iter().map(|log| log.name().as_str()).collect();
    let json = json!({
        "agree": agreements.iter().map(log).collect::<Vec<_>>(),
        "not_compared": names,
    });
    let mut lines: Vec<_> = agreements.iter().map(line).collect();
    lines.extend(names.iter().map(|name| {
        format!(
            "{name} was not compared: the other has not followed it, and {ISSUER} does not name it"
        )
    }));
    Outcome::done(json, lines.join("\n"))
}

fn line(one: &Agreement) -> String {
    let max = count(one.max, "entry", "entries");
    let mark = style("one history").green();
    format!(
        "{mark} {}: the two have {} of {max} in common, from the first on",
        one.log,
        HumanCount(one.common)
    )
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Audit(error) => error.into(),
            CompareError::LogNeeded { .. } => Self::new(Exit::Usage, error),
            error => Self::new(error.misbehaviour().map_or(Exit::Failed, Exit::from), error),
        }
    }
}
