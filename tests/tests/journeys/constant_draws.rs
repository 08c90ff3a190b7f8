//! What an issuer sees of a carrier does not follow its calls. Carriers run side by side, one
//! without calls and one with many, each behind a proxy that writes down its requests. They
//! have the same configuration, the same random numbers and clocks that are driven from one
//! awaited moment to the next, so their requests must be the same: how many, of which sizes,
//! and when. A third one draws by need as well, and must be found.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, Schedule};
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpClient, HttpOptions};
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use pennyblack_tests::meddler::{Asked, Meddler};
use pennyblack_tests::wait::until;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::carrier_journey::{QUICK, changed_keys, spend_at};
use super::odd_issuers::unchanging;

const NOW: UnixTime = UnixTime(1_800_000_000);
const BATCH: usize = 4;
/// Sixteen batches of each key, and so as many visits a day.
const CLASS: u64 = 64;
/// Visits that are watched: the next key is announced in the last eighth of the day.
const VISITS: usize = 8;
const HOUR: Duration = Duration::from_secs(3_600);
const LIMIT: Duration = Duration::from_secs(30);

/// What the issuer and everybody on the way see of a visit.
type Visit = (UnixTime, Vec<Asked>);

/// One carrier, in the second day of its wallet.
struct Watched {
    carrier: Carrier,
    client: HttpClient,
    wallet: Wallet,
    way: Meddler,
    clock: Clock,
    hand: ClockHand,
    seen: Vec<Visit>,
}

impl Watched {
    async fn new(federation: &Federation, issuer: SocketAddr, name: &str) -> Self {
        let way = Meddler::start(Some(issuer), |_, honest| honest);
        let way = way.await.unwrap();
        let (clock, hand) = Clock::by_hand(federation.clock().now());
        Self {
            carrier: federation.carrier(way.address(), BATCH, QUICK).unwrap(),
            client: HttpOptions::default().client().unwrap(),
            wallet: Wallet::open(&federation.home().join(name)).unwrap(),
            way,
            clock,
            hand,
            seen: Vec::new(),
        }
    }

    async fn visit(&self) {
        let (carrier, client, wallet) = (&self.carrier, &self.client, &self.wallet);
        let schedule = schedule();
        let visit = schedule.visit(carrier, client, wallet, &self.clock);
        visit.await.unwrap();
    }

    fn begin(&self, shutdown: &Shutdown) {
        let (carrier, client) = (self.carrier.clone(), self.client.clone());
        let (wallet, clock) = (self.wallet.clone(), self.clock.clone());
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let identity = unchanging(carrier.identity.clone());
            let (carrier, rng) = ((carrier, &*identity), &mut StdRng::seed_from_u64(1));
            let schedule = schedule();
            schedule
                .run(carrier, &client, &wallet, &clock, &shutdown, rng)
                .await;
        });
    }

    /// The end of a visit: when the next one is due.
    async fn next(&self) -> UnixTime {
        let is_ahead = async || self.hand.awaited().filter(|next| *next > self.clock.now());
        until("the end of a visit", LIMIT, is_ahead).await
    }

    fn note(&mut self) {
        self.seen.push((self.clock.now(), self.way.take_asked()));
    }

    fn held(&self) -> u64 {
        let held = self
            .wallet
            .count(&issuer_name().unwrap(), cps_name().unwrap());
        held.unwrap()
    }

    /// The policy that constant draws replaced.
    async fn draw_by_need(&self) {
        if self.held() < 2 * BATCH as u64 {
            let (cps, now) = (cps_name().unwrap(), self.clock.now());
            let draw = self.carrier.draw(&self.client, &self.wallet, &cps, now);
            draw.await.unwrap();
        }
    }
}

fn schedule() -> Schedule {
    Schedule {
        scopes: vec![cps_name().unwrap().into()],
        class: CLASS.try_into().unwrap(),
        epoch: 24 * HOUR,
    }
}

/// What is seen, in half a day, of a carrier without calls, of one with many, and of one
/// that draws by need.
async fn seen_of_all() -> [Vec<Visit>; 3] {
    let (clock, hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(10_000).await.unwrap();
    let address = issuer.addresses().public;
    let quiet = Watched::new(&federation, address, "quiet.db").await;
    let busy = Watched::new(&federation, address, "busy.db").await;
    let needy = Watched::new(&federation, address, "needy.db").await;
    let mut all = [quiet, busy, needy];
    for one in &all {
        one.visit().await;
    }
    // The second key is announced, and begins.
    let (carrier, client) = (&all[0].carrier, &all[0].client);
    let first = changed_keys(carrier, client, Vec::new()).await;
    hand.advance(22 * HOUR);
    changed_keys(carrier, client, first).await;
    hand.advance(3 * HOUR);
    let shutdown = Shutdown::new();
    for one in &all {
        one.hand.set(federation.clock().now());
        drop(one.way.take_asked());
        one.begin(&shutdown);
    }
    for _ in 0..VISITS {
        let mut due = Vec::new();
        for one in &mut all {
            due.push(one.next().await);
            one.note();
        }
        for one in &all[1..] {
            for _ in 0..one.held() / 2 {
                spend_at(&one.wallet, one.clock.now()).unwrap();
            }
        }
        all[2].draw_by_need().await;
        for (one, next) in all.iter().zip(due) {
            hand.set(next);
            one.hand.set(next);
        }
    }
    shutdown.trigger();
    issuer.stop().await;
    all.map(|one| one.seen)
}

#[tokio::test]
async fn what_an_issuer_sees_of_a_carrier_does_not_follow_its_calls() {
    let [quiet, busy, needy] = seen_of_all().await;
    assert_eq!(quiet, busy);
    assert_ne!(quiet, needy, "a planted leak is not found");
    // At the first one there is a new key in the log to be read.
    for (time, asked) in &quiet[1..] {
        let lines: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
        let expected = [
            format!("GET {WELL_KNOWN_PATH} HTTP/1.1"),
            "GET /log/checkpoint HTTP/1.1".to_owned(),
            "POST /token-request HTTP/1.1".to_owned(),
        ];
        assert_eq!(lines, expected, "{time}");
    }
}
