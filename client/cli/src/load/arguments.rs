//! The arguments of `pennyblack load`, and the run that they describe.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pennyblack_base::authority::Authority;
use pennyblack_client::auth_service::ShakenCall;
use pennyblack_client::carrier::{Carrier, CarrierConfig, MAX_BATCH};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::verification_service::MailboxCpss;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{Deadline, HttpClient, RetryPolicy, ServiceAddress};
use pennyblack_passport::Attestation;
use pennyblack_privacypass::token::TokenScope;
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::envelope::Slots;
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_testbed::load::{Load, Mailboxes, Mix, Operation, Pace, Rate, Window};

use super::super::carrier::{carrier as described_carrier, read_config};
use super::super::mailbox::KemName;
use super::super::options::{ConnectionOptions, load_identity, typed_number};
use super::super::outcome::{Exit, Failure};

/// The caller of every PASSporT that is stored: a number set aside for fiction.
const CALLER: &str = "12015550100";

/// Where its certificate would be, if anybody looked.
const CERTIFICATE_URL: &str = "https://certificates.invalid/load.pem";

/// Requests that are prepared for a closed loop unless told otherwise.
const DEFAULT_REQUESTS: u64 = 10_000;

/// Stores for each mailbox, unless told otherwise: half of what a CPS keeps of
/// one mailbox unless it is told otherwise.
const STORES_FOR_EACH_MAILBOX: u64 = 512;

/// Most mailboxes: a CPS lists no number with more keys than this.
const MOST_MAILBOXES: u64 = 1000;

/// How long the mailboxes outlive the run, which takes time to prepare.
const MAILBOXES_OUTLIVE: Duration = Duration::from_secs(1800);

/// The arguments of `pennyblack load`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # how much: 16 connections, each sending as soon as it is answered
  pennyblack load --cps https://cps.example --issuer https://issuer.example \\
      --cert carrier.pem --key carrier.key --tn 12125550100 \\
      --mix store=1,retrieve=4 --connections 16 --requests 50000
  # how fast: 500 requests a second for a minute, answered or not
  pennyblack load … --mix store --rate 500 --duration 60
  # the issuer alone, drawing batches of 64 tokens
  pennyblack load --cps https://cps.example --config carrier.toml \\
      --mix draw --batch 64 --requests 500

What it costs: each store spends a token, and each draw a batch of them, all
charged to the certificate's quota; tokens that the run does not use are lost.
Mailboxes are published for --tn, and end half an hour after the run.

What it measures: tokens are drawn, and requests sealed, signed and attested,
before the run. Each is sent once; failures are counted by kind. Connections are
kept, where `pennyblack call` opens one for each store. Latencies are those of
successes; with --rate they count from the time at which a request was due. Run
it on another machine than the services, or it takes their processor time.

The exit code is 0 if any request succeeded in the measured time. If none did,
it is 6 if all were refused, 1 if the run was stopped before, and 5 otherwise.")]
pub(crate) struct LoadArguments {
    /// The CPS's URL, or authority=URL.
    #[arg(long, value_name = "URL")]
    cps: ServiceAddress,
    /// Operations and their shares: draw, store, retrieve.
    #[arg(
        long,
        default_value = "store=1,retrieve=1",
        value_name = "OPERATION=SHARE,…"
    )]
    mix: Mix,
    /// Most requests in progress, each on its own connection. Default: 16, or 128
    /// with --rate.
    #[arg(long, value_name = "N", value_parser = between(1, 10_000))]
    connections: Option<u64>,
    /// Open loop: begin this many requests a second, without waiting for answers.
    /// Without it, closed loop: each connection waits for its answer.
    #[arg(long, value_name = "PER_SECOND", value_parser = between(1, 1_000_000))]
    rate: Option<u64>,
    /// Seconds of load before the measurement begins.
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = between(0, 3600))]
    warm_up: u64,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = between(1, 86_400))]
    duration: u64,
    /// End after this many requests, including the warm-up, if that is sooner. As
    /// many draws and stores are prepared. Default: 10,000, or as many as --rate
    /// needs; a run of retrieves alone has no limit.
    #[arg(long, value_name = "N", value_parser = between(1, 100_000_000))]
    requests: Option<u64>,
    /// Seconds that may pass before the run, while tokens are drawn and mailboxes
    /// published.
    #[arg(long, default_value_t = 900, value_name = "SECONDS", value_parser = between(1, 86_400))]
    prepare_within: u64,
    #[command(flatten)]
    carrier: CarrierOptions,
    #[command(flatten)]
    mailboxes: MailboxOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// Who draws tokens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Carrier, who draws tokens")]
