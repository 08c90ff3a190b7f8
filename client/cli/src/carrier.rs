//! `pennyblack carrier`: draw tokens once, draw a class day after day, look into a wallet.

mod check;
mod status;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use console::style;
use futures_util::future::join;
use pennyblack_client::carrier::{Carrier, CarrierConfig};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::wallet::{Wallet, WalletError};
use pennyblack_http::Deadline;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{LogConfig, LogFormat, LogLevel, Sources, load};
use pennyblack_runtime::logging;
use pennyblack_runtime::reload::Reload;
use serde_json::json;

use super::options::{load_identity, renewed_identity, require_current};
use super::outcome::{Exit, Failure, Outcome};
use super::signals::Signals;
use super::wording::{folded, plural};
use status::{StatusArguments, status};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pennyblack carrier draw --issuer https://issuer.example --cps cps.example \\
      --cert pki/issued/carrier-a.pem --key pki/issued/carrier-a.key \\
      --wallet wallet.db
  pennyblack carrier run --config carrier.toml
  pennyblack carrier status --wallet wallet.db

Issuer and CPS together could match draws with calls by time and number. So
`run` draws the same number of tokens under each token key, at times of its own,
whatever calls are made. `draw` is for trying things out: its time and number
may tell of calls.")]
pub(crate) enum CarrierCommand {
    /// Finish pending draws, then draw one batch for each CPS or the federation, now.
    Draw(DrawArguments),
    /// Draw a constant number under each token key, until SIGINT or SIGTERM.
    Run(RunArguments),
    /// Show what the wallet holds.
    Status(StatusArguments),
}

/// `carrier draw`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack carrier draw --issuer https://issuer.example --cps cps.example \\
      --cert carrier-a.pem --key carrier-a.key --wallet wallet.db
  # tokens that are good once at each CPS of a federation
  pennyblack carrier draw --issuer https://issuer.example --federation …
  pennyblack carrier draw --config carrier.toml --batch 256")]
pub(crate) struct DrawArguments {
    /// Configuration file; the options below override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The issuer's URL.
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    issuer: Option<String>,
    /// The authority (host, with the port unless 443) of a CPS to draw for.
    #[arg(long, value_name = "AUTHORITY",
          required_unless_present_any = ["config", "federation"])]
    cps: Vec<String>,
    /// Draw federation tokens, each good once at every CPS that takes them of this issuer.
    #[arg(long)]
    federation: bool,
    /// File of the STIR certificate with its path, in PEM or DER.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    cert: Option<PathBuf>,
    /// PEM file of its private key (mode 0600).
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    key: Option<PathBuf>,
    /// The SPC or number to draw for; the certificate's first if not given.
    #[arg(long, value_name = "SPC|TN")]
    iss: Option<String>,
    /// The wallet's file.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    wallet: Option<PathBuf>,
    /// Tokens in the batch: a power of two up to 256.
    #[arg(long)]
    batch: Option<usize>,
    /// PEM file of CAs to trust for TLS besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds that the command may take in all, however many requests it makes. What was
    /// asked for by then is brought in by the next command.
    #[arg(long, default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    /// Override one key of the configuration.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
}

/// `carrier run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack carrier run --config carrier.toml --set schedule.class=16384

Every key can be set by an environment variable, too:
  PENNYBLACK_CARRIER__SCHEDULE__CLASS=16384")]
pub(crate) struct RunArguments {
    /// Configuration file; client/carrier.example.toml explains every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key of the configuration.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Print the configuration that is in force, and exit: 0 if a run would begin with it.
    /// Looks at certificate, key, wallet and CAs, and changes nothing.
    #[arg(long)]
    check_config: bool,
}

/// Does it.
pub(crate) async fn run(command: CarrierCommand) -> Result<Outcome, Failure> {
    match command {
        CarrierCommand::Draw(arguments) => draw(arguments).await,
        CarrierCommand::Run(arguments) => draw_class(arguments).await,
        CarrierCommand::Status(arguments) => status(&arguments),
    }
}

async fn draw(arguments: DrawArguments) -> Result<Outcome, Failure> {
    let config = read_config(arguments.config.as_deref(), &arguments.settings())?;
    let carrier = carrier(&config)?;
    let (certificate, ..) = identity_files(&config);
    require_current(&carrier.identity, certificate)?;
    let wallet = open_wallet(&config.carrier.wallet)?;
    let deadline = Deadline::after(Duration::from_secs(arguments.deadline));
    let client = config.http().client()?.within(deadline);
    let clock = Clock::system();
    let resumed = carrier.resume(&client, &wallet, clock.now()).await?;
    let (mut asked, mut received) = (resumed.asked, resumed.received);
    for scope in config.carrier.scopes() {
        let drawn = carrier.draw(&client, &wallet, scope, clock.now()).await?;
        asked += drawn.asked;
        received += drawn.received;
    }
    let view = wallet.issuer_log(carrier.issuer.authority())?;
    let skipped = view.map(|view| view.skipped().clone()).unwrap_or_default();
    let text = format!(
        "{} {received} of {} for {} into {}",
        style("drew").green(),
        plural(asked as u64, "token"),
        carrier.identity.iss(),
        config.carrier.wallet.display()
    );
    let json = json!({
        "asked": asked,
        "received": received,
        "resumed": resumed.received,
        "subject": carrier.identity.iss(),
        "log_entries_skipped": skipped,
    });
    let mut outcome = Outcome::done(json, folded(&text));
    if !skipped.is_empty() {
        outcome.note(&format!(
            "the issuer's log has {skipped}: update this program"
        ));
    }
    outcome.note(&AT_A_TIME_OF_ITS_OWN);
    Ok(outcome)
}

