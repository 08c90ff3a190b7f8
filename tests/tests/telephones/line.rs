//! The way of a call, from SIPp to SIPp, with a gateway at both ends of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::faulty_proxy::{Fault, FaultyProxy};
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, SipPorts, trunk};
use pennyblack_tests::lossy_path::LossyPath;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

use super::SERVICE;
use super::callee::{Callee, Invite};
use super::caller::Calls;
use super::case::{Case, NUMBER};
use super::judge::{Expected, judge, judge_delay, judge_distinct};
use super::kamailio::Kamailio;

/// Longest wait for a count.
const SOON: Duration = Duration::from_secs(20);

/// The number before that of the first caller.
const NUMBERS: u64 = 17_325_551_000;

/// Calls that passed by what came out of band.
const PASSED: &str =
    r#"pennyblack_gateway_calls_total{side="verification",result="passed-out-of-band"}"#;

/// Calls that were signed.
const SIGNED: &str = r#"pennyblack_gateway_calls_total{side="signing",result="signed"}"#;

/// Tokens that were spent.
const SPENT: &str = "pennyblack_gateway_tokens_spent_total";

/// How switches ask the gateway.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asking {
    /// Over HTTP, for so many seconds at most.
    Rest(u32),
    /// By SIP, for so many milliseconds at most.
    Redirect(u32),
}

/// All that a call passes.
pub(super) struct Line {
    pub(super) scene: GatewayScene,
    pub(super) ways: Ways,
    leaving: Kamailio,
    gap: Kamailio,
    _arriving: Kamailio,
    callee: Callee,
    last: AtomicU64,
    /// Calls that must have passed, and been signed, so far.
    passed: u64,
    signed: u64,
    failed: Vec<String>,
}

/// Ways on which a test can make faults.
pub(super) struct Ways {
    /// From switches to the gateway, over HTTP.
    pub(super) signing: FaultyProxy,
    pub(super) verifying: FaultyProxy,
    /// The same by SIP over UDP.
    pub(super) sip_signing: LossyPath,
    pub(super) sip_verifying: LossyPath,
    /// From the gateway to the CPS, for stores.
    pub(super) storing: FaultyProxy,
}

impl Line {
    /// With so many tokens, and a gateway with these settings.
    pub(super) async fn open(asking: Asking, tokens: usize, settings: &[&str]) -> Self {
        let world = World::new(Clock::system());
        let (cps, folder, ports) = (world.cps_name().clone(), world.path("."), SipPorts::free());
        let storing = FaultyProxy::start(cps.as_str().parse().unwrap()).await;
        let storing = storing.unwrap();
        let mut settings: Vec<_> = settings.iter().map(|one| (*one).to_owned()).collect();
        settings.push(format!("store.cps={cps}=http://{}", storing.address()));
        settings.push(format!("verify.cps=[\"http://{cps}\"]"));
        settings.extend(ports.settings());
        let beginning = Beginning {
            tokens,
            config: trunk(&world, "switch") + asking.attest(),
            settings,
            ..Beginning::default()
        };
        let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
        let gateway = scene.gateway.addresses().public;
        let ways = Ways {
            signing: FaultyProxy::start(gateway).await.unwrap(),
            verifying: FaultyProxy::start(gateway).await.unwrap(),
            sip_signing: LossyPath::start(ports.sign).await.unwrap(),
            sip_verifying: LossyPath::start(ports.verify).await.unwrap(),
            storing,
        };
        let callee = Callee::start(&folder).await;
        let arriving = ways.arriving(asking, &ports, &folder, callee.uri()).await;
        let texts = [("NEXT_HOP", arriving.uri())];
        let gap = Kamailio::start(&folder, "gap", &texts, &[]).await;
        let leaving = ways.leaving(asking, &ports, &folder, gap.uri()).await;
        Self {
            scene,
            ways,
            leaving,
            gap,
            _arriving: arriving,
            callee,
            last: AtomicU64::new(NUMBERS),
            passed: 0,
            signed: 0,
            failed: Vec::new(),
        }
    }

