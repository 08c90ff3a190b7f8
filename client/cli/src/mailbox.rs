//! `pennyblack mailbox`: make a mailbox key, publish it, show it.

mod advertise;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use console::style;
use pennyblack_base::authority::Authority;
use pennyblack_client::verification_service::{
    MailboxCpss, MailboxCpssError, PublishError, Published, Publisher, Registration, Registrations,
    SHOWN_EVERY, create_mailbox_key,
};
use pennyblack_http::{RetryPolicy, ServiceAddress, ServiceUri};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::LogConfig;
use pennyblack_runtime::logging;
use pennyblack_runtime::reload::Reload;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::Spc;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use serde_json::json;

use super::options::{
    IdentityOptions, NetworkOptions, load_mailbox_key, require_current, typed_number, typed_range,
};
use super::outcome::{Exit, Failure, Outcome};
use super::signals::Signals;
use super::standard_error::{message, warn};
use super::wording::folded;

/// What to do with a mailbox.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pennyblack mailbox create --mailbox-key office.mailbox
  pennyblack mailbox register --mailbox-key office.mailbox \\
      --cps https://cps.example --cert office.pem --key office.key \\
      --range 12125550100+100 --keep
  pennyblack mailbox show --mailbox-key office.mailbox

The key file opens everything that is stored for these numbers: guard it.")]
pub(crate) enum MailboxCommand {
    /// Make a key.
    Create(Create),
    /// Publish a key for numbers, signed by their STIR certificate.
    Register(Box<Register>),
    /// Show a key's mailbox and configuration.
    Show(Show),
    /// Say to others at which CPS keys are (a CPS advertisement, RFC 9888).
    Advertise(advertise::Advertise),
    /// Watch whether somebody else publishes a key for one's numbers.
    Watch(Box<watch::Watch>),
}

/// The KEM of a mailbox.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KemName {
    /// DHKEM(X25519), the default.
    X25519,
    /// DHKEM(P-256).
    P256,
    /// ML-KEM-768 with X25519: also protects recordings from a later quantum computer.
    XWing,
}

impl From<KemName> for Kem {
    fn from(name: KemName) -> Self {
        match name {
            KemName::X25519 => Self::DhkemX25519,
            KemName::P256 => Self::DhkemP256,
            KemName::XWing => Self::XWing,
        }
    }
}

/// `mailbox create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack mailbox create --mailbox-key office.mailbox --kem x-wing")]
pub(crate) struct Create {
    /// The file to write (mode 0600).
    #[arg(long, value_name = "FILE")]
    mailbox_key: PathBuf,
    /// KEM of the key.
    #[arg(long, value_enum, default_value_t = KemName::X25519)]
    kem: KemName,
}

/// `mailbox show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack mailbox show --mailbox-key office.mailbox")]
pub(crate) struct Show {
    /// The key's file.
    #[arg(long, value_name = "FILE")]
    mailbox_key: PathBuf,
}

/// `mailbox register`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # one number, for a day
  pennyblack mailbox register --mailbox-key office.mailbox \\
      --cps https://cps.example --cert office.pem --key office.key \\
      --tn 12125550100
  # a block of a hundred numbers, for as long as this runs
  pennyblack mailbox register … --range 12125550100+100 --keep
  # at three CPSs, of which two get each PASSporT: any one may be down
  pennyblack mailbox register … --more-cps https://cps-b.example \\
      --more-cps https://cps-c.example --copies 2

