//! Who takes part in the exercise: two carriers, an issuer, a CPS and a witness, all in
//! this process and by one clock. Not here: what they do when.

mod usable_key;

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use pennyblack_client::carrier::{Carrier, LooseToken};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::verification_service::{MailboxCpss, Publisher};
use pennyblack_cps::{Cps, config::WitnessConfig};
use pennyblack_evidence::key_log_view::{Demand, LogPolicy};
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_http::{HttpClient, HttpOptions, Request, RetryPolicy, ServiceAddress};
use pennyblack_issuer::Issuer;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_protocol::store_request::sign_store_request;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::{Kem, KeyConfig, RecipientKey};
use pennyblack_sealing::sealed::seal_passport;
use pennyblack_service::start::RunningService;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};
use pennyblack_witness::{Witness, WitnessServer, limits};

use super::log_files::LogFiles;
use super::{EPOCH, Exercise, PracticeLog};
use crate::demo::{DemoError, WhileDoing as _};

const ISSUER: &str = "issuer.example";
const CPS: &str = "cps.example";
const WITNESS: &str = "witness.example";
const DAY: Duration = Duration::from_secs(86_400);
const BATCH: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// The called number, and whose certificate holds it.
const CALLED: (&str, &str) = ("12155550100", "terminating");

/// How long a service may take to become ready, and how often it is asked.
const READY_WITHIN: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(25);

/// Everybody, at work.
pub(super) struct Federation {
    directory: PathBuf,
    pki: PkiDirectory,
    clock: Clock,
    client: HttpClient,
    issuer: Running,
    cps: Running,
    witness: Running,
    witness_key: VerifierKey,
    mailbox: KeyConfig,
}

/// A service, or the witness.
struct Running {
    address: ServiceAddress,
    shutdown: Shutdown,
    ended: tokio::task::JoinHandle<()>,
}

impl Running {
    fn of(name: &str, service: RunningService) -> Result<Self, DemoError> {
        let shutdown = service.shutdown().clone();
        Ok(Self {
            address: address(name, service.addresses().public)?,
            shutdown,
            ended: tokio::spawn(service.stopped()),
        })
    }

    async fn stop(self) -> Result<(), DemoError> {
        self.shutdown.trigger();
        self.ended.await.during("stopping a service")
    }
}

fn address(name: &str, socket: SocketAddr) -> Result<ServiceAddress, DemoError> {
    let named = format!("{name}=http://{socket}").parse();
    named.during("naming a service")
}