    /// The faults of the gateway, as both switches see them.
    pub(super) fn fault(&self, fault: Fault) {
        self.ways.signing.set(fault);
        self.ways.verifying.set(fault);
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

    async fn call_from(&mut self, number: u64, proxy: SocketAddr, case: Case) {
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
        self.passed += u64::from(case.count) * u64::from(case.passes);
        self.signed += u64::from(case.count) * u64::from(case.signs);
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
        let mut bad: Vec<_> = bad.chain(delays.iter().filter_map(of_delay)).collect();
        bad.extend(judge_distinct(&heard).err());
        let writes = case.writes.filter(|words| !self.leaving.has_written(words));
        bad.extend(writes.map(|words| format!("Kamailio has not written \"{words}\"")));
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

    /// Waits until a series of the gateway has a value.
    async fn until_count_is(&self, series: &str, value: u64) {
        let wanted = format!("{series} {value}");
        until(&wanted, SOON, async || {
            let metrics = self.scene.admin("/metrics").await;
            metrics.lines().any(|line| line == wanted).then_some(())
        })
        .await;
    }

    /// What the gateway counted as reasons of its answers.
    async fn reasons(&self) -> String {
        let metrics = self.scene.admin("/metrics").await;
        let reasons = metrics
            .lines()
            .filter(|line| line.contains("_reasons_total"));
        let given: Vec<_> = reasons.filter(|line| !line.ends_with(" 0")).collect();
        given.join("\n")
    }

    /// # Panics
    /// When a case failed, a call passed by an Identity that crossed the gap, or calls were
    /// signed and paid for that must not be, or more than once.
    pub(super) async fn close(self) {
        if !self.failed.is_empty() {
            panic!("{}\n{}", self.failed.join("\n"), self.reasons().await);
        }
        self.until_count_is(PASSED, self.passed).await;
        self.until_count_is(SIGNED, self.signed).await;
        self.until_count_is(SPENT, self.signed).await;
        self.scene.gateway.stop().await;
    }
}

impl Ways {
    /// The proxy that asks for an Identity header.
    async fn leaving(
        &self,
        asking: Asking,
        ports: &SipPorts,
        folder: &Path,
        next: String,
    ) -> Kamailio {
        let texts = [
            ("NEXT_HOP", next),
            (
                "PENNYBLACK_SIGN_AT",
                format!(
                    "pennyblack_sign=>http://{}/stir/v1/signing",
                    self.signing.address()
                ),
            ),
            ("SIGN_UDP", format!("sip:{}", self.sip_signing.address())),
            ("SIGN_TCP", format!("sip:{};transport=tcp", ports.sign)),
        ];
        Kamailio::start(folder, "leaving", &texts, &asking.flags()).await
    }

    /// The proxy that asks for a verdict.
    async fn arriving(
        &self,
        asking: Asking,
        ports: &SipPorts,
        folder: &Path,
        next: String,
    ) -> Kamailio {
        let texts = [
            ("NEXT_HOP", next),
            (
                "PENNYBLACK_VERIFY_AT",
                format!(
                    "pennyblack_verify=>http://{}/stir/v1/verification",
                    self.verifying.address()
                ),
            ),
            (
                "VERIFY_UDP",
                format!("sip:{}", self.sip_verifying.address()),
            ),
            ("VERIFY_TCP", format!("sip:{};transport=tcp", ports.verify)),
        ];
        Kamailio::start(folder, "arriving", &texts, &asking.flags()).await
    }
}

impl Asking {
    /// An INVITE does not say which attestation level to sign; a request over HTTP does.
    const fn attest(self) -> &'static str {
        match self {
            Self::Rest(_) => "",
            Self::Redirect(_) => "attest = \"A\"\n",
        }
    }

    fn flags(self) -> Vec<String> {
        match self {
            Self::Rest(wait) => vec!["MODE_REST".to_owned(), format!("PENNYBLACK_SECONDS={wait}")],
            Self::Redirect(wait) => vec!["MODE_REDIRECT".to_owned(), format!("DIP_MS={wait}")],
        }
    }
}
