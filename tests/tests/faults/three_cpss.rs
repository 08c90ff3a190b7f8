//! Section 5.1: a mailbox at three CPSs, of which one dies in the middle of 300 calls. With two
//! copies no call loses its verdict; with one, those alone that the dead CPS held, and each is
//! marked incomplete.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use pennyblack_base::authority::Authority;
use pennyblack_client::auth_service::{
    ClockGaps, KeyLookup, OobAuthenticationService, SecondAttempt, ShakenCall, read_passport,
};
use pennyblack_client::carrier::Carrier;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{
    MailboxCpss, PolledCpss, Publisher, create_mailbox_key, load_mailbox_key,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_passport::{Attestation, Call, Party};
use pennyblack_protocol::key_record::{Coverage, VerifiedKeyRecord};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::port::free_port;
use pennyblack_tests::process::{Process, Role, write_config_of};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::{FIRST_NUMBER, World};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const CPSS: usize = 3;
/// The one that dies.
const DEAD: usize = 1;
/// Longest wait for what is found within seconds.
const FOUND: Duration = Duration::from_secs(30);

const CALLS: u64 = 300;
/// After so many calls it dies.
const HALF: u64 = CALLS / 2;
/// Calls that are placed at one time.
const AT_ONCE: usize = 8;
/// Tokens of one draw, and draws for each CPS: one that is left may get all copies of the
/// second half.
const BATCH: usize = 100;
const DRAWS: usize = 3;

struct Scene {
    world: World,
    names: Vec<Authority>,
    processes: Vec<Option<Process>>,
    mailbox_key: PathBuf,
    wallet: Wallet,
    caller: OobAuthenticationService,
    _issuer: Process,
}

impl Scene {
    /// Three CPSs with an issuer, a wallet with tokens for each, and a mailbox that is registered
    /// at all of them for so many copies.
    async fn open(copies: u64) -> Self {
        let world = World::with_tls(Clock::system());
        let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        let (mut names, mut processes) = (Vec::new(), Vec::new());
        for number in 0..CPSS {
            let mut config = world.cps.clone();
            let (name, address) = (
                format!("cps-{number}"),
                format!("127.0.0.1:{}", free_port()),
            );
            config.cps.authority = address.parse().unwrap();
            config.cps.data_directory = world.path(&format!("{name}-data"));
            config.public.listen = address.parse().unwrap();
            let mut command = Command::new(SERVICE);
            let path = write_config_of(&name, &config, &world);
            command.arg(Role::Cps.name()).arg("--config").arg(path);
            processes.push(Some(Process::start_named(command, &name, &world).await));
            names.push(config.cps.authority);
        }
        let wallet = Wallet::open(&world.path("wallet.db")).unwrap();
        let mailbox_key = world.path("office.mailbox");
        create_mailbox_key(&mailbox_key, Kem::DhkemX25519).unwrap();
        let scene = Self {
            caller: caller(&world, &names[0]),
            world,
            names,
            processes,
            mailbox_key,
            wallet,
            _issuer: issuer,
        };
        for cps in &scene.names {
            for _ in 0..DRAWS {
                scene.draw(cps).await;
            }
        }
        scene.register(copies).await;
        scene
    }

    async fn draw(&self, cps: &Authority) {
        let world = &self.world;
        let carrier = Carrier {
            issuer: world.url_of(world.issuer_name().as_str()).parse().unwrap(),
            identity: world.carrier.clone(),
            batch: NonZeroUsize::new(BATCH).unwrap(),
            retry: RetryPolicy::SHORT,
            log: LogPolicy::default(),
        };
        let client = world.http_options().client().unwrap();
        let (wallet, now) = (&self.wallet, world.clock.now());
        carrier.draw(&client, wallet, cps, now).await.unwrap();
    }

    fn address(&self, number: usize) -> ServiceAddress {
        address_in(&self.world, &self.names[number])
    }

    /// Registers the mailbox at all CPSs, for so many copies.
    async fn register(&self, copies: u64) {
        let more = (1..CPSS).map(|number| self.address(number)).collect();
        let cpss = MailboxCpss::one(self.address(0)).unwrap();
        let cpss = cpss.and(more, Some(copies)).unwrap();
        let publisher = Publisher {
            identity: self.world.holder.clone(),
            coverage: Coverage::Number(FIRST_NUMBER.parse().unwrap()),
            key: load_mailbox_key(&self.mailbox_key)
                .unwrap()
                .config()
                .clone(),
            cpss: cpss.listed_beside(&self.mailbox_key),
            lifetime: Duration::from_secs(3600),
            retry: RetryPolicy::SHORT,
        };
        let client = self.world.http_options().client().unwrap();
        let now = self.world.clock.now();
        publisher.register(&client, now).await.unwrap();
    }

    /// The record by which all calls are stored, as a gateway has it at hand.
    async fn record(&self) -> VerifiedKeyRecord {
        let (called, now) = (FIRST_NUMBER.parse().unwrap(), self.world.clock.now());
        let found = self.caller.keys_of(&called, KeyLookup::Number, now);
        let mut keys = found.await.unwrap().keys;
        assert_eq!(keys.len(), 1);
        keys.remove(0)
    }

    /// Stores the PASSporTs of these calls: where the copies of each are.
    async fn place(&self, calls: Range<u64>, record: &VerifiedKeyRecord) -> Vec<Vec<Authority>> {
        let calls = calls.map(|nth| self.place_one(nth, record));
        stream::iter(calls).buffered(AT_ONCE).collect().await
    }

    async fn place_one(&self, nth: u64, record: &VerifiedKeyRecord) -> Vec<Authority> {
        let (caller, now) = (&self.caller, self.world.clock.now());
        let shaken = ShakenCall {
            orig: orig(nth).parse().unwrap(),
            dest: FIRST_NUMBER.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
        };
        let passport = shaken.sign(&self.world.carrier, now).unwrap();
        let passport = read_passport(&passport).unwrap();
        let second = SecondAttempt::default();
        let stored = caller.store(&self.wallet, &passport, record, &second, now);
        let stored = stored.await.unwrap();
        assert_eq!(stored.stored.len(), stored.wanted);
        let at = stored.stored.iter();
        at.map(|cps| cps.authority().clone()).collect()
    }

    fn kill(&mut self, number: usize) {
        self.processes[number].take().unwrap().kill();
    }

    /// Follows the mailbox where the list beside its key says.
    fn follow(&self) -> Follower {
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

fn address_in(world: &World, cps: &Authority) -> ServiceAddress {
    world.url_of(cps.as_str()).parse().unwrap()
}

fn caller(world: &World, cps: &Authority) -> OobAuthenticationService {
    OobAuthenticationService {
        cps: address_in(world, cps),
        http: world.http_options(),
        transport: Arc::new(world.http_options()),
        trust: load_trust(&world.path("pki/roots"), None, world.clock.now()).unwrap(),
        numbering: None,
        certificates: CertificateStores::default(),
        minimum_age: Duration::ZERO,
        max_copies: 8,
        retry: RetryPolicy::NONE,
        clock_gaps: ClockGaps::default(),
    }
}

fn orig(nth: u64) -> String {
    (12_155_550_100 + nth).to_string()
}

fn call(nth: u64) -> Call {
    Call {
        orig: Party::Number(orig(nth).parse().unwrap()),
        dest: Party::Number(FIRST_NUMBER.parse().unwrap()),
    }
}

/// Waits until those mailboxes that can be read were, by requests that begin now.
async fn until_read(follower: &Follower, dead: &Authority) {
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

#[tokio::test(flavor = "multi_thread")]
async fn with_two_copies_at_three_cpss_no_call_loses_its_verdict_when_one_dies() {
    let mut scene = Scene::open(2).await;
    let (record, dead) = (scene.record().await, scene.names[DEAD].clone());
    let alone = vec![dead.clone()];
    let before = scene.place(0..HALF, &record).await;
    assert!(before.iter().all(|at| at.len() == 2));
    let at_the_dead = before.iter().filter(|at| at.contains(&dead)).count();
    assert!(at_the_dead > 0, "nothing was at the one that dies");
    scene.kill(DEAD);
    let follower = scene.follow();
    let require_all = |calls: Range<u64>| {
        for nth in calls {
            let verdict = follower.peek(&call(nth));
            assert!(verdict.is_valid(), "call {nth}: {verdict:?}");
            assert_eq!(verdict.incomplete, alone);
        }
    };
    until_read(&follower, &dead).await;
    require_all(0..HALF);
    let after = scene.place(HALF..CALLS, &record).await;
    let is_elsewhere = |at: &Vec<Authority>| at.len() == 2 && !at.contains(&dead);
    assert!(after.iter().all(is_elsewhere), "{after:?}");
    until_read(&follower, &dead).await;
    require_all(HALF..CALLS);
    // Of a call that nobody signed it cannot be said that there is none.
    let verdict = follower.peek(&call(CALLS));
    assert!(verdict.is_no_passport());
    assert_eq!(verdict.incomplete, alone);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_copy_those_verdicts_alone_are_lost_that_the_dead_cps_held() {
    let mut scene = Scene::open(1).await;
    let (record, dead) = (scene.record().await, scene.names[DEAD].clone());
    let alone = vec![dead.clone()];
    let before = scene.place(0..HALF, &record).await;
    scene.kill(DEAD);
    let follower = scene.follow();
    let require = |first: u64, calls: &[Vec<Authority>]| {
        for (nth, at) in (first..).zip(calls) {
            let verdict = follower.peek(&call(nth));
            assert_eq!(verdict.is_valid(), *at != alone, "call {nth}: {verdict:?}");
            assert_eq!(verdict.incomplete, alone);
        }
    };
    until_read(&follower, &dead).await;
    require(0, &before);
    let held = before.iter().filter(|at| **at == alone).count();
    assert!(held > 0, "nothing was at the one that dies");
    // What comes now goes to the others.
    let after = scene.place(HALF..CALLS, &record).await;
    assert!(after.iter().all(|at| *at != alone), "{after:?}");
    until_read(&follower, &dead).await;
    require(HALF, &after);
    follower.stop().await;
}
