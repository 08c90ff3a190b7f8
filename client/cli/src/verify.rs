//! `pennyblack verify`: the verdict on a call.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use console::style;
use pennyblack_client::assignments::{Assignments, CallName};
use pennyblack_client::follower::{
    FollowedMailbox, Follower, FollowerConfig, FollowerTotals, FollowerVerdict, Task,
};
use pennyblack_client::verification_service::{
    OobVerificationError, PolledCpss, SpcAuthority, VerificationRules,
};
use pennyblack_http::{HttpOptions, ServiceAddress};
use pennyblack_passport::{Call, Extension, Party, PartyNumber, VerifiedPassport};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::Slots;
use serde_json::{Value, json};

use super::options::{NetworkOptions, TrustOptions, load_mailbox_key, typed_number};
use super::outcome::{Exit, Failure, Outcome};
use super::wording::{count, folded, plural, printable};

/// Most PASSporTs that are shown.
const MAX_SHOWN: usize = 16;

/// The arguments of `pennyblack verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack verify --cps https://cps.example --mailbox-key office.mailbox \\
      --roots roots/ --certificates certificates/ \\
      --orig 12155550100 --dest 12125550199
  # fetch certificates that the directory lacks, from these repositories only
  pennyblack verify … --certificate-host certs.example,certs.example.net:8443
  # ask again for the same call: its SIP Call-ID names it
  pennyblack verify … --call a84b4c76e66710@pc33.example
  # ask for ten seconds; the verdict is printed as soon as it is known
  pennyblack verify … --wait 10 --json

The CPS sees when and how often it is asked. So it is asked a fixed number of
times, enough to read a full mailbox, whatever is found; the exit code comes at
the end. A script that cannot wait reads the first line of the output.

A PASSporT is good for one call. Without --call every run is a call of its own,
and a second run finds \"no-passport\".

Exit codes: 0 valid, 3 no PASSporT for this call, 4 none that can be verified.
5 and 6 report trouble with the network or the CPS: no verdict on the call.")]
pub(crate) struct VerifyArguments {
    /// The CPS's URL, or authority=URL; repeat it for a mailbox at several CPSs. Those that
    /// `pennyblack mailbox register` has written down beside the key are asked as well.
    #[arg(long, value_name = "URL", required = true)]
    cps: Vec<ServiceAddress>,
    /// The mailbox key's file.
    #[arg(long, value_name = "FILE")]
    mailbox_key: PathBuf,
    /// The calling number, as signalled.
    #[arg(long, value_name = "TN", value_parser = typed_number::<PartyNumber>)]
    orig: PartyNumber,
    /// The called number.
    #[arg(long, value_name = "TN", value_parser = typed_number::<PartyNumber>)]
    dest: PartyNumber,
    /// Name of the call, such as its SIP Call-ID. A run with the same name asks again for
    /// the same call; without it, every run is a call of its own.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// File of the PASSporTs that are used, for some eleven minutes each; made if missing,
    /// and shared by all who verify calls of this mailbox on this machine. If not given,
    /// the mailbox key's file with .used at its end.
    #[arg(long, value_name = "FILE")]
    used: Option<PathBuf>,
    /// Seconds to ask for. It is always all of them, so that the CPS does not learn
    /// from the end whether there was a call.
    #[arg(long, default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// Milliseconds between two polls.
    #[arg(long, default_value_t = 100, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    every: u64,
    /// Slots (places for PASSporTs) in an answer: 4, 16, 64 or 256. Always use the same
    /// number, so that it tells the CPS nothing.
    #[arg(long, default_value = "64")]
    slots: Slots,
    /// Most entries that a mailbox of this CPS holds.
    #[arg(long, default_value_t = 1024, value_name = "ENTRIES")]
    mailbox_capacity: usize,
    /// Trust only certificates that cover the calling number, themselves or by
    /// --numbering. Without this, an SPC may vouch for any number, as in SHAKEN.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

impl VerifyArguments {
    fn follower_config(&self) -> FollowerConfig {
        FollowerConfig {
            every: Duration::from_millis(self.every),
            slots: self.slots,
            mailbox_capacity: self.mailbox_capacity,
            ..FollowerConfig::default()
        }
    }

    /// The mailbox at each of its CPSs.
    fn mailboxes(&self, http: &HttpOptions) -> Result<Vec<FollowedMailbox>, Failure> {
        let key = Arc::new(load_mailbox_key(&self.mailbox_key)?);
        let listed = PolledCpss::of(&self.mailbox_key)?;
        let cpss = listed.with(self.cps.clone(), Clock::system().now());
        let at = |cps| {
            Ok(FollowedMailbox {
                key: Arc::clone(&key),
                cps,
                // The follower alone has it, so that its connection ends with the requests.
                source: Arc::new(http.client()?),
            })
        };
        cpss.into_iter().map(at).collect()
    }

