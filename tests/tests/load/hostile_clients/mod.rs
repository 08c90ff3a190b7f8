//! A thousand hostile clients of each kind against a CPS with its default limits:
//! all of them are closed in time, and a healthy client hardly notices.
//!
//! Where fewer files may be open than that takes, it is 300 of each.

mod greedy;
pub(crate) mod healthy;
mod hostile;
mod http2;
mod memory;

use std::time::{Duration, Instant};

use self::greedy::{Attack, Greed};
use self::healthy::Healthy;
use self::hostile::{Behaviour, attack};
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{PublicConfig, TlsConfig};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::answer_times::AnswerTimes;
use pennyblack_tests::cores::Cores;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_witness::{Witness, WitnessServer, limits};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// Within which every hostile client is closed.
const CLOSED: Duration = Duration::from_secs(10);

/// Added to that, because clients and service share a machine that may be busy with
/// other things, and some limits of the service are ten seconds themselves.
const LATE: Duration = Duration::from_secs(2);

/// Added, for the same reason, to twice the p99 of a healthy client. Still short of
/// the second after which the kernel tries again to connect.
const SLOW: Duration = Duration::from_millis(250);

/// How often a latency is measured at most.
const TRIES: usize = 3;

/// Runs a test while no other is running, with the services on a core of their own.
fn alone(test: impl AsyncFnOnce(Cores) + Send) {
    let _alone = crate::alone();
    Cores::apart().run(test);
}

/// How many of each kind: their sockets and the service's own files must be fewer
/// than a process may have open.
fn many() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = files.and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    if soft.is_some_and(|soft| soft >= 2048) {
        1000
    } else {
        300
    }
}

/// A CPS in a process of its own, with an issuer whose key it knows.
struct Target {
    world: World,
    cps: Process,
    issuer: Process,
}

impl Target {
    fn start(cores: Cores, change: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new(Clock::system());
        // The healthy client polls more often than answers leave by default.
        world.cps.retrieval.answer_delay = AnswerTimes::SHORTEST;
        change(&mut world);
        let issuer = cores.start(SERVICE, Role::Issuer, &world);
        let cps = cores.start(SERVICE, Role::Cps, &world);
        Self { world, cps, issuer }
    }

    /// A healthy client.
    fn poll(&self) -> Healthy {
        let scheme = if self.world.cps.public.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let name = self.world.cps_name();
        Healthy::begin(format!("{scheme}://{name}{}", hostile::poll(4)))
    }

    /// Sends in so many clients of each kind, and asserts what must hold. What slows the
    /// machine down passes, what the clients do to the service does not: for the latency one
    /// good try of [`TRIES`] is enough.
    fn withstands(&self, behaviours: &[Behaviour], clients: usize) {
        // Measured between two attacks, for both.
        let mut before = self.poll().end();
        for behaviour in behaviours {
            let is_good = (0..TRIES).any(|_| {
                let healthy = self.poll();
                let kept = attack(*behaviour, clients, self.cps.addresses().public);
                let p99 = healthy.end();
                let after = self.poll().end();
                let quiet = before.max(after);
                before = after;
                let longest = *kept.iter().max().unwrap();
                println!(
                    "{clients} x {behaviour}: the last one closed after {longest:.1?}; \
                     a healthy client's p99 {p99:.1?}, {quiet:.1?} without them"
                );
                assert!(
                    longest <= CLOSED + LATE,
                    "{behaviour}: closed after {longest:?}"
                );
                p99 <= 2 * quiet + SLOW
            });
            assert!(
                is_good,
                "{behaviour}: a healthy client had to wait, {TRIES} times"
            );
        }
    }
}

#[test]
fn hostile_clients_are_closed_in_time_and_a_healthy_one_is_served_meanwhile() {
    alone(attack_plainly);
}

async fn attack_plainly(cores: Cores) {
    let target = Target::start(cores, |_| ());
    let behaviours = [
        Behaviour::SilentTcp,
        Behaviour::DribbledHeader,
        Behaviour::IdleHttp2,
        Behaviour::RapidReset,
        Behaviour::HugeHeader,
        Behaviour::Continuations,
        Behaviour::ZeroWindow,
    ];
    target.withstands(&behaviours, many());
}

#[test]
fn clients_silent_in_the_tls_handshake_are_closed_and_a_healthy_one_is_served() {
    alone(attack_tls);
}