impl Federation {
    /// Starts everybody, and publishes a mailbox to store into.
    pub(super) async fn start(directory: &Path, clock: &Clock) -> Result<Self, DemoError> {
        let pki = certificates(directory, clock)?;
        let client = HttpOptions::default().client();
        let client = client.during("making an HTTP client")?;
        let issuer = start_issuer(directory, &pki, clock).await?;
        // The witness has to know the log's key, which the CPS makes when it first starts.
        let mut config = cps_config(directory, &pki, &issuer.address)?;
        let first = start_cps(&config, clock, &client).await?;
        let key = log_key(&client, &first.address).await?;
        first.stop().await?;
        let (witness, witness_key) = start_witness(directory, key, clock).await?;
        config.witness = vec![WitnessConfig {
            url: witness.address.url(""),
            key: witness_key.to_string(),
            tls_roots: None,
        }];
        let cps = start_cps(&config, clock, &client).await?;
        let recipient = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng());
        let recipient = recipient.during("making a mailbox key")?;
        let this = Self {
            directory: directory.to_owned(),
            pki,
            clock: clock.clone(),
            client,
            issuer,
            cps,
            witness,
            witness_key,
            mailbox: recipient.config().clone(),
        };
        this.publish().await?;
        Ok(this)
    }

    async fn publish(&self) -> Result<(), DemoError> {
        let (number, holder) = CALLED;
        let publisher = Publisher {
            identity: self.identity(holder)?,
            coverage: Coverage::Number(number.parse().during("naming a number")?),
            key: self.mailbox.clone(),
            cpss: MailboxCpss::one(self.cps.address.clone()).during("naming the CPS")?,
            lifetime: DAY,
            retry: RetryPolicy::SHORT,
        };
        let registered = publisher.register(&self.client, self.clock.now()).await;
        registered.during("registering a mailbox key").map(|_| ())
    }

    fn identity(&self, name: &str) -> Result<StirIdentity, DemoError> {
        let (certificate, key) = (self.pki.certificate_path(name), self.pki.key_path(name));
        StirIdentity::load(&certificate, &key, None).during("reading a certificate")
    }

    /// Draws a batch for a carrier and stores with so many of its tokens.
    pub(super) async fn calls(&self, carrier: &str, calls: usize) -> Result<(), DemoError> {
        for token in self.draw(carrier).await?.iter().take(calls) {
            self.store(token, "a.call.s").await?;
        }
        Ok(())
    }

    /// Spends one token of a carrier on three different requests: the second makes the
    /// double spend, the third is a further one.
    pub(super) async fn spend_twice(&self, carrier: &str) -> Result<(), DemoError> {
        let tokens = self.draw(carrier).await?;
        let token = tokens.first().ok_or(DemoError::Never("drawing a token"))?;
        self.store(token, "the.first.call").await?;
        for other in ["the.second.call", "the.third.call"] {
            if self.store(token, other).await.is_ok() {
                return Err(DemoError::Never("the refusal of a token that was spent"));
            }
        }
        Ok(())
    }

    fn carrier(&self, name: &str) -> Result<Carrier, DemoError> {
        Ok(Carrier {
            issuer: self.issuer.address.clone(),
            identity: self.identity(name)?,
            batch: BATCH,
            retry: RetryPolicy::SHORT,
            log: LogPolicy::default(),
        })
    }

    async fn draw(&self, carrier: &str) -> Result<Vec<LooseToken>, DemoError> {
        let carrier = self.carrier(carrier)?;
        let directory = carrier.directory(&self.client).await;
        let directory = directory.during("fetching the issuer's directory")?;
        let cps = self.cps.address.authority();
        let drawn = carrier.draw_loose(&self.client, &directory, cps, self.clock.now());
        drawn.await.during("drawing tokens")
    }

    async fn store(&self, token: &LooseToken, passport: &str) -> Result<(), DemoError> {
        let (cps, key) = (&self.cps.address, &self.mailbox);
        let sealed = seal_passport(key, cps.authority(), passport, &mut rand::rng());
        let sealed = sealed.during("sealing")?;
        let (mailbox, now) = (key.mailbox(), self.clock.now());
        let (token, spend_key) = (&token.token, &token.spend_key);
        let signed = sign_store_request(token, spend_key, cps.authority(), mailbox, &sealed, now);
        let signed = signed.during("signing a store request")?;
        let body = Bytes::copy_from_slice(signed.body());
        let request = Request::post(cps.url(STORE_PATH), body, 4096);
        let request = request.headers(signed.headers().to_vec());
        let stored = self.client.send(&request, RetryPolicy::SHORT).await;
        stored.during("storing").map(|_| ())
    }

    /// The CPS's log, as its files are now.
    pub(super) async fn cps_log(&self) -> Result<LogFiles, DemoError> {
        let key = log_key(&self.client, &self.cps.address).await?;
        let policy = WitnessPolicy::new(vec![self.witness_key.clone()], 1);
        let policy = policy.during("demanding the witness")?;
        let files = self.directory.join("cps/log/public");
        Ok(LogFiles::new(&files, key, policy))
    }

    /// The issuer's log, likewise.
    pub(super) async fn issuer_log(&self) -> Result<LogFiles, DemoError> {
        let key = log_key(&self.client, &self.issuer.address).await?;
        let files = self.directory.join("issuer/log/public");
        Ok(LogFiles::new(&files, key, WitnessPolicy::default()))
    }

    /// Stops everybody, and says what is left.
    pub(super) async fn stop(self, double_spend: u64) -> Result<Exercise, DemoError> {
        let directory = self.directory;
        let log = |name: &str, key: &VerifierKey| {
            let files = directory.join(name).join("log/public");
            let file = directory.join(format!("{name}.key"));
            write(&file, key)?;
            Ok::<_, DemoError>(PracticeLog { files, key: file })
        };
        let cps = log("cps", &log_key(&self.client, &self.cps.address).await?)?;
        let issuer = log(
            "issuer",
            &log_key(&self.client, &self.issuer.address).await?,
        )?;
        let witness = directory.join("witness.key");
        write(&witness, &self.witness_key)?;
        for service in [self.cps, self.issuer, self.witness] {
            service.stop().await?;
        }
        Ok(Exercise {
            cps,
            issuer,
            witness,
            double_spend,
        })
    }
}