    fn call_name(&self) -> CallName {
        let name = self.call.as_deref();
        name.map_or_else(CallName::random, CallName::new)
    }

    fn assignments(&self) -> Result<Assignments, Failure> {
        let beside = || suffixed(&self.mailbox_key, ".used");
        let path = self.used.clone().unwrap_or_else(beside);
        let opened = Assignments::open(&path);
        opened.map_err(|error| Failure::new(Exit::Failed, error).of_option("--used"))
    }

    fn rules(&self, http: HttpOptions) -> Result<VerificationRules, Failure> {
        Ok(VerificationRules {
            trust: self.trust.policy()?,
            certificates: self.trust.certificates(http),
            authority: match (self.trust.numbering()?, self.strict) {
                (Some(table), _) => SpcAuthority::Table(table),
                (None, true) => SpcAuthority::None,
                (None, false) => SpcAuthority::Any,
            },
        })
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Does it. **The number of requests and their times do not follow what is found**: the
/// verdict is printed as soon as it is known, and the mailbox is asked to the end.
pub(crate) async fn run(arguments: VerifyArguments, json: bool) -> Result<Outcome, Failure> {
    let config = arguments.follower_config();
    let wait = Duration::from_secs(arguments.wait);
    let looks = config.looks_in(wait);
    let lasts = config
        .every
        .saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
    let http = arguments.network.http_after(lasts);
    let rules = arguments.rules(http.clone())?;
    let mailboxes = arguments.mailboxes(&http)?;
    let assignments = Arc::new(arguments.assignments()?);
    let name = arguments.call_name();
    let call = Call {
        orig: Party::Number(arguments.orig.clone()),
        dest: Party::Number(arguments.dest.clone()),
    };
    let task = Task {
        looks: Some(looks),
        only_from: Some(call.orig.clone()),
        at_once: true,
    };
    let clock = Clock::system();
    let follower = Follower::start(&config, mailboxes, rules, task, clock, &mut rand::rng())
        .map_err(|error| Failure::new(Exit::Usage, error))?
        .with_assignments(assignments);
    let deadline = arguments.network.deadline_after(lasts);
    let ends = deadline.bound(follower.finished());
    tokio::pin!(ends);
    let mut changes = follower.changes();
    loop {
        tokio::select! {
            _ = &mut ends => break,
            _ = changes.changed() => {}
        }
        let verdict = follower.verdict(&call, name).await?;
        if verdict.is_valid() {
            let outcome = report(&call, &verdict, follower.totals());
            let outcome = outcome.shown_now(json);
            let _ = ends.await;
            return Ok(outcome);
        }
    }
    let verdict = follower.verdict(&call, name).await?;
    if !verdict.is_valid()
        && !verdict.incomplete.is_empty()
        && !is_read_anywhere(&follower)
        && let Some(failure) = follower.take_failure()
    {
        return Err(match failure {
            // A diagnosis makes requests, and only a command without a verdict gets here. A
            // CPS that has shown an entry must not learn from them what was thought of it.
            OobVerificationError::Http(error) if !was_answered(&follower) => {
                OobVerificationError::Http(http.client()?.diagnose(error).await).into()
            }
            other => other.into(),
        });
    }
    let mut outcome = report(&call, &verdict, follower.totals());
    let gaps = follower.status().into_iter();
    let gap = gaps.filter_map(|(_, _, status)| status.clock_gap).next();
    if let Some(gap) = gap.filter(|_| outcome.exit != Exit::Done) {
        outcome.note(&gap);
    }
    Ok(outcome)
}

/// Whether a CPS of several can say what it has.
fn is_read_anywhere(follower: &Follower) -> bool {
    let mut status = follower.status().into_iter();
    status.any(|(_, _, status)| status.read_to_its_end.is_some())
}

fn was_answered(follower: &Follower) -> bool {
    let mut status = follower.status().into_iter();
    status.any(|(_, _, status)| status.answered > 0)
}

fn report(call: &Call, verdict: &FollowerVerdict, totals: FollowerTotals) -> Outcome {
    let (name, exit) = match (verdict.is_valid(), verdict.is_unverifiable()) {
        (true, _) => ("valid", Exit::Done),
        (false, _) if !verdict.incomplete.is_empty() => ("incomplete", Exit::Network),
        (false, true) => ("unverifiable", Exit::Unverifiable),
        (false, false) => ("no-passport", Exit::NoPassport),
    };
    let headline = match exit {
        Exit::Done => style(name).green().bold(),
        _ => style(name).yellow().bold(),
    };
    let mut lines = vec![format!(
        "{headline}: call from {} to {}",
        call.orig, call.dest
    )];
    let passports = verdict.passports.iter().take(MAX_SHOWN);
    let described = passports.clone().map(|one| printable(&describe(one)));
    lines.extend(described.map(|one| format!("  {one}")));
    let more = verdict.passports.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        lines.push(format!("  and {}", plural(more as u64, "more PASSporT")));
    }
    let passed_over = |what: String| format!("  {} {what}", style("passed over").dim());
    if verdict.refused.count > 0 {
        let count = plural(verdict.refused.count as u64, "PASSporT");
        lines.push(passed_over(format!("{count} of this call, for example:")));
        let examples = verdict.refused.examples.iter();
        lines.extend(examples.map(|why| format!("    {}", printable(why))));
    }
    if verdict.waiting > 0 {
        let waiting = plural(verdict.waiting as u64, "PASSporT");
        lines.push(passed_over(format!(
            "{waiting} without their certificates, which had not come when the time was up"
        )));
    }
    if verdict.of_other_calls > 0 {
        let used = plural(verdict.of_other_calls as u64, "PASSporT");
        lines.push(passed_over(format!(
            "{used} of other calls with these numbers: each is good for one call"
        )));
    }
    let others = totals.others + totals.no_passports + totals.unreadable;
    if others > 0 {
        let entries = count(others, "entry", "entries");
        lines.push(passed_over(format!("{entries} of no concern to this call")));
    }
    // A valid verdict is shown before the mailbox is read to its end.
    for cps in verdict.incomplete.iter().filter(|_| exit != Exit::Done) {
        lines.push(format!(
            "  the mailbox at {cps} was not read to its end, or was full: try again; if the \
             CPS is far, with --every 500 --slots 256"
        ));
    }
    if let Some(why) = &verdict.unrecorded {
        lines.push(format!(
            "  {} it is not recorded that this call used the PASSporT, so another call may find \
             it valid, too: {why}",
            style("note:").yellow()
        ));
    }
    let json = json!({
        "verdict": name,
        "orig": call.orig.to_string(),
        "dest": call.dest.to_string(),
        "passports": passports.map(to_json).collect::<Vec<_>>(),
        "more_passports": more,
        "refused": { "count": verdict.refused.count, "examples": verdict.refused.examples },
        "waiting": verdict.waiting,
        "of_other_calls": verdict.of_other_calls,
        "unrecorded": verdict.unrecorded,
        "others": {
            "from_other_numbers": totals.others,
            "no_passports": totals.no_passports,
            "unreadable": totals.unreadable,
        },
        "incomplete": verdict.incomplete.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let lines: Vec<_> = lines.iter().map(|line| folded(line)).collect();
    Outcome::new(json, lines.join("\n"), exit)
}

fn describe(passport: &VerifiedPassport) -> String {
    let claims = passport.claims();
    let kind = claims.extension.ppt().unwrap_or("base");
    let attest = match &claims.extension {
        Extension::Shaken { attest, origid } => {
            format!(", attestation {attest}, origid {}", origid.as_str())
        }
        _ => String::new(),
    };
    let diverted = match passport.original() {
        Some(_) => format!(", first called {}", party_list(passport.first())),
        None => String::new(),
    };
    format!(
        "{kind} PASSporT signed by {} at {}{attest}{diverted}",
        passport.signer(),
        claims.iat
    )
}

fn party_list(passport: &VerifiedPassport) -> String {
    let dest = &passport.claims().dest;
    let numbers = dest.numbers().iter().map(ToString::to_string);
    let all: Vec<_> = numbers.chain(dest.uris().iter().cloned()).collect();
    all.join(", ")
}

fn to_json(passport: &VerifiedPassport) -> Value {
    let claims = passport.claims();
    let (attest, origid) = match &claims.extension {
        Extension::Shaken { attest, origid } => (Some(attest.letter()), Some(origid.as_str())),
        _ => (None, None),
    };
    json!({
        "ppt": claims.extension.ppt(),
        "attest": attest,
        "origid": origid,
        "iat": claims.iat,
        "signer": passport.signer().to_string(),
        "first_dest": party_list(passport.first()),
        "passport": passport.as_str(),
    })
}
