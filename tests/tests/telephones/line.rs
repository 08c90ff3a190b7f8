//! The way of a call, from SIPp to SIPp, with a gateway at both ends of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::faulty_proxy::{Fault, FaultyProxy};
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, trunk};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

use super::SERVICE;
use super::callee::{Callee, Invite};
use super::caller::Calls;
use super::case::{Case, NUMBER};
use super::judge::{Expected, judge, judge_delay};
use super::kamailio::Kamailio;

/// The number before that of the first caller.
const NUMBERS: u64 = 17_325_551_000;

/// All that a call passes.
pub(super) struct Line {
    pub(super) scene: GatewayScene,
    /// In front of the gateway, for the switch that signs and the one that verifies.
    pub(super) signing: FaultyProxy,
    pub(super) verifying: FaultyProxy,
    /// Between the gateway and the CPS, for stores.
    pub(super) storing: FaultyProxy,
    leaving: Kamailio,
    gap: Kamailio,
    _arriving: Kamailio,
    callee: Callee,
    last: AtomicU64,
    failed: Vec<String>,
}

impl Line {
    /// With so many tokens, and a gateway with these settings.
    pub(super) async fn rest(tokens: usize, settings: &[&str]) -> Self {
        let world = World::new(Clock::system());
        let (cps, folder) = (world.cps_name().clone(), world.path("."));
        let storing = FaultyProxy::start(cps.as_str().parse().unwrap()).await;
        let storing = storing.unwrap();
        let mut settings: Vec<_> = settings.iter().map(|one| (*one).to_owned()).collect();
        settings.push(format!("store.cps={cps}=http://{}", storing.address()));
        settings.push(format!("verify.cps=[\"http://{cps}\"]"));
        let beginning = Beginning {
            tokens,
            config: trunk(&world, "switch"),
            settings,
        };
        let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
        let gateway = scene.gateway.addresses().public;
        let signing = FaultyProxy::start(gateway).await.unwrap();
        let verifying = FaultyProxy::start(gateway).await.unwrap();

        let callee = Callee::start(&folder).await;
        let url =
            |proxy: &FaultyProxy, what: &str| format!("http://{}/stir/v1/{what}", proxy.address());
        let asks = url(&verifying, "verification");
        let texts = [("NEXT_HOP", callee.uri()), ("VERIFY_URL", asks)];
        let arriving = Kamailio::start(&folder, "arriving", &texts, &["MODE_REST"]).await;
        let texts = [("NEXT_HOP", arriving.uri())];
        let gap = Kamailio::start(&folder, "gap", &texts, &[]).await;
        let asks = url(&signing, "signing");
        let texts = [("NEXT_HOP", gap.uri()), ("SIGN_URL", asks)];
        let leaving = Kamailio::start(&folder, "leaving", &texts, &["MODE_REST"]).await;
        Self {
            scene,
            signing,
            verifying,
            storing,
            leaving,
            gap,
            _arriving: arriving,
            callee,
            last: AtomicU64::new(NUMBERS),
            failed: Vec::new(),
        }
    }

    /// The faults of the gateway, as both switches see them.
    pub(super) fn fault(&self, fault: Fault) {
        self.signing.set(fault);
        self.verifying.set(fault);
    }

    /// Makes the calls of a case from a number of its own, and judges them.
    pub(super) async fn run(&mut self, case: Case) {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.call_from(number, self.leaving.address(), case).await;
    }

    /// Calls from the number of the last case, past the side that signs.
    pub(super) async fn run_unsigned_again(&mut self, case: Case) {
        let number = self.last.load(Ordering::Relaxed);
        self.call_from(number, self.gap.address(), case).await;
    }

    async fn call_from(&mut self, number: u64, proxy: std::net::SocketAddr, case: Case) {
        let from = match case.from_number {
            true => format!("+{number}"),
            false => "anonymous".to_owned(),
        };
        let header = case.header.unwrap_or("X-Kit: 1");
        let calls = Calls {
            proxy,
            call_id: case.name.to_owned(),
            from,
            to: case.to.map_or_else(|| format!("+{CALLED}"), str::to_owned),
            extra: header.replace(NUMBER, &number.to_string()),
            count: case.count,
            rate: case.rate,
        };
        match calls.make(&self.scene.world.path(".")).await {
            Err(why) => self.fail(&case, &why),
            Ok(delays) => self.judge(&case, number, &delays),
        }
    }

    fn judge(&mut self, case: &Case, number: u64, delays: &[u64]) {
        let expected = match case.passes {
            true => Expected::Passed {
                orig: number.to_string(),
                dest: CALLED.to_owned(),
            },
            false => Expected::Nothing,
        };
        let now = i64::try_from(self.scene.world.clock.now().0).unwrap();
        let heard = self.callee.heard(case.name);
        let wanted = usize::try_from(case.count).unwrap();
        if heard.len() != wanted || delays.len() != wanted {
            let (heard, rang) = (heard.len(), delays.len());
            self.fail(
                case,
                &format!("of {wanted} calls {heard} came, {rang} rang"),
            );
        }
        let of_call = |invite: &Invite| judge(invite, &expected, now).err();
        let of_delay = |delay: &u64| judge_delay(*delay, &case.delay).err();
        let bad = heard.iter().filter_map(of_call);
        let bad: Vec<_> = bad.chain(delays.iter().filter_map(of_delay)).collect();
        match bad.first() {
            Some(first) => self.fail(case, &format!("{} faults, the first: {first}", bad.len())),
            None => println!(
                "{}: {} ms at most",
                case.name,
                delays.iter().max().unwrap_or(&0)
            ),
        }
    }

    fn fail(&mut self, case: &Case, why: &str) {
        self.failed.push(format!("{}: {why}", case.name));
    }

    /// The value of one series of the gateway.
    pub(super) async fn count(&self, series: &str) -> u64 {
        let metrics = self.scene.admin("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Waits until a series of the gateway has a value.
    pub(super) async fn until_count_is(&self, series: &str, value: u64) {
        until(series, Duration::from_secs(30), async || {
            (self.count(series).await == value).then_some(())
        })
        .await;
    }

    /// # Panics
    /// When a case failed.
    pub(super) async fn close(self) {
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
        self.scene.gateway.stop().await;
    }
}