fn certificates(directory: &Path, clock: &Clock) -> Result<PkiDirectory, DemoError> {
    let (path, now) = (directory.join("pki"), clock.now());
    let mut pki = PkiDirectory::init(&path, &CaNames::default(), DAY, now)
        .during("making the certification authority")?;
    for (name, spc) in [("carrier-a", "683G"), ("carrier-b", "709J")] {
        let holds = vec![TnAuthEntry::spc(spc).during("naming a carrier")?];
        let issued = pki.issue(name, &LeafRequest::new(holds), None, now);
        issued.during("issuing a certificate")?;
    }
    let (number, holder) = CALLED;
    let holds = TnAuthEntry::range(&format!("{number}+100")).during("naming a block of numbers")?;
    let issued = pki.issue(holder, &LeafRequest::new(vec![holds]), None, now);
    issued.during("issuing a certificate")?;
    Ok(pki)
}

async fn start_issuer(
    directory: &Path,
    pki: &PkiDirectory,
    clock: &Clock,
) -> Result<Running, DemoError> {
    let name = ISSUER.parse().during("naming the issuer")?;
    let data = directory.join("issuer");
    let mut config = pennyblack_issuer::Config::local(name, data, pki.roots_path());
    config.trust.revocation_lists = Some(pki.revocation_path());
    config.token_keys.epoch = EPOCH;
    config.token_keys.announce_ahead = EPOCH / 2;
    config.token_keys.directory_max_age = EPOCH / 6;
    let issuer = Issuer::start(config, clock.clone()).await;
    Running::of(ISSUER, issuer.during("starting the issuer")?)
}

fn cps_config(
    directory: &Path,
    pki: &PkiDirectory,
    issuer: &ServiceAddress,
) -> Result<pennyblack_cps::Config, DemoError> {
    let issuer = pennyblack_cps::IssuerConfig {
        authority: issuer.authority().clone(),
        url: Some(issuer.url("")),
        tls_roots: None,
        voprf_keys: None,
        log: Demand::Required,
        log_key: None,
        tokens: pennyblack_cps::AcceptedTokens::Own,
    };
    let name = CPS.parse().during("naming the CPS")?;
    let (data, roots) = (directory.join("cps"), pki.roots_path());
    let mut config = pennyblack_cps::Config::local(name, data, roots, issuer);
    config.trust.revocation_lists = Some(pki.revocation_path());
    Ok(config)
}

/// Starts the CPS and waits until it knows a key of the issuer.
async fn start_cps(
    config: &pennyblack_cps::Config,
    clock: &Clock,
    client: &HttpClient,
) -> Result<Running, DemoError> {
    let cps = Cps::start(config.clone(), clock.clone()).await;
    let cps = cps.during("starting the CPS")?;
    let ready = Request::get(format!("http://{}/readyz", cps.addresses().admin), 1 << 16);
    let is_ready = async {
        while client.send(&ready, RetryPolicy::NONE).await.is_err() {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(READY_WITHIN, is_ready).await;
    waited.map_err(|_| DemoError::Never("the readiness of the CPS"))?;
    Running::of(CPS, cps)
}

async fn start_witness(
    directory: &Path,
    log: VerifierKey,
    clock: &Clock,
) -> Result<(Running, VerifierKey), DemoError> {
    let state = directory.join("witness");
    fs::create_dir(&state).during("making a directory")?;
    let name = WITNESS.parse().during("naming the witness")?;
    let witness = Witness::open(&state, &name, [log]).during("making the witness")?;
    let key = witness.key().clone();
    let mut public = PublicConfig::plain(([127, 0, 0, 1], 0).into());
    public.limits = limits();
    let server = WitnessServer::bind(&public, witness, clock.clone()).await;
    let server = server.during("starting the witness")?;
    let shutdown = Shutdown::new();
    let running = Running {
        address: address(WITNESS, server.address())?,
        ended: tokio::spawn(server.serve(shutdown.clone())),
        shutdown,
    };
    Ok((running, key))
}

async fn log_key(client: &HttpClient, service: &ServiceAddress) -> Result<VerifierKey, DemoError> {
    let request = Request::get(service.url("/log/key"), 1024);
    let answer = client.send(&request, RetryPolicy::SHORT).await;
    let answer = answer.during("fetching a log's key")?;
    let text = String::from_utf8_lossy(&answer.body);
    text.trim_end().parse().during("reading a log's key")
}

fn write(file: &Path, key: &VerifierKey) -> Result<(), DemoError> {
    fs::write(file, format!("{key}\n")).during("writing a log's key")
}