A key has one record for each signer at a CPS. What it is registered for from
this machine is recorded beside its file, in FILE.registered; where it must be
polled, and until when, in FILE.cpss, before anything is published. Every
machine that polls the mailbox needs the same list: copy FILE.cpss with FILE.")]
pub(crate) struct Register {
    /// The key's file.
    #[arg(long, value_name = "FILE")]
    mailbox_key: PathBuf,
    /// The CPS's URL, or authority=URL.
    #[arg(long, value_name = "URL")]
    cps: ServiceAddress,
    /// The CPS's URL for OOB-ASs, if it differs from --cps.
    #[arg(long, value_name = "URL")]
    public_cps: Option<ServiceUri>,
    /// A further CPS at which the mailbox is, or authority=URL; at most two. All are polled by
    /// the OOB-VS.
    #[arg(long, value_name = "URL")]
    more_cps: Vec<ServiceAddress>,
    /// At how many of the CPSs a PASSporT is stored; at each if not given. With fewer, each
    /// operator sees a part of the calls.
    #[arg(long, value_name = "COPIES", requires = "more_cps")]
    copies: Option<u64>,
    #[command(flatten)]
    covers: Covers,
    /// Hours that the record is valid, at most 168.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
    hours: u64,
    /// Keep running: register again before the record expires, and show the CPS the record
    /// every five minutes, in case it has lost it.
    #[arg(long)]
    keep: bool,
    /// Register also if that ends this key's record for other numbers. A key has one record
    /// for each signer at a CPS.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    identity: IdentityOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

/// What the key answers for: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Covers {
    /// One number.
    #[arg(long, value_name = "TN", value_parser = typed_number::<TelephoneNumber>)]
    tn: Option<TelephoneNumber>,
    /// A block of numbers.
    #[arg(long, value_name = "START+COUNT", value_parser = typed_range)]
    range: Option<NumberRange>,
    /// All numbers of an SPC in the CPS's numbering table.
    #[arg(long, value_name = "SPC")]
    spc: Option<Spc>,
}

/// Does it.
pub(crate) async fn run(command: MailboxCommand) -> Result<Outcome, Failure> {
    match command {
        MailboxCommand::Create(arguments) => {
            let key = create_mailbox_key(&arguments.mailbox_key, arguments.kem.into());
            let key = key.map_err(|error| Failure::from(error).of_option("--mailbox-key"))?;
            Ok(describe("made mailbox", &key))
        }
        MailboxCommand::Show(arguments) => Ok(describe(
            "mailbox",
            &load_mailbox_key(&arguments.mailbox_key)?,
        )),
        MailboxCommand::Advertise(arguments) => advertise::advertise(arguments),
        MailboxCommand::Register(arguments) => register(*arguments).await,
        MailboxCommand::Watch(arguments) => watch::watch(*arguments).await,
    }
}

fn describe(what: &str, key: &RecipientKey) -> Outcome {
    let (mailbox, config) = (key.mailbox().to_string(), key.config().to_string());
    let kem = key.config().kem().to_string();
    let text = format!(
        "{} {mailbox}\n  KEM     {kem}\n  config  {config}",
        style(what).green()
    );
    Outcome::done(
        json!({ "mailbox": mailbox, "kem": kem, "hpke": config }),
        text,
    )
}

async fn register(arguments: Register) -> Result<Outcome, Failure> {
    let key = load_mailbox_key(&arguments.mailbox_key)?;
    let signals = arguments.keep.then(Signals::catch).transpose()?;
    let reload = Reload::new();
    let identity = arguments.identity.renewed(&reload)?;
    require_current(&identity.current(), (&arguments.identity.cert, "--cert"))?;
    let publisher = Publisher {
        identity: identity.current().as_ref().clone(),
        coverage: arguments.covers.coverage()?,
        key: key.config().clone(),
        cpss: arguments.cpss()?,
        lifetime: Duration::from_secs(arguments.hours * 3600),
        retry: RetryPolicy::SHORT,
    };
    let clock = Clock::system();
    let mut known = Registrations::of(&arguments.mailbox_key)?;
    for new in Registration::by(&publisher, None) {
        if let Some(old) = known
            .ended_by(&new, clock.now())
            .filter(|_| !arguments.replace)
        {
            return Err(would_end(old, &new));
        }
    }
    let client = arguments.network.http_without_end().client()?;
    let in_time = client.within(arguments.network.deadline());
    let published = publisher.publish(&in_time, clock.now()).await?;
    let until = published.until;
    let outcome = outcome_of(&publisher, published)?;
    let ends = signals.is_none().then_some(until);
    let new = Registration::by(&publisher, ends);
    // It is registered, whether or not that can be recorded.
    if let Err(error) = known.record(new, clock.now()) {
        warn(&error);
    }
    if let Some(signals) = signals {
        logging::start(&LogConfig::default()).map_err(|error| Failure::new(Exit::Failed, error))?;
        let shutdown = signals.heed(&reload)?;
        publisher
            .keep_registered(&identity, &client, (&clock, SHOWN_EVERY), &shutdown)
            .await;
        return Ok(Outcome::done(json!({ "stopped": true }), "stopped"));
    }
    Ok(outcome)
}

