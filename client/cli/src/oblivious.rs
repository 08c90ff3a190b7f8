//! `pennyblack oblivious`: the keys to which requests through relays are sealed. Not here:
//! how they are fetched and which are trusted (the client library).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pennyblack_base::time::UnixTime;
use pennyblack_client::oblivious::{CpsKeys, KeyFetcher, TrustedKey};
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_client::wallet::RememberedKeys;
use pennyblack_http::ServiceAddress;
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::VerifierKey;
use serde_json::{Value, json};

use super::carrier::existing_wallet;
use super::options::NetworkOptions;
use super::outcome::{Exit, Failure, Outcome};
use super::relays::fetcher;
use super::witnesses::WitnessOptions;
use super::wording::{folded, plural};

/// What to do about Oblivious HTTP.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  pennyblack oblivious keys --cps https://cps.example --wallet wallet.db")]
pub(crate) enum ObliviousCommand {
    /// Fetch a CPS's keys for Oblivious HTTP, compare them with its log, and show them.
    Keys(Keys),
}

/// `oblivious keys`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack oblivious keys --cps https://cps.example --wallet wallet.db
  # a CPS of a federation, whose roster has the key of its log
  pennyblack oblivious keys --cps https://cps.example --wallet wallet.db \\
      --rosters rosters
  # in a crontab, at a minute of your own
  17,47 * * * * pennyblack oblivious keys --cps … --wallet … --json
  # then calls go through relays
  pennyblack call --cps https://cps.example --wallet wallet.db \\
      --relay https://relay.example/cps-a …

The CPS is asked directly and sees this machine's address, so no call fetches:
do it at times of its own. A key is used for one hour after the last run that
found it and the log good, so run this at least every 50 minutes, and oftener if
the CPS's epochs are shorter than two hours. `pennyblack carrier run` does it
with [oblivious]. A key that is not in the CPS's log may be shown to you alone:
it is refused, with exit code 9. All clients change to a new key at the time
that is shown beside it (used from, in JSON used_from). A log that too few of
the witnesses have cosigned may be, too: exit code 27, and the keys of before
end within the hour.")]
pub(crate) struct Keys {
    /// The CPS's URL, or authority=URL.
    #[arg(long, value_name = "URL")]
    cps: ServiceAddress,
    /// The wallet's file, which remembers the keys and the log.
    #[arg(long, value_name = "FILE")]
    wallet: PathBuf,
    /// The verifier key of the CPS's log, as its operator publishes it. Without it the
    /// first that the CPS shows is trusted, and a warning says so once.
    #[arg(long, value_name = "KEY")]
    log_key: Option<VerifierKey>,
    /// Directory of `federation fetch`: its newest roster has the key of the CPS's log.
    #[arg(long, value_name = "DIR", conflicts_with = "log_key")]
    rosters: Option<PathBuf>,
    #[command(flatten)]
    witnesses: WitnessOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Does it.
pub(crate) async fn run(command: ObliviousCommand) -> Result<Outcome, Failure> {
    let ObliviousCommand::Keys(arguments) = command;
    let wallet = existing_wallet(&arguments.wallet)?;
    let now = Clock::system().now();
    let fetcher = KeyFetcher {
        log_keys: arguments.log_key(now)?.into_iter().collect(),
        witnesses: arguments.witnesses.policy()?,
        ..fetcher(&wallet)
    };
    let cps = &arguments.cps;
    let client = arguments.network.http().client()?;
    let known = fetcher.fetch(&client, cps, now).await?;
    let remembered = wallet.oblivious_keys(cps.authority())?;
    Ok(report(cps, &known, &remembered, now))
}

impl Keys {
    /// The key that the CPS's log must have, if somebody says which.
    fn log_key(&self, now: UnixTime) -> Result<Option<VerifierKey>, Failure> {
        let Some(rosters) = &self.rosters else {
            return Ok(self.log_key.clone());
        };
        let cpss = RosterCpss::read(rosters, RosterUse::Storing, now)?;
        let cps = self.cps.authority();
        let Some(member) = cpss.find(cps) else {
            let text = format!(
                "{cps} is no CPS in the roster of {}: name one that is there (`pennyblack \
                 federation show`)",
                cpss.federation()
            );
            return Err(Failure::new(Exit::Usage, text).of_option("--cps"));
        };
        Ok(Some(member.log_key.clone()))
    }
}

fn report(
    cps: &ServiceAddress,
    known: &CpsKeys,
    remembered: &RememberedKeys,
    now: UnixTime,
) -> Outcome {
    let newest = known.newest(now);
    let count = plural(known.keys.len() as u64, "key");
    let mut lines = vec![format!(
        "{count} of {}, announced in its log",
        cps.authority()
    )];
    let mut keys = Vec::new();
    for key in &known.keys {
        let is_used = newest == Some(key);
        let used_from = known.used_from(key);
        // One that waits for its time. What was used before is only good for late requests.
        let waits_until = used_from.filter(|from| *from > now);
        lines.push(line(key, is_used, waits_until));
        keys.push(entry(key, is_used, used_from));
    }
    let log = remembered.view.as_ref().map(|view| {
        let (head, log) = (view.head(), view.log());
        lines.push(folded(&format!(
            "  log: {} entries, root {}",
            head.size, head.root
        )));
        lines.push(format!("  log key: {log}"));
        json!({ "key": log.to_string(), "entries": head.size, "root": head.root.to_string() })
    });
    let json = json!({ "cps": cps.authority(), "keys": keys, "log": log });
    Outcome::done(json, lines.join("\n"))
}

fn line(key: &TrustedKey, is_used: bool, waits_until: Option<UnixTime>) -> String {
    let announced = key.announced();
    let used = match waits_until {
        _ if is_used => ", in use".to_owned(),
        Some(from) => format!(", used from {from}"),
        None => String::new(),
    };
    folded(&format!(
        "  key {} ({}): good from {} until {}{used}",
        key.config().key_id(),
        key.config().kem(),
        announced.not_before,
        announced.not_after
    ))
}

fn entry(key: &TrustedKey, is_used: bool, used_from: Option<UnixTime>) -> Value {
    let announced = key.announced();
    json!({
        "key_id": key.config().key_id(),
        "kem": key.config().kem().to_string(),
        "digest": announced.key_config.to_string(),
        "not_before": announced.not_before,
        "not_after": announced.not_after,
        "in_use": is_used,
        "used_from": used_from,
    })
}
