//! Section 5.1: a mailbox at three CPSs, of which one dies. With two copies no call loses its
//! verdict; with one, those alone that the dead CPS held.
//!
//! `PENNYBLACK_SPREAD_CALLS` sets how many calls there are; 24 without it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

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
use pennyblack_protocol::key_record::Coverage;
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

fn calls() -> u64 {
    let set = std::env::var("PENNYBLACK_SPREAD_CALLS").ok();
    set.map_or(24, |calls| {
        calls.parse().expect("PENNYBLACK_SPREAD_CALLS is a number")
    })
}

struct Scene {
    world: World,
    names: Vec<Authority>,
    processes: Vec<Option<Process>>,
    mailbox_key: PathBuf,
    wallet: Wallet,
    _issuer: Process,
}

impl Scene {
    /// Three CPSs with an issuer, and a wallet with so many tokens for each.
    async fn open(tokens: u64) -> Self {
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
            world,
            names,
            processes,
            mailbox_key,
            wallet,
            _issuer: issuer,
        };
        for cps in &scene.names {
            scene.draw(cps, tokens).await;
        }
        scene
    }

    async fn draw(&self, cps: &Authority, tokens: u64) {
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
        carrier.draw(&client, wallet, cps, now).await.unwrap();
    }

    fn address(&self, number: usize) -> ServiceAddress {
        self.world
            .url_of(self.names[number].as_str())
            .parse()
            .unwrap()
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

    fn caller(&self) -> OobAuthenticationService {
        OobAuthenticationService {
            cps: self.address(0),
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

    /// Stores the PASSporT of a call from the `nth` number: where its copies are.
    async fn place(&self, nth: u64) -> Vec<Authority> {
        let (caller, now) = (self.caller(), self.world.clock.now());
        let shaken = ShakenCall {
            orig: orig(nth).parse().unwrap(),
            dest: FIRST_NUMBER.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
        };
        let passport = shaken.sign(&self.world.carrier, now).unwrap();
        let passport = read_passport(&passport).unwrap();
        let called = FIRST_NUMBER.parse().unwrap();
        let found = caller
            .keys_of(&called, KeyLookup::Number, now)
            .await
            .unwrap();
        assert_eq!(found.keys.len(), 1);
        let second = SecondAttempt::default();
        let stored = caller.store(&self.wallet, &passport, &found.keys[0], &second, now);
        let stored = stored.await.unwrap();
        assert_eq!(stored.stored.len(), stored.wanted);
        stored
            .stored
            .iter()
            .map(|cps| cps.authority().clone())
            .collect()
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

fn orig(nth: u64) -> String {
    (12_155_550_100 + nth).to_string()
}

fn call(nth: u64) -> Call {
    Call {
        orig: Party::Number(orig(nth).parse().unwrap()),
        dest: Party::Number(FIRST_NUMBER.parse().unwrap()),
    }
}

/// Waits until those mailboxes that can be read were.
async fn until_read(follower: &Follower, dead: &Authority) {
    until("the mailboxes", FOUND, async || {
        let status = follower.status();
        let mut living = status.iter().filter(|(_, cps, _)| cps != dead);
        living
            .all(|(.., one)| one.read_to_its_end.is_some())
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_copies_at_three_cpss_no_call_loses_its_verdict_when_one_dies() {
    let calls = calls();
    let mut scene = Scene::open(calls).await;
    scene.register(2).await;
    let dead = scene.names[DEAD].clone();
    let alone = vec![dead.clone()];
    let mut at_the_dead = 0;
    for nth in 0..calls / 2 {
        let at = scene.place(nth).await;
        assert_eq!(at.len(), 2);
        at_the_dead += usize::from(at.contains(&dead));
    }
    assert!(at_the_dead > 0, "nothing was at the one that dies");
    scene.kill(DEAD);
    for nth in calls / 2..calls {
        let at = scene.place(nth).await;
        assert!(at.len() == 2 && !at.contains(&dead), "{at:?}");
    }
    let follower = scene.follow();
    until_read(&follower, &dead).await;
    for nth in 0..calls {
        let verdict = follower.peek(&call(nth));
        assert!(verdict.is_valid(), "call {nth}: {verdict:?}");
        assert_eq!(verdict.incomplete, alone);
    }
    // Of a call that nobody signed it cannot be said that there is none.
    let verdict = follower.peek(&call(calls));
    assert!(verdict.is_no_passport());
    assert_eq!(verdict.incomplete, alone);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_copy_those_verdicts_alone_are_lost_that_the_dead_cps_held() {
    let calls = calls();
    let mut scene = Scene::open(calls).await;
    scene.register(1).await;
    let dead = scene.names[DEAD].clone();
    let alone = vec![dead.clone()];
    let mut held = Vec::new();
    for nth in 0..calls {
        let at = scene.place(nth).await;
        assert_eq!(at.len(), 1);
        held.push(at[0] == dead);
    }
    scene.kill(DEAD);
    // What comes now goes to the others.
    for nth in calls..calls + 4 {
        assert_ne!(scene.place(nth).await, alone);
        held.push(false);
    }
    let follower = scene.follow();
    until_read(&follower, &dead).await;
    for (nth, is_held) in held.iter().enumerate() {
        let verdict = follower.peek(&call(nth as u64));
        assert_eq!(verdict.is_valid(), !is_held, "call {nth}: {verdict:?}");
        assert_eq!(verdict.incomplete, alone);
    }
    println!(
        "of {calls} calls {} were lost",
        held.iter().filter(|held| **held).count()
    );
    follower.stop().await;
}