/// What is said of a record that a CPS has, or why none has it.
fn outcome_of(publisher: &Publisher, published: Published) -> Result<Outcome, Failure> {
    let Published { until, at, failed } = published;
    let (failed, first_failure) = told(failed);
    let exit = match first_failure {
        Some(failure) if at.is_empty() => return Err(failure),
        Some(failure) => failure.exit(),
        None => Exit::Done,
    };
    let (mailbox, cpss) = (publisher.key.mailbox().to_string(), &publisher.cpss);
    let at: Vec<_> = at.iter().map(ToString::to_string).collect();
    let text = format!(
        "{} {mailbox} for {} at {} until {until}",
        style("registered").green(),
        publisher.coverage,
        at.join(", ")
    );
    let missing = failed.iter();
    let missing = missing.map(|(cps, why)| format!("  not at {cps}: {why}"));
    let lines = std::iter::once(text).chain(missing);
    let lines: Vec<_> = lines.map(|line| folded(&line)).collect();
    let failed = failed.iter();
    let failed = failed.map(|(cps, why)| json!({ "cps": cps, "error": why }));
    let json = json!({
        "mailbox": mailbox,
        "cps": cpss.addresses().first().map(ToString::to_string),
        "at": at,
        "failed": failed.collect::<Vec<_>>(),
        "copies": cpss.placement().copies(),
        "until": until,
    });
    Ok(Outcome::new(json, lines.join("\n"), exit))
}

/// Which CPSs have not taken the record, and why; and the first of these failures.
fn told(failed: Vec<(Authority, PublishError)>) -> (Vec<(String, String)>, Option<Failure>) {
    let (mut told, mut first) = (Vec::new(), None);
    for (cps, error) in failed {
        told.push((cps.to_string(), message(&error)));
        first.get_or_insert_with(|| Failure::from(error));
    }
    (told, first)
}

fn would_end(old: &Registration, new: &Registration) -> Failure {
    let until = match old.until {
        Some(until) => format!("until {until}"),
        None => "by a run with --keep".to_owned(),
    };
    let text = format!(
        "this key is registered for {} at {} {until}, and a key has one record for each signer: \
         for {}, make another mailbox key, or name all its numbers at once with --range or --spc; \
         --replace ends the record for {}",
        old.numbers, old.cps, new.numbers, old.numbers
    );
    Failure::new(Exit::Failed, text)
}

impl Register {
    /// Where the mailbox is. In the key record each CPS has the address by which it is known,
    /// unless another is given for the first.
    fn cpss(&self) -> Result<MailboxCpss, Failure> {
        let first = match &self.public_cps {
            Some(uri) => MailboxCpss::named(self.cps.clone(), uri.clone()),
            None => MailboxCpss::one(self.cps.clone()).map_err(MailboxCpssError::from)?,
        };
        let all = first.and(self.more_cps.clone(), self.copies);
        let all = all.map_err(|error| Failure::from(error).of_option("--more-cps"))?;
        Ok(all.listed_beside(&self.mailbox_key))
    }
}

impl Covers {
    fn coverage(&self) -> Result<Coverage, Failure> {
        match (&self.tn, &self.range, &self.spc) {
            (Some(number), ..) => Ok(Coverage::Number(number.clone())),
            // A key record says it so.
            (None, Some(range), _) if range.count() == 1 => {
                Ok(Coverage::Number(range.start().clone()))
            }
            (None, Some(range), _) => Ok(Coverage::Range(range.clone())),
            (None, _, Some(spc)) => Ok(Coverage::Spc(spc.clone())),
            _ => Err(Failure::new(
                Exit::Usage,
                "say what the key answers for: --tn, --range or --spc",
            )),
        }
    }
}
