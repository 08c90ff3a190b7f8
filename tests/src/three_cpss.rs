//! A mailbox at three CPSs that take tokens of one issuer, each in a process of its own: the
//! carrier's wallet, the calls of an OOB-AS, and the mailbox's follower.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use pennyblack_base::authority::Authority;
use pennyblack_client::auth_service::{
    ClockGaps, KeyLookup, KeySource, OobAuthenticationError, OobAuthenticationService,
    SecondAttempt, ShakenCall, read_passport,
};
use pennyblack_client::carrier::Carrier;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{
    MailboxCpss, PolledCpss, Publisher, create_mailbox_key, load_mailbox_key,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_cps::AcceptedTokens;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_passport::{Attestation, Call, Party};
use pennyblack_privacypass::token::TokenScope;
use pennyblack_protocol::key_record::{Coverage, VerifiedKeyRecord};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, KeyConfig};

use crate::port::free_port;
use crate::process::{Process, Role, write_config_of};
use crate::wait::until;
use crate::world::{FIRST_NUMBER, World};

/// How many there are.
const CPSS: usize = 3;
/// Longest wait for what is found within seconds.
const FOUND: Duration = Duration::from_secs(30);
/// Calls that are placed at one time.
const AT_ONCE: usize = 8;

/// Three CPSs with an issuer, a mailbox, and a wallet.
pub struct ThreeCpss {
    /// Certificates, and the configuration that the three have in common.
    pub world: World,
    /// The CPSs.
    pub names: Vec<Authority>,
    /// The carrier's.
    pub wallet: Wallet,
    service: &'static str,
    configs: Vec<pennyblack_cps::Config>,
    processes: Vec<Option<Process>>,
    mailbox_key: PathBuf,
    _issuer: Process,
}

impl ThreeCpss {
    /// Starts an issuer and the CPSs, of which each takes these tokens. `service` is the
    /// program that is either: a test's `CARGO_BIN_EXE_service`.
    pub async fn open(service: &'static str, accepted: [AcceptedTokens; CPSS]) -> Self {
        let world = World::with_tls(Clock::system());
        let issuer = Process::start(service, Role::Issuer, &world).await;
        let config_of = |(number, accepted): (usize, AcceptedTokens)| {
            let mut config = world.cps.clone();
            let address = format!("127.0.0.1:{}", free_port());
            config.cps.authority = address.parse().unwrap();
            config.cps.data_directory = world.path(&format!("cps-{number}-data"));
            config.public.listen = address.parse().unwrap();
            config.issuer[0].tokens = accepted;
            config
        };
        let configs: Vec<_> = accepted.into_iter().enumerate().map(config_of).collect();
        let wallet = Wallet::open(&world.path("wallet.db")).unwrap();
        let mailbox_key = world.path("office.mailbox");
        create_mailbox_key(&mailbox_key, Kem::DhkemX25519).unwrap();
        let names = configs.iter().map(|config| config.cps.authority.clone());
        let mut scene = Self {
            names: names.collect(),
            wallet,
            service,
            processes: configs.iter().map(|_| None).collect(),
            configs,
            mailbox_key,
            _issuer: issuer,
            world,
        };
        for number in 0..CPSS {
            scene.start(number).await;
        }
        scene
    }

    /// Ends a CPS and starts it again; it takes these tokens from then on.
    pub async fn restart(&mut self, number: usize, accepted: AcceptedTokens) {
        self.configs[number].issuer[0].tokens = accepted;
        self.kill(number);
        self.start(number).await;
    }

    async fn start(&mut self, number: usize) {
        let (name, world) = (format!("cps-{number}"), &self.world);
        let mut command = Command::new(self.service);
        let path = write_config_of(&name, &self.configs[number], world);
        command.arg(Role::Cps.name()).arg("--config").arg(path);
        self.processes[number] = Some(Process::start_named(command, &name, world).await);
    }

    /// Draws a batch of tokens.
    pub async fn draw(&self, scope: impl Into<TokenScope>, tokens: u64) {
        let world = &self.world;
        let carrier = Carrier {
            issuer: world.url_of(world.issuer_name().as_str()).parse().unwrap(),
            identity: world.carrier.clone(),
            batch: NonZeroUsize::new(usize::try_from(tokens).unwrap()).unwrap(),
            retry: RetryPolicy::SHORT,
            log: LogPolicy::default(),
        };
        let client = world.http_options().client().unwrap();
        let (wallet, now) = (&self.wallet, world.clock.now());
        carrier.draw(&client, wallet, scope, now).await.unwrap();
    }

    /// How many tokens of this scope the wallet holds.
    #[must_use]
    pub fn held(&self, scope: impl Into<TokenScope>) -> u64 {
        let issuer = self.world.issuer_name();
        self.wallet.count(issuer, scope).unwrap()
    }

    fn address(&self, number: usize) -> ServiceAddress {
        self.world
            .url_of(self.names[number].as_str())
            .parse()
            .unwrap()
    }

    /// The key of the mailbox.
    #[must_use]
    pub fn mailbox(&self) -> KeyConfig {
        let key = load_mailbox_key(&self.mailbox_key).unwrap();
        key.config().clone()
    }

