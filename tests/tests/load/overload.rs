//! Five times as much as an issuer or a CPS can do: it goes on doing what it can,
//! refuses the rest with 503, and is as quick as before as soon as it has ended.
//!
//! The services have a core of their own where there are two: a client that asks for
//! five times too much on the same core takes the time that is to be measured.
//!
//! `PENNYBLACK_OVERLOAD_SECONDS` sets how long it is asked for too much; 5 seconds
//! without it.

mod connections;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::issuance::batch_to_bytes;
use pennyblack_privacypass::token_key::TokenToBe;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::cores::Cores;
use pennyblack_tests::drawing::attestation;
use pennyblack_tests::process::Role;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use rand::seq::SliceRandom as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::interval;

use self::connections::{Connections, Prepared, prepared};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// How many times its capacity a service is asked for.
const OVERLOAD: f64 = 5.0;

/// The share of its capacity that an issuer goes on giving: nine tenths, less four
/// for a machine on which other tests take their part of the issuer's core.
const ISSUER_GOODPUT: f64 = 0.9 - 0.4;

/// The same of a CPS, whose work is eight times as dear as a refusal (120 and 14 µs): at five
/// times what it can do, refusals alone take half of its core.
const CPS_GOODPUT: f64 = 0.75 - 0.4;

/// Most requests under way at one time, each on a connection of its own: what
/// relays in front of a service keep open.
const CONNECTIONS: usize = 512;

/// Requests that the CPS works on at one time. Many more, and it would refuse none:
/// 512 connections have at most 512 requests under way.
const PLACES: usize = 2;

/// Tokens in a drawing.
const BATCH: usize = 64;

/// Within which latencies are as before.
const RECOVERY: Duration = Duration::from_secs(5);

fn seconds() -> f64 {
    let set = std::env::var("PENNYBLACK_OVERLOAD_SECONDS").ok();
    set.map_or(5.0, |seconds| {
        seconds
            .parse()
            .expect("PENNYBLACK_OVERLOAD_SECONDS is a number")
    })
}

/// Sends `count` requests, `at_once` at a time; how many a second were granted.
async fn capacity(
    connections: &Arc<Connections>,
    make: &mut impl FnMut() -> Prepared,
    count: usize,
    at_once: usize,
) -> f64 {
    let (began, mut sending) = (Instant::now(), JoinSet::new());
    let mut waiting = std::iter::repeat_with(make).take(count);
    let send = |request| {
        let connections = Arc::clone(connections);
        async move { connections.send(request).await }
    };
    for request in waiting.by_ref().take(at_once) {
        sending.spawn(send(request));
    }
    while let Some(answer) = sending.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
        if let Some(request) = waiting.next() {
            sending.spawn(send(request));
        }
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// What came of the requests of an overload.
#[derive(Debug)]
struct Outcome {
    /// Granted while it lasted.
    granted: usize,
    refused: usize,
    /// From the first request to the last one's beginning.
    lasted: Duration,
    /// When that was.
    over: Instant,
}

impl Outcome {
    fn per_second(&self, count: usize) -> f64 {
        count as f64 / self.lasted.as_secs_f64()
    }
}

/// Sends `rate` requests a second, whatever the answers, and asserts of every
/// refusal that it is the one for too much load.
async fn offer(
    connections: &Arc<Connections>,
    make: &mut impl FnMut() -> Prepared,
    rate: f64,
) -> Outcome {
    let (began, mut sending) = (Instant::now(), JoinSet::new());
    let mut pace = interval(Duration::from_secs_f64(1.0 / rate));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    for _ in 0..(rate * seconds()) as usize {
        pace.tick().await;
        let request = make();
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let connections = Arc::clone(connections);
        sending.spawn(async move {
            let answer = connections.send(request).await;
            drop(place);
            (answer, began.elapsed())
        });
    }
    let mut outcome = Outcome {
        granted: 0,
        refused: 0,
        lasted: began.elapsed(),
        over: Instant::now(),
    };
    for (answer, at) in sending.join_all().await {
        if answer.status.is_success() {
            outcome.granted += usize::from(at <= outcome.lasted);
        } else {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.problem(), ProblemType::Overloaded);
            assert!(answer.headers.contains_key("retry-after"));
            outcome.refused += 1;
        }
    }
    outcome
}

/// How long one request takes that nothing else is in the way of.
async fn latency(connections: &Connections, request: Prepared) -> Duration {
    let began = Instant::now();
    let answer = connections.send(request).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    began.elapsed()
}

