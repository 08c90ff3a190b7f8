//! `mailbox watch`: cries when somebody else publishes a key for one's numbers, at any CPS of a
//! federation. Not here: whom a record concerns (the client library).

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{ArgGroup, Args};
use pennyblack_client::directory::{MissedRecord, NumberWatch, Observer, SeenRecord, Verdict};
use pennyblack_stir::Spc;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use serde_json::{Value, json};

use super::super::directory::{RoundOptions, exit_of_follow};
use super::super::options::{load_mailbox_key, typed_number, typed_range};
use super::super::outcome::{Exit, Failure, Outcome};
use super::super::wording::{count, plural, printable};

/// Two rounds are to see a record within the hour for which one lives at least.
const MAX_PAUSE: Duration = Duration::from_secs(20 * 60);

/// `mailbox watch`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("watched").required(true).multiple(true)
    .args(["tn", "range", "spc"]))]
#[command(after_help = "\
Examples:
  # once, for example from a crontab
  pennyblack mailbox watch --rosters rosters --db watch.db --roots roots/ \\
      --range 12125550100+100 --mine office.mailbox
  # until it is stopped
  pennyblack mailbox watch … --spc 683G --numbering numbering.csv --every 5m

Follows the logs and feeds of all CPSs of the roster, and asks for each record
that a feed leaves out. Somebody else's record that covers one of the numbers is
a line of JSON on standard output, whether or not it can be verified here: a
certificate that should not be, or a wrong numbering table elsewhere, sends
calls to it. Each is told of once; the file remembers what was read, and belongs
to this watch alone: `directory sync` and a watch of other numbers have others.
Let it run each 20 minutes or more often: it asks for a record for an hour after
it was published, twice. Exit code 15: there was one; 23: a CPS does not serve a
record that its log has published; else those of `directory sync`.")]
pub(crate) struct Watch {
    /// A number to watch; repeat the option.
    #[arg(long, value_name = "TN", value_parser = typed_number::<TelephoneNumber>)]
    tn: Vec<TelephoneNumber>,
    /// A block of numbers to watch; repeat the option.
    #[arg(long, value_name = "START+COUNT", value_parser = typed_range)]
    range: Vec<NumberRange>,
    /// An SPC all of whose numbers are watched; repeat the option.
    #[arg(long, value_name = "SPC")]
    spc: Vec<Spc>,
    /// File of a mailbox key that rightly answers for them; repeat the option.
    #[arg(long, value_name = "FILE", required = true)]
    mine: Vec<PathBuf>,
    /// SPC or number that may sign records of these mailboxes; repeat the option. Anyone, if it
    /// is not given.
    #[arg(long, value_name = "SPC|TN")]
    iss: Vec<String>,
    #[command(flatten)]
    rounds: RoundOptions,
}

/// Watches.
pub(super) async fn watch(arguments: Watch) -> Result<Outcome, Failure> {
    let crier = Crier {
        watch: arguments.watch()?,
        foreign: AtomicU64::new(0),
        missed: AtomicU64::new(0),
    };
    let options = arguments.rounds.watching(&crier.watch);
    if options.every.is_some_and(|every| every > MAX_PAUSE) {
        let advice = "--every: a record that is withheld is asked for twice in an hour: write 20m \
                      or less";
        return Err(Failure::new(Exit::Usage, advice));
    }
    let (followed, exit) = match options.every {
        Some(every) => {
            options.rounds(every, &crier).await?;
            (None, Exit::Done)
        }
        None => {
            let round = options.round(&crier).await?;
            let outcomes = round.synced.cpss.iter().map(|one| &one.outcome);
            let exits = outcomes.filter_map(|outcome| outcome.as_ref().err().map(exit_of_follow));
            let exit = Exit::worst(exits);
            (Some(round), exit)
        }
    };
    let mut outcome = crier.outcome(exit);
    for report in followed.iter().flat_map(|round| &round.synced.cpss) {
        if let Err(error) = &report.outcome {
            let cps = report.cps.address.authority();
            outcome.note(&format!("{cps} was not followed: {error}"));
        }
    }
    Ok(outcome)
}

impl Watch {
    fn watch(&self) -> Result<NumberWatch, Failure> {
        let keys = self.mine.iter().map(|file| load_mailbox_key(file));
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        let numbers = self.tn.iter().cloned().map(NumberRange::from);
        Ok(NumberWatch {
            numbers: numbers.chain(self.range.iter().cloned()).collect(),
            spcs: self.spc.clone(),
            mine: keys.iter().map(|key| key.mailbox()).collect(),
            signers: self.iss.clone(),
            numbering: self.rounds.trust.numbering()?,
        })
    }
}

/// Tells of what it hears, at once.
struct Crier {
    watch: NumberWatch,
    foreign: AtomicU64,
    missed: AtomicU64,
}

impl Observer for Crier {
    fn saw(&self, seen: &SeenRecord) {
        let Some(record) = &seen.record else {
            return;
        };
        let claims = record.record();
        if !self.watch.concerns(claims) {
            return;
        }
        self.foreign.fetch_add(1, Ordering::Relaxed);
        let (is_verified, why) = match &seen.verdict {
            Verdict::Good(_) | Verdict::Known => (true, None),
            Verdict::Waiting(why) | Verdict::Refused(why) => {
                (false, Some(printable(&why.to_string())))
            }
        };
        let cpss = claims.placement.cpss().map(ToString::to_string);
        cry(&json!({
            "alarm": "foreign-record",
            "cps": seen.cps,
            "index": seen.index,
            "hash": seen.hash.to_string(),
            "numbers": claims.coverage.to_string(),
            "iss": claims.iss,
            "mailbox": claims.key.mailbox().to_string(),
            "cpss": cpss.collect::<Vec<_>>(),
            "iat": claims.iat,
            "exp": claims.exp,
            "verified": is_verified,
            "why": why,
            "record": record.as_str(),
        }));
    }

    fn missed(&self, missed: &MissedRecord) {
        self.missed.fetch_add(1, Ordering::Relaxed);
        cry(&json!({
            "alarm": "unserved-record",
            "cps": missed.cps,
            "index": missed.index,
            "hash": missed.hash.to_string(),
        }));
    }
}

/// One line of JSON.
fn cry(alarm: &Value) {
    let mut stdout = io::stdout();
    // A closed pipe is the reader's decision; the exit code still says it.
    let _ = writeln!(stdout, "{alarm}").and_then(|()| stdout.flush());
}

impl Crier {
    fn outcome(&self, exit: Exit) -> Outcome {
        let foreign = self.foreign.load(Ordering::Relaxed);
        let missed = self.missed.load(Ordering::Relaxed);
        let exit = match (foreign, missed) {
            (0, 0) => exit,
            (0, _) => Exit::MissingTile,
            _ => Exit::ForeignRecord,
        };
        let json = json!({ "foreign_records": foreign, "unserved_records": missed });
        let mut text = match foreign {
            0 => "no record of anybody else covers these numbers".to_owned(),
            _ => format!("{} of somebody else", plural(foreign, "record")),
        };
        if missed > 0 {
            let records = count(missed, "record is", "records are");
            text.push_str(&format!(
                "; {records} in a CPS's log and not served: withheld, or ended within two rounds"
            ));
        }
        Outcome::new(json, text, exit)
    }
}