struct CarrierOptions {
    /// The issuer's URL.
    #[arg(long, value_name = "URL")]
    issuer: Option<ServiceAddress>,
    /// File of the STIR certificate with its path, in PEM or DER.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file of its private key (mode 0600).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The SPC or number to draw for; the certificate's first if not given.
    #[arg(long, value_name = "SPC|TN")]
    iss: Option<String>,
    /// The carrier's configuration file, in place of the options above. Its CAs and proxy
    /// count, too, unless options name others; its wallet is not touched.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["issuer", "cert", "key", "iss"])]
    config: Option<PathBuf>,
    /// Draw federation tokens: for a CPS that takes them. With --config, its
    /// carrier.federation counts, too, unless carrier.cps names the CPS.
    #[arg(long)]
    federation: bool,
    /// Tokens in a batch.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = between(1, MAX_BATCH as u64))]
    batch: u64,
}

/// Where PASSporTs go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Mailboxes, to store into and retrieve from")]
struct MailboxOptions {
    /// The number to publish mailboxes for; choose one that nobody calls.
    #[arg(long, value_name = "TN", value_parser = typed_number::<TelephoneNumber>)]
    tn: Option<TelephoneNumber>,
    /// File of the certificate that holds the number, with its path, in PEM or DER; the
    /// carrier's if not given.
    #[arg(long, value_name = "FILE", requires = "holder_key")]
    holder_cert: Option<PathBuf>,
    /// PEM file of its private key (mode 0600).
    #[arg(long, value_name = "FILE", requires = "holder_cert")]
    holder_key: Option<PathBuf>,
    /// Number of mailboxes. Default: one for each 512 stores. A CPS keeps about a
    /// thousand entries in a mailbox, each for a minute, and drops older ones for more.
    #[arg(long, value_name = "N", value_parser = between(1, MOST_MAILBOXES))]
    mailboxes: Option<u64>,
    /// KEM of the mailbox keys.
    #[arg(long, value_enum, default_value_t = KemName::X25519)]
    kem: KemName,
    /// Slots that a retrieve asks for: 4, 16, 64 or 256.
    #[arg(long, default_value = "16", value_name = "N")]
    slots: Slots,
}

fn between(min: u64, max: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(min..=max)
}

impl LoadArguments {
    /// The run that this describes, with its mailboxes published.
    pub(super) async fn load(&self) -> Result<Load, Failure> {
        let described = self.carrier.described()?;
        let http = match &described {
            Some(config) => self.connection.http_beside(&config.http),
            None => self.connection.http(),
        };
        let clock = Clock::system();
        let carrier = self.carrier.carrier(described.as_ref())?;
        if carrier.is_none() && self.needs_tokens() {
            return Err(usage(
                "draws and stores need tokens: give --issuer, --cert and --key, or --config",
            ));
        }
        let ready_by = Deadline::after(Duration::from_secs(self.prepare_within));
        let mut load = Load {
            cps: self.cps.clone(),
            scope: self.carrier.scope(self.cps.authority(), described.as_ref()),
            http: http.clone(),
            mailboxes: Vec::new(),
            passport: String::new(),
            slots: self.mailboxes.slots,
            mix: self.mix,
            pace: self.pace(),
            window: self.window(),
            requests: self.most_requests(),
            connections: self.connections(),
            ready_by: Some(ready_by),
            stop: Shutdown::new(),
            carrier,
            clock,
        };
        if self.mix.has(Operation::Store) || self.mix.has(Operation::Retrieve) {
            let (number, holder) = self.holder(load.carrier.as_ref())?;
            load.passport = passport(&number, &holder, &load.clock)?;
            let client = http.client()?.within(ready_by);
            load.mailboxes = self.publish(number, holder, &load, &client).await?;
        }
        Ok(load)
    }

    fn needs_tokens(&self) -> bool {
        self.mix.has(Operation::Draw) || self.mix.has(Operation::Store)
    }

    fn pace(&self) -> Pace {
        let rate = self.rate.and_then(|rate| u32::try_from(rate).ok());
        let rate = rate.and_then(NonZeroU32::new);
        rate.map_or(Pace::Closed, |rate| Pace::Open(Rate(rate)))
    }

    const fn window(&self) -> Window {
        Window {
            warm_up: Duration::from_secs(self.warm_up),
            duration: Duration::from_secs(self.duration),
        }
    }

    fn most_requests(&self) -> u64 {
        match (self.requests, self.rate) {
            (Some(requests), _) => requests,
            (None, None) if self.needs_tokens() => DEFAULT_REQUESTS,
            (None, _) => u64::MAX,
        }
    }