/// What `draw` cannot hide.
const AT_A_TIME_OF_ITS_OWN: &str = "the issuer saw when you drew and how much, which may tell of \
     your calls; for real traffic let `pennyblack carrier run` draw";

async fn draw_class(arguments: RunArguments) -> Result<Outcome, Failure> {
    let config = read_config(arguments.config.as_deref(), &arguments.settings)?;
    if arguments.check_config {
        return check::check(&config);
    }
    logging::start(&config.log).map_err(|error| Failure::new(Exit::Failed, error))?;
    let signals = Signals::catch()?;
    let reload = Reload::new();
    let (certificate, key, iss) = identity_files(&config);
    let identity = renewed_identity(certificate, key, iss, &reload)?;
    let carrier = config.carrier_as(identity.current().as_ref().clone());
    let wallet = Wallet::open(&config.carrier.wallet)?;
    let client = config.http().client()?;
    let shutdown = signals.heed(&reload)?;
    let (schedule, clock, rng) = (config.schedule(), Clock::system(), &mut rand::rng());
    let carrier = (carrier, &*identity);
    let draws = schedule.run(carrier, &client, &wallet, &clock, &shutdown, rng);
    match config.key_timer(&wallet, &clock)? {
        Some(timer) => drop(join(draws, timer.run(shutdown.clone())).await),
        None => draws.await,
    }
    Ok(Outcome::done(json!({ "stopped": true }), "stopped"))
}

/// The carrier that a configuration describes.
pub(crate) fn carrier(config: &CarrierConfig) -> Result<Carrier, Failure> {
    Ok(config.carrier_as(carrier_identity(config)?))
}

fn carrier_identity(config: &CarrierConfig) -> Result<StirIdentity, Failure> {
    let (certificate, key, iss) = identity_files(config);
    load_identity(certificate, key, iss)
}

/// Certificate and key with the options that name them, and whom to act for.
fn identity_files(
    config: &CarrierConfig,
) -> ((&Path, &'static str), (&Path, &'static str), Option<&str>) {
    let section = &config.carrier;
    (
        (&section.certificate, "--cert or carrier.certificate"),
        (&section.key, "--key or carrier.key"),
        section.iss.as_deref(),
    )
}

/// A wallet that is to be read or spent from; a mistyped name must not make a
/// new one.
/// Opens the wallet. While another process has it locked, a log line says so.
fn open_wallet(path: &Path) -> Result<Wallet, WalletError> {
    let warnings = LogConfig {
        level: LogLevel::Warn,
        format: LogFormat::Text,
    };
    // Something in this process may write log lines already: then it writes this one, too.
    let _started = logging::start(&warnings);
    Wallet::open(path)
}

pub(crate) fn existing_wallet(path: &Path) -> Result<Wallet, Failure> {
    if !path.exists() {
        let message = format!(
            "--wallet: there is no wallet {}; `pennyblack carrier run` makes and fills one",
            path.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    open_wallet(path).map_err(|error| {
        let option = format!("--wallet {}", path.display());
        Failure::from(error).of_option(&option)
    })
}

pub(crate) fn read_config(
    file: Option<&Path>,
    settings: &[String],
) -> Result<CarrierConfig, Failure> {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(load(Sources {
        file,
        environment: &environment,
        settings,
    })?)
}

impl DrawArguments {
    /// The options as settings of the configuration. Texts are quoted as TOML.
    fn settings(&self) -> Vec<String> {
        let mut settings = self.settings.clone();
        let mut set = |key: &str, value: Option<String>| {
            settings.extend(value.map(|value| format!("{key}={}", json!(value))));
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        set("carrier.issuer", self.issuer.clone());
        set("carrier.certificate", path(&self.cert));
        set("carrier.key", path(&self.key));
        set("carrier.iss", self.iss.clone());
        set("carrier.wallet", path(&self.wallet));
        set("http.ca_file", path(&self.ca_file));
        if !self.cps.is_empty() {
            settings.push(format!("carrier.cps={}", json!(self.cps)));
        }
        if self.federation {
            settings.push("carrier.federation=true".to_owned());
        }
        settings.extend(self.batch.map(|batch| format!("schedule.batch={batch}")));
        settings
    }
}
