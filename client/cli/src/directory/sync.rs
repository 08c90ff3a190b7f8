//! `directory sync`: what is told of rounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use console::style;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget};
use pennyblack_client::directory::{Directory, NoObserver, Observer, SeenRecord, Verdict};
use pennyblack_runtime::clock::Clock;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, numbers, words};
use super::super::wording::{folded, plural};
use super::exit_of_follow;
use super::rounds::{Round, RoundOptions};

/// How often what is shown changes.
const PACE: Duration = Duration::from_millis(250);

/// `directory sync`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # once, for example from a crontab
  pennyblack directory sync --rosters rosters --db directory.db \\
      --roots roots/ --revocation lists/ --numbering numbering.csv
  # until it is stopped
  pennyblack directory sync … --every 5m

A record is believed if the CPS's log has signed for it, with the key that the
roster has, and if its signer holds the numbers. A CPS that is away is named,
and the others are followed; what was known of it stays until it ends. One whose
feed stays behind its log is not up to date. One round at a time goes on in a
file, and `mailbox watch` has a file of its own.

Exit codes: 5 and 6, a CPS is away or has no feed; 14, the roster has ended; 20,
a fork of a log; 21, a rollback of a log or feed; 24, a log that is not signed
by the roster's key; 27, too few witnesses; 29, a feed that its log contradicts.")]
pub(crate) struct SyncArguments {
    #[command(flatten)]
    rounds: RoundOptions,
}

/// Does it.
pub(super) async fn sync(arguments: SyncArguments, json: bool) -> Result<Outcome, Failure> {
    let options = arguments.rounds;
    if let Some(every) = options.every {
        options.rounds(every, &NoObserver).await?;
        return Ok(Outcome::done(json!({ "stopped": true }), "stopped"));
    }
    let progress = Progress::new(json);
    let round = options.round(&progress).await;
    progress.bar.finish_and_clear();
    outcome_of(&round?, &options)
}

/// Shows on a terminal how many records were seen.
struct Progress {
    bar: ProgressBar,
    seen: AtomicU64,
    good: AtomicU64,
}

impl Progress {
    fn new(json: bool) -> Self {
        let target = match json {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(PACE);
        Self {
            bar,
            seen: AtomicU64::new(0),
            good: AtomicU64::new(0),
        }
    }
}

impl Observer for Progress {
    fn saw(&self, seen: &SeenRecord) {
        let is_good = matches!(seen.verdict, Verdict::Good(_) | Verdict::Known);
        let all = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let good = self.good.fetch_add(u64::from(is_good), Ordering::Relaxed);
        let (all, good) = (HumanCount(all), HumanCount(good + u64::from(is_good)));
        self.bar.set_message(format!("{all} records, {good} good"));
    }
}

fn outcome_of(round: &Round, options: &RoundOptions) -> Result<Outcome, Failure> {
    let now = Clock::system().now();
    let state = Directory::existing(&options.db).and_then(|directory| directory.state(now));
    let state = state.map_err(|error| Failure::from(error).of_option("--db"))?;
    let mut table = Table::new([
        words("CPS"),
        numbers("new"),
        numbers("not trusted"),
        numbers("no room"),
        words("followed").whole(),
    ]);
    let (mut faults, mut entries, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    for report in &round.synced.cpss {
        let cps = report.cps.address.authority().to_string();
        match &report.outcome {
            Ok(followed) => {
                let counts = [followed.new, followed.refused, followed.crowded];
                let [new, refused, crowded] = counts.map(|count| HumanCount(count).to_string());
                let how_far = match followed.is_behind {
                    true => "behind its log",
                    false => "to its end",
                };
                table.row([cps.clone(), new, refused, crowded, how_far.to_owned()]);
                entries.push(json!({
                    "cps": cps,
                    "new": followed.new,
                    "not_trusted": followed.refused,
                    "no_room": followed.crowded,
                    "is_behind": followed.is_behind,
                }));
            }
            Err(error) => {
                let none = || "-".to_owned();
                table.row([cps.clone(), none(), none(), none(), "no".to_owned()]);
                entries.push(json!({ "cps": cps, "error": error.to_string() }));
                faults.push(format!("  {}: {error}", style(&cps).red()));
                exit = Exit::worst([exit, exit_of_follow(error)]);
            }
        }
    }
    let followed = round.synced.cpss.len() - faults.len();
    let line = format!(
        "followed {followed} of {} of {}: {} at hand",
        plural(round.synced.cpss.len() as u64, "CPS"),
        round.cpss.federation(),
        plural(state.records, "key record"),
    );
    let faults = faults.iter().map(|fault| folded(fault));
    let lines: Vec<_> = std::iter::once(line)
        .chain(std::iter::once(table.to_string()))
        .chain(faults)
        .collect();
    let json: Value = json!({
        "federation": round.cpss.federation(),
        "records": state.records,
        "waiting": state.waiting,
        "cpss": entries,
    });
    let mut outcome = Outcome::new(json, lines.join("\n"), exit);
    if state.waiting > 0 {
        outcome.note(&format!(
            "{} cannot be verified yet, for want of a certificate, a revocation list or a line of \
             the numbering table; they are looked at again in each round",
            plural(state.waiting, "record")
        ));
    }
    Ok(outcome)
}