    /// Registers the mailbox at all CPSs, for so many copies.
    pub async fn register(&self, copies: u64) {
        let more = (1..CPSS).map(|number| self.address(number)).collect();
        let cpss = MailboxCpss::one(self.address(0)).unwrap();
        let cpss = cpss.and(more, Some(copies)).unwrap();
        let publisher = Publisher {
            identity: self.world.holder.clone(),
            coverage: Coverage::Number(FIRST_NUMBER.parse().unwrap()),
            key: self.mailbox(),
            cpss: cpss.listed_beside(&self.mailbox_key),
            lifetime: Duration::from_secs(3600),
            retry: RetryPolicy::SHORT,
        };
        let client = self.world.http_options().client().unwrap();
        let now = self.world.clock.now();
        publisher.register(&client, now).await.unwrap();
    }

    fn caller(&self) -> OobAuthenticationService {
        OobAuthenticationService {
            keys: KeySource::Cps(self.address(0)),
            http: self.world.http_options(),
            transport: Arc::new(self.world.http_options()),
            trust: load_trust(&self.world.path("pki/roots"), None, self.world.clock.now()).unwrap(),
            numbering: None,
            certificates: CertificateStores::default(),
            minimum_age: Duration::ZERO,
            max_copies: 8,
            retry: RetryPolicy::NONE,
            clock_gaps: ClockGaps::default(),
        }
    }

    /// The record by which calls are stored, as a gateway has it at hand.
    pub async fn record(&self) -> VerifiedKeyRecord {
        let (called, now) = (FIRST_NUMBER.parse().unwrap(), self.world.clock.now());
        let caller = self.caller();
        let found = caller.keys_of(&called, KeyLookup::Number, now);
        let mut keys = found.await.unwrap().keys;
        assert_eq!(keys.len(), 1);
        keys.remove(0)
    }

    /// Stores the PASSporT of a call from the `nth` number: where its copies are.
    pub async fn place(&self, nth: u64) -> Vec<Authority> {
        self.try_to_place(nth).await.unwrap()
    }

    /// The same, or why there is no copy at all.
    ///
    /// # Errors
    /// [`OobAuthenticationError`].
    pub async fn try_to_place(&self, nth: u64) -> Result<Vec<Authority>, OobAuthenticationError> {
        self.place_by(nth, &self.record().await).await
    }

    /// Stores the PASSporTs of these calls by the record: where the copies of each are.
    pub async fn place_all(
        &self,
        calls: Range<u64>,
        record: &VerifiedKeyRecord,
    ) -> Vec<Vec<Authority>> {
        let calls = calls.map(|nth| self.place_by(nth, record));
        let calls = stream::iter(calls).buffered(AT_ONCE);
        calls.map(Result::unwrap).collect().await
    }

    async fn place_by(
        &self,
        nth: u64,
        record: &VerifiedKeyRecord,
    ) -> Result<Vec<Authority>, OobAuthenticationError> {
        let now = self.world.clock.now();
        let shaken = ShakenCall {
            orig: orig(nth).parse().unwrap(),
            dest: FIRST_NUMBER.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
        };
        let passport = shaken.sign(&self.world.carrier, now).unwrap();
        let passport = read_passport(&passport).unwrap();
        let (caller, second) = (self.caller(), SecondAttempt::default());
        let stored = caller.store(&self.wallet, &passport, record, &second, now);
        let stored = stored.await?;
        assert_eq!(stored.stored.len(), stored.wanted, "{:?}", stored.failed);
        let cpss = stored.stored.iter();
        Ok(cpss.map(|cps| cps.authority().clone()).collect())
    }

    /// Ends a CPS at this instant.
    pub fn kill(&mut self, number: usize) {
        self.processes[number].take().unwrap().kill();
    }

    /// Follows the mailbox where the list beside its key says.
    #[must_use]
    pub fn follow(&self) -> Follower {
        let world = &self.world;
        let key = Arc::new(load_mailbox_key(&self.mailbox_key).unwrap());
        let listed = PolledCpss::of(&self.mailbox_key).unwrap();
        let cpss = listed.with(Vec::new(), world.clock.now()).into_iter();
        let mailboxes = cpss.map(|cps| FollowedMailbox {
            key: Arc::clone(&key),
            cps,
            source: Arc::new(world.http_options().client().unwrap()),
        });
        let rules = world.verification_rules();
        let (config, clock) = (FollowerConfig::default(), world.clock.clone());
        let (task, rng) = (Task::default(), &mut rand::rng());
        Follower::start(&config, mailboxes.collect(), rules, task, clock, rng).unwrap()
    }
}

fn orig(nth: u64) -> String {
    (12_155_550_100 + nth).to_string()
}

/// The call of which [`ThreeCpss::place`] stores the PASSporT.
#[must_use]
pub fn call(nth: u64) -> Call {
    Call {
        orig: Party::Number(orig(nth).parse().unwrap()),
        dest: Party::Number(FIRST_NUMBER.parse().unwrap()),
    }
}

/// Waits until those mailboxes that can be read were, by requests that begin now.
pub async fn until_read(follower: &Follower, dead: &Authority) {
    let now = Instant::now();
    until("the mailboxes", FOUND, async || {
        let (since, status) = (now.elapsed(), follower.status());
        let mut living = status.iter().filter(|(_, cps, _)| cps != dead);
        living
            .all(|(.., one)| one.read_to_its_end.is_some_and(|ago| ago < since))
            .then_some(())
    })
    .await;
}