/// Overloads a service, for which `make` makes good requests. It takes `at_once`
/// without a refusal, which measures its capacity with `sample` requests; of that
/// it must give this share at `least`.
async fn overload(
    what: &str,
    at_once: usize,
    sample: usize,
    min: f64,
    mut make: impl FnMut() -> Prepared,
) {
    let connections = Arc::new(Connections::default());
    let mut quiet = Vec::new();
    for _ in 0..21 {
        quiet.push(latency(&connections, make()).await);
    }
    quiet.sort_unstable();
    let (usual, longest) = (quiet[10], quiet[20]);
    let mut before = capacity(&connections, &mut make, sample, at_once).await;
    let mut outcome = offer(&connections, &mut make, before * OVERLOAD).await;
    // It can do more than those who wait for each answer have asked of it.
    while outcome.refused <= outcome.granted && outcome.per_second(outcome.granted) > before {
        before = outcome.per_second(outcome.granted);
        outcome = offer(&connections, &mut make, before * OVERLOAD).await;
    }
    until("latencies as before", RECOVERY, async || {
        (latency(&connections, make()).await <= longest.max(2 * usual)).then_some(())
    })
    .await;
    let recovered = outcome.over.elapsed();
    // Both are the machine's share of that time; the smaller one counts.
    let able = before.min(capacity(&connections, &mut make, sample, at_once).await);

    let goodput = outcome.per_second(outcome.granted);
    let offered = outcome.per_second(outcome.granted + outcome.refused);
    println!(
        "{what}: capacity {before:.0}/s, {able:.0}/s at the least, offered {offered:.0}/s for {:.1?}: {goodput:.0}/s granted \
         ({:.0} %), {} refused; usual latency {usual:.1?} again after {:.1?}",
        outcome.lasted,
        100.0 * goodput / able,
        outcome.refused,
        recovered,
    );
    assert!(recovered <= RECOVERY, "{what}: after {recovered:?}");
    // More than twice as much as it could take, on a machine too slow for more.
    assert!(outcome.refused > outcome.granted, "{what}: {outcome:?}");
    assert!(
        goodput >= min * able,
        "{what}: {goodput:.0}/s of {able:.0}/s"
    );
}

/// Makes requests for [`BATCH`] tokens each, attested at that time. Blinding is slow,
/// so they share their blinded tokens, in ever new order: to the issuer each is a
/// drawing of its own.
async fn drawings(world: &World) -> impl FnMut() -> Prepared {
    let (key, digest) = (world.signing_key().await, world.challenge().digest());
    let blinded = (0..BATCH).map(|_| {
        let nonce = SpendKey::generate(&mut rand::rng()).nonce();
        let pending = TokenToBe::blind(&key, nonce, digest, &mut rand::rng());
        pending.unwrap().request()
    });
    let mut blinded: Vec<_> = blinded.collect();
    let name = world.issuer_name();
    move || {
        blinded.shuffle(&mut rand::rng());
        let body = batch_to_bytes(&blinded);
        let jwt = attestation(&world.carrier, name, &body, world.clock.now());
        prepared(world.drawing_request(&jwt, body))
    }
}

#[test]
fn an_issuer_asked_for_too_much_signs_what_it_can_and_refuses_the_rest() {
    let _alone = crate::alone();
    Cores::apart().run(overload_an_issuer);
}

async fn overload_an_issuer(cores: Cores) {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 10_000_000;
    world.issuer.signing.workers = NonZeroUsize::new(1);
    world.issuer.signing.queue = NonZeroUsize::new(4);
    let _issuer = cores.start(SERVICE, Role::Issuer, &world);
    let make = drawings(&world).await;
    overload("issuer", 4, 60, ISSUER_GOODPUT, make).await;
}

#[test]
fn a_cps_asked_for_too_much_stores_what_it_can_and_refuses_the_rest() {
    let _alone = crate::alone();
    Cores::apart().run(overload_a_cps);
}

async fn overload_a_cps(cores: Cores) {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 10_000_000;
    world.cps.entries.mailbox_capacity = 10_000_000;
    // They are signed long before the last of them is sent.
    world.cps.entries.oldest_signature = Duration::from_secs(3600);
    world.cps.public.limits.requests = PLACES;
    let _issuer = cores.start(SERVICE, Role::Issuer, &world);
    let _cps = cores.start(SERVICE, Role::Cps, &world);
    let mailbox = world.mailbox().await;
    // Sent again and again, as by OOB-ASs that got no answer: the CPS verifies and
    // looks up as for the first time, and only the disk has nothing to do.
    let tokens = world.draw(500).await;
    let spends = tokens
        .iter()
        .map(|token| world.spend(token, &mailbox, "a.b.c"))
        .map(|spend| prepared(world.store_request(&spend)));
    let spends: Vec<_> = spends.collect();
    let mut turns = spends.iter().cycle();
    let make = || turns.next().unwrap().clone();
    overload("CPS", PLACES, 3000, CPS_GOODPUT, make).await;
}