    fn connections(&self) -> NonZeroUsize {
        let default = if self.rate.is_some() { 128 } else { 16 };
        let connections = self.connections.unwrap_or(default);
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        NonZeroUsize::new(connections).unwrap_or(NonZeroUsize::MIN)
    }

    /// The number to publish mailboxes for, and who holds it.
    fn holder(
        &self,
        carrier: Option<&Carrier>,
    ) -> Result<(TelephoneNumber, StirIdentity), Failure> {
        let options = &self.mailboxes;
        let Some(number) = options.tn.clone() else {
            return Err(usage(
                "stores and retrieves need mailboxes: name with --tn a number that nobody calls",
            ));
        };
        let holder = match (&options.holder_cert, &options.holder_key, carrier) {
            (Some(cert), Some(key), _) => {
                load_identity((cert, "--holder-cert"), (key, "--holder-key"), None)?
            }
            (_, _, Some(carrier)) => carrier.identity.clone(),
            _ => {
                return Err(usage(
                    "publishing mailboxes needs the certificate that holds --tn: give --holder-cert and --holder-key",
                ));
            }
        };
        Ok((number, holder))
    }

    async fn publish(
        &self,
        number: TelephoneNumber,
        identity: StirIdentity,
        load: &Load,
        client: &HttpClient,
    ) -> Result<Vec<KeyConfig>, Failure> {
        let cpss = MailboxCpss::one(self.cps.clone());
        let mailboxes = Mailboxes {
            identity,
            coverage: Coverage::Number(number),
            cpss: cpss.map_err(|error| Failure::new(Exit::Failed, error))?,
            kem: self.mailboxes.kem.into(),
            lifetime: load.window.end() + MAILBOXES_OUTLIVE,
        };
        let enough = load.stores().div_ceil(STORES_FOR_EACH_MAILBOX);
        let count = self.mailboxes.mailboxes.unwrap_or(enough);
        let count = count.clamp(1, MOST_MAILBOXES);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let published = mailboxes.publish(count, client, load.clock.now()).await?;
        Ok(published)
    }
}

impl CarrierOptions {
    /// The carrier's configuration, if one is named.
    fn described(&self) -> Result<Option<CarrierConfig>, Failure> {
        let file = self.config.as_deref();
        file.map(|file| read_config(Some(file), &[])).transpose()
    }

    /// What to draw tokens for, to spend them at this CPS.
    fn scope(&self, cps: &Authority, config: Option<&CarrierConfig>) -> TokenScope {
        let in_config = config
            .is_some_and(|config| config.carrier.federation && !config.carrier.cps.contains(cps));
        match self.federation || in_config {
            true => TokenScope::Federation,
            false => cps.into(),
        }
    }

    /// The carrier, if one is described.
    fn carrier(&self, config: Option<&CarrierConfig>) -> Result<Option<Carrier>, Failure> {
        let batch = usize::try_from(self.batch).unwrap_or(MAX_BATCH);
        let batch = NonZeroUsize::new(batch).unwrap_or(NonZeroUsize::MIN);
        if let Some(config) = config {
            let carrier = described_carrier(config)?;
            return Ok(Some(Carrier { batch, ..carrier }));
        }
        match (&self.issuer, &self.cert, &self.key) {
            (Some(issuer), Some(cert), Some(key)) => Ok(Some(Carrier {
                issuer: issuer.clone(),
                identity: load_identity((cert, "--cert"), (key, "--key"), self.iss.as_deref())?,
                batch,
                retry: RetryPolicy::SHORT,
                log: LogPolicy::default(),
            })),
            (None, None, None) => Ok(None),
            _ => Err(usage(
                "drawing tokens needs --issuer, --cert and --key together, or --config",
            )),
        }
    }
}

/// A PASSporT like that of any call, to be stored again and again.
fn passport(
    called: &TelephoneNumber,
    signer: &StirIdentity,
    clock: &Clock,
) -> Result<String, Failure> {
    let fixed = |error: &dyn std::error::Error| Failure::new(Exit::Failed, error.to_string());
    let call = ShakenCall {
        orig: CALLER.parse().map_err(|error| fixed(&error))?,
        dest: called.clone(),
        attest: Attestation::Full,
        x5u: Some(CERTIFICATE_URL.parse().map_err(|error| fixed(&error))?),
    };
    Ok(call.sign(signer, clock.now())?)
}

fn usage(text: &str) -> Failure {
    Failure::new(Exit::Usage, text)
}
