//! `audit follow`: the logs of one CPS and its issuers, or those of a federation (`federation`).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pennyblack_audit::{Auditor, Log, LogPlace, StateDirectory};
use pennyblack_http::HttpClient;
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::{KeyName, VerifierKey, WitnessPolicy};

use super::super::options::ConnectionOptions;
use super::super::outcome::{Exit, Failure, Outcome};
use super::super::witnesses::WitnessOptions;
use super::super::wording::plural;
use super::federation::FederationOptions;
use super::output;

/// How often progress is drawn.
pub(super) const PACE: Duration = Duration::from_millis(100);
/// Entries between two looks at the clock.
const STEP: u64 = 64;

/// What `follow` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # a CPS's log, and that of its issuer
  pennyblack audit follow https://cps.example/log --key \"$CPS_KEY\" \\
      --issuer https://issuer.example/log --issuer-key \"$ISSUER_KEY\" \\
      --state audit
  # a CPS that takes tokens of two issuers
  pennyblack audit follow … \\
      --issuer https://one.example/log --issuer-key \"$ONE\" \\
      --issuer https://two.example/log --issuer-key \"$TWO\"
  # all CPSs and issuers of a federation, by what `federation fetch` keeps
  pennyblack audit follow --roster rosters --state audit
  # two of these three witnesses must have cosigned
  pennyblack audit follow … --witness \"$A\" --witness \"$B\" --witness \"$C\" \\
      --witnesses-needed 2")]
pub(crate) struct FollowArguments {
    /// The CPS's log: its URL, such as `https://cps.example/log`, or a directory of
    /// its files.
    #[arg(required_unless_present = "roster", conflicts_with = "roster")]
    log: Option<String>,
    /// The key of the CPS's log, `NAME+ID+KEY`. Get it from a source other than the
    /// log.
    #[arg(long, required_unless_present = "roster", conflicts_with = "roster")]
    key: Option<VerifierKey>,
    /// Directory of `federation fetch`: follow the logs of all CPSs and issuers of its newest
    /// roster, by the keys that it names. The state of each CPS is then in a directory of
    /// --state that is named by the CPS's authority.
    #[arg(long, value_name = "DIR", conflicts_with = "issuers")]
    roster: Option<PathBuf>,
    /// Each token is good at one CPS alone: then all CPSs together must not have accepted more
    /// of a key than its issuer signed. Tokens that are good once at each CPS are not so.
    #[arg(long, requires = "roster")]
    own_tokens: bool,
    /// An issuer's log, likewise; repeat both options for each issuer of the CPS. Without
    /// any the CPS is trusted about keys, and the number of issued tokens is unknown.
    #[arg(long = "issuer", value_name = "LOG", requires = "issuer_keys")]
    issuers: Vec<String>,
    /// The key of that issuer's log; the keys in the order of the logs.
    #[arg(long = "issuer-key", value_name = "KEY", requires = "issuers")]
    issuer_keys: Vec<VerifierKey>,
    /// Directory for what was seen. Use the same one for the next run, which then
    /// notices entries that were taken back.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Seconds that the run may take. When they are over, what was read is proven and
    /// kept, and the next run goes on from there.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(1..=604_800))]
    time_limit: u64,
    #[command(flatten)]
    witnesses: WitnessOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// Follows one CPS, or a federation.
pub(super) async fn run(arguments: FollowArguments, json: bool) -> Result<Outcome, Failure> {
    let client = arguments.connection.http().client()?;
    let limit = Duration::from_secs(arguments.time_limit);
    let bar = progress_bar(json);
    let show = |name: &KeyName, done: u64, of: u64| {
        if done.is_multiple_of(STEP) || done == of {
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(name.to_string());
        }
    };
    let ended = match &arguments.roster {
        Some(rosters) => {
            let federation = FederationOptions {
                rosters,
                state: &arguments.state,
                policy: arguments.witnesses.policy()?,
                own_tokens: arguments.own_tokens,
                limit,
            };
            federation.follow(&client, show).await
        }
        None => follow(&arguments, &client, limit, show).await,
    };
    bar.finish_and_clear();
    ended
}

async fn follow(
    arguments: &FollowArguments,
    client: &HttpClient,
    limit: Duration,
    show: impl FnMut(&KeyName, u64, u64),
) -> Result<Outcome, Failure> {
    let log = |place: &str, key: VerifierKey, policy| {
        let place = LogPlace::new(place, client)?;
        Ok::<_, Failure>(Log { place, key, policy })
    };
    let policy = arguments.witnesses.policy()?;
    let (Some(place), Some(key)) = (&arguments.log, &arguments.key) else {
        let text = "name the CPS's log and its --key, or the --roster of a federation";
        return Err(Failure::new(Exit::Usage, text));
    };
    let cps = log(place, key.clone(), policy)?;
    let (logs, keys) = (&arguments.issuers, &arguments.issuer_keys);
    if logs.len() != keys.len() {
        return Err(unpaired(logs.len(), keys.len()));
    }
    let issuers = logs.iter().zip(keys);
    // The witnesses are those of the CPS's log.
    let issuers = issuers.map(|(place, key)| log(place, key.clone(), WitnessPolicy::default()));
    let auditor = Auditor::new(cps, issuers.collect::<Result<Vec<_>, _>>()?)?;
    let directory = StateDirectory::new(&arguments.state);
    let _lock = directory.lock()?;
    let followed = auditor.follow(Clock::system().now(), || directory.load(), limit, show);
    let mut followed = followed.await?;
    directory.keep(&followed.state)?;
    if let Some(error) = followed.stopped.take() {
        return Err(error.into());
    }
    Ok(output::followed(&followed))
}

fn unpaired(logs: usize, keys: usize) -> Failure {
    let message = format!(
        "--issuer names {} and --issuer-key {}: give one key for each log, in the same order",
        plural(logs as u64, "log"),
        plural(keys as u64, "key")
    );
    Failure::new(Exit::Usage, message)
}

fn progress_bar(json: bool) -> ProgressBar {
    let target = if json {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    let template =
        "{spinner:.green} {msg} [{wide_bar:.green/dim}] {human_pos} of {human_len}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(PACE);
    bar
}