async fn attack_tls(cores: Cores) {
    let target = Target::start(cores, |world| {
        // Any certificate will do: the healthy client does not ask whose it is.
        world.cps.public.tls = Some(TlsConfig {
            certificate: world.pki.certificate_path("carrier"),
            key: world.pki.key_path("carrier"),
        });
    });
    target.withstands(&[Behaviour::SilentTcp, Behaviour::SilentTls], many());
}

#[test]
fn clients_that_wait_on_every_place_do_not_keep_a_healthy_one_out() {
    alone(attack_every_place);
}

/// Those that hold a place as long as they may.
const WAIT: [Behaviour; 3] = [Behaviour::SilentTcp, Behaviour::NoBody, Behaviour::NoBodies];

async fn attack_every_place(cores: Cores) {
    let clients = many();
    let few = |world: &mut World| {
        world.cps.public.limits.connections = clients - 50;
        world.issuer.public.limits.connections = clients - 50;
    };
    let target = Target::start(cores, few);
    target.withstands(&WAIT, clients);
    let issuer = target.issuer.addresses().public;
    let directory = format!("http://{issuer}{WELL_KNOWN_PATH}");
    for behaviour in [Behaviour::NoBody, Behaviour::NoBodies] {
        let healthy = Healthy::begin(directory.clone());
        attack(behaviour, clients, issuer);
        println!("issuer, {behaviour}: p99 {:.1?}", healthy.end());
    }
}

#[test]
fn clients_that_wait_do_not_keep_a_log_from_its_witness() {
    alone(attack_witness);
}

async fn attack_witness(_: Cores) {
    let home = tempfile::tempdir().unwrap();
    let witness = Witness::open(home.path(), &"one.example".parse().unwrap(), []).unwrap();
    let mut public = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
    public.limits = limits();
    let server = WitnessServer::bind(&public, witness, Clock::system()).await;
    let server = server.unwrap();
    let address = server.address();
    tokio::spawn(server.serve(Shutdown::new()));
    for behaviour in WAIT {
        let healthy = Healthy::begin(format!("http://{address}/"));
        tokio::task::spawn_blocking(move || attack(behaviour, 280, address))
            .await
            .unwrap();
        let healthy = tokio::task::spawn_blocking(|| healthy.end()).await.unwrap();
        println!("witness, {behaviour}: p99 {healthy:.1?}");
    }
}

/// MiB that a service may have resident for what `limits.held_bytes` counts: twice that.
const COUNTED: u64 = 2 * 128;

/// MiB that it may have beside it: 384 KiB for each connection, of which the HTTP stack
/// keeps most, and what it has without clients.
fn not_counted(connections: usize) -> u64 {
    384 * connections as u64 / 1024 + 64
}

/// MiB that it may have when an attack has ended. The allocator gives memory back ten
/// seconds after it was free.
const AFTERWARDS: u64 = 64;

/// How long a service may take to give memory back.
const GIVES_BACK: Duration = Duration::from_secs(60);

/// How long each kind of greedy client goes on.
const GREEDY: Duration = Duration::from_secs(5);

/// Longest p99 of a healthy client meanwhile, in one of [`TRIES`]: a thousand clients
/// send tens of thousands of requests at one instant, each four seconds.
const BUSY: Duration = Duration::from_secs(2);

#[test]
fn greedy_clients_get_no_more_memory_than_is_stated() {
    alone(attack_memory);
}

async fn attack_memory(cores: Cores) {
    let target = Target::start(cores, |_| ());
    let process = target.cps.id();
    println!(
        "a healthy client's p99 {:.1?} without others",
        target.poll().end()
    );
    for greed in Greed::ALL {
        let clients = greed.clients(many());
        let counted = if greed.is_counted() { COUNTED } else { 0 };
        let most = not_counted(clients) + counted;
        let mut busy = Duration::MAX;
        for _ in 0..TRIES {
            memory::forget_peak(process);
            let attack = Attack::begin(greed, clients, target.cps.addresses().public);
            let began = Instant::now();
            busy = Duration::ZERO;
            while began.elapsed() < GREEDY {
                busy = busy.max(target.poll().end());
            }
            let peak = memory::peak(process);
            attack.end();
            println!("{clients} x {greed}: at most {peak} MiB; a healthy client's p99 {busy:.1?}");
            assert!(peak <= most, "{greed}: {peak} MiB, of {most}");
            if busy <= BUSY {
                break;
            }
        }
        assert!(
            busy <= BUSY,
            "{greed}: a healthy client had to wait, {TRIES} times"
        );
    }
    until("memory that is given back", GIVES_BACK, async || {
        (memory::resident(process) <= AFTERWARDS).then_some(())
    })
    .await;
    println!("{} MiB afterwards", memory::resident(process));
}
