//! `federation fetch`: from the rosters that are kept to the newest.

use std::path::PathBuf;

use clap::Args;
use pennyblack_client::rosters::{FetchedRosters, MirrorFault, RosterFetchError, fetch_rosters};
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_roster::{Chain, KeptRosters, Pin};
use pennyblack_runtime::clock::Clock;
use serde_json::{Value, json};

use super::super::options::NetworkOptions;
use super::super::outcome::{Exit, Failure, Outcome, exit_of_http};
use super::super::standard_error::warn;
use super::super::wording::plural;
use super::{check, exit_of_chain};

/// Once more, and then the next mirror is asked.
const RETRY: RetryPolicy = RetryPolicy {
    retries: 1,
    ..RetryPolicy::SHORT
};

/// `federation fetch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # the first time, with the pin as the governors told it
  pennyblack federation fetch --roster https://cps-a.example \\
      --roster https://cps-b.example --pin 1:9f86d081… --out rosters
  # then, for example every night
  pennyblack federation fetch --roster https://cps-a.example \\
      --roster https://cps-b.example --out rosters

Nobody who serves rosters is trusted; name several, so that none of them alone
can hide the newest. Exit code 14: it has ended or is not valid yet; 20: the
governors have signed two rosters, and both are kept; 21: nobody shows what was
shown before; 24: a roster lacks signatures.")]
pub(crate) struct Fetch {
    /// URL of a member that serves rosters; repeat the option.
    #[arg(long = "roster", value_name = "URL", required = true)]
    mirrors: Vec<ServiceAddress>,
    /// The pin of the roster with which trust begins. Needed once.
    #[arg(long, value_name = "SEQUENCE:SHA256")]
    pin: Option<Pin>,
    /// Directory in which rosters are kept, and which can be served as it is.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Fetches them.
pub(super) async fn fetch(arguments: Fetch) -> Result<Outcome, Failure> {
    let client = arguments.network.http().client()?;
    let mut kept = KeptRosters::open(&arguments.out, arguments.pin)?;
    let mut fetched = fetch_rosters(&mut kept, &arguments.mirrors, &client, RETRY).await?;
    for mirror in &fetched.mirrors {
        if let Err(fault) = &mirror.shown {
            warn(fault);
        }
    }
    std::mem::replace(&mut fetched.verdict, Ok(()))?;
    let chain = KeptRosters::chain_in(&arguments.out)?;
    let mut outcome = check::report(&chain, Clock::system().now());
    let (added, kept) = (fetched.added.len() as u64, arguments.out.display());
    outcome
        .text
        .push_str(&format!("\n{} new in {kept}", plural(added, "roster")));
    if let Value::Object(members) = &mut outcome.json {
        members.insert("added".to_owned(), json!(added));
        members.insert("mirrors".to_owned(), mirrors(&fetched));
    }
    for behind in behind(&fetched, &chain) {
        outcome.note(&behind);
    }
    Ok(outcome)
}

fn mirrors(fetched: &FetchedRosters) -> Value {
    let entries = fetched.mirrors.iter().map(|one| match &one.shown {
        Ok(newest) => json!({ "mirror": one.mirror.to_string(), "newest": newest.get() }),
        Err(fault) => json!({ "mirror": one.mirror.to_string(), "fault": fault.to_string() }),
    });
    entries.collect()
}

/// Who does not have the newest.
fn behind(fetched: &FetchedRosters, chain: &Chain) -> Vec<String> {
    let newest = chain.last().sequence();
    let shown = fetched.mirrors.iter().filter_map(|one| {
        let shown = one.shown.as_ref().ok().filter(|shown| **shown < newest)?;
        let mirror = &one.mirror;
        Some(format!(
            "{mirror} has roster {shown} only, and not yet {newest}"
        ))
    });
    shown.collect()
}

impl From<RosterFetchError> for Failure {
    fn from(error: RosterFetchError) -> Self {
        let exit = match &error {
            RosterFetchError::Rollback { .. } => Exit::Rollback,
            RosterFetchError::Mirror(MirrorFault::Http(http)) => exit_of_http(http),
            RosterFetchError::Mirror(MirrorFault::NotServed(_)) => Exit::Refused,
            RosterFetchError::Mirror(MirrorFault::Refused { error, .. }) => exit_of_chain(error),
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
