//! `pennyblack carrier`: draw tokens once, keep a wallet filled, look into it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use console::style;
use pennyblack_client::carrier::CarrierConfig;
use pennyblack_client::wallet::{DEFAULT_MINIMUM_AGE, Wallet};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Sources, load};
use pennyblack_runtime::logging;
use pennyblack_runtime::shutdown::Shutdown;
use serde_json::json;

use super::outcome::{Exit, Failure, Outcome};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pennyblack carrier draw --issuer https://issuer.example --cps cps.example \\
      --cert pki/issued/carrier-a.pem --key pki/issued/carrier-a.key --wallet wallet.db
  pennyblack carrier run --config carrier.toml
  pennyblack carrier status --wallet wallet.db

Tokens drawn right before they are spent can be matched by time. Let `run` draw
on its own schedule, and let calls wait for tokens of some age.")]
pub(crate) enum CarrierCommand {
    /// Finish pending draws, then draw one batch for each CPS.
    Draw(DrawArguments),
    /// Keep the wallet filled, until SIGINT or SIGTERM.
    Run(RunArguments),
    /// Show what the wallet holds.
    Status(StatusArguments),
}

/// `carrier draw`.
#[derive(Debug, Args)]
pub(crate) struct DrawArguments {
    /// Configuration file; the options below override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The issuer's URL.
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    issuer: Option<String>,
    /// The authority (host, with the port unless 443) of a CPS to draw for.
    #[arg(long, value_name = "AUTHORITY", required_unless_present = "config")]
    cps: Vec<String>,
    /// PEM file of the STIR certificate, the leaf first, then its path.
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
    /// Tokens in the batch, 1 to 256.
    #[arg(long)]
    batch: Option<usize>,
    /// PEM file of certification authorities to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Overrides one key of the configuration.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
}

/// `carrier run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Configuration file; client/carrier.example.toml explains every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides one key of the configuration.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
}

/// `carrier status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The wallet's file.
    #[arg(long, value_name = "FILE")]
    wallet: PathBuf,
    /// Seconds of age from which on a token counts as ready.
    #[arg(long, default_value_t = DEFAULT_MINIMUM_AGE.as_secs(), value_name = "SECONDS")]
    minimum_age: u64,
}

/// Does it.
pub(crate) async fn run(command: CarrierCommand) -> Result<Outcome, Failure> {
    match command {
        CarrierCommand::Draw(arguments) => draw(arguments).await,
        CarrierCommand::Run(arguments) => keep_filled(arguments).await,
        CarrierCommand::Status(arguments) => status(&arguments),
    }
}

async fn draw(arguments: DrawArguments) -> Result<Outcome, Failure> {
    let config = read_config(arguments.config.as_deref(), &arguments.settings())?;
    let carrier = config.carrier()?;
    let wallet = Wallet::open(&config.carrier.wallet)?;
    let client = config.http().client()?;
    let clock = Clock::system();
    let resumed = carrier.resume(&client, &wallet, clock.now()).await?;
    let (mut asked, mut received) = (resumed.asked, resumed.received);
    for cps in &config.carrier.cps {
        let drawn = carrier.draw(&client, &wallet, cps, clock.now()).await?;
        asked += drawn.asked;
        received += drawn.received;
    }
    let text = format!(
        "{} {received} of {asked} tokens for {} into {}",
        style("drew").green(),
        carrier.identity.iss(),
        config.carrier.wallet.display()
    );
    let json = json!({
        "asked": asked,
        "received": received,
        "resumed": resumed.received,
        "subject": carrier.identity.iss(),
    });
    Ok(Outcome::done(json, text))
}

async fn keep_filled(arguments: RunArguments) -> Result<Outcome, Failure> {
    let config = read_config(arguments.config.as_deref(), &arguments.settings)?;
    logging::start(&config.log).map_err(|error| Failure::new(Exit::Failed, error))?;
    let carrier = config.carrier()?;
    let wallet = Wallet::open(&config.carrier.wallet)?;
    let client = config.http().client()?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    config
        .schedule()
        .run(&carrier, &client, &wallet, &Clock::system(), &shutdown)
        .await;
    Ok(Outcome::done(json!({ "stopped": true }), "stopped"))
}

fn status(arguments: &StatusArguments) -> Result<Outcome, Failure> {
    let wallet = existing_wallet(&arguments.wallet)?;
    let minimum_age = Duration::from_secs(arguments.minimum_age);
    let holdings = wallet.holdings(minimum_age, Clock::system().now())?;
    let pending = wallet.pending_draws()?.len();
    let unanswered = wallet.outbox()?.len();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["CPS", "issuer", "token key", "tokens", "ready"]);
    for holding in &holdings {
        table.add_row([
            holding.cps.clone(),
            holding.issuer.clone(),
            holding.token_key_id.chars().take(16).collect(),
            holding.tokens.to_string(),
            holding.ready.to_string(),
        ]);
    }
    let text =
        format!("{table}\n{pending} draws pending, {unanswered} signed requests without an answer");
    let json = json!({ "tokens": holdings, "pending_draws": pending, "unanswered": unanswered });
    Ok(Outcome::done(json, text))
}

/// A wallet that is to be read or spent from; a mistyped name must not make a
/// new one.
pub(crate) fn existing_wallet(path: &Path) -> Result<Wallet, Failure> {
    if !path.exists() {
        let message = format!(
            "there is no wallet {}: fill one with `pennyblack carrier draw`",
            path.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Wallet::open(path)?)
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
        settings.extend(self.batch.map(|batch| format!("schedule.batch={batch}")));
        settings
    }
}
