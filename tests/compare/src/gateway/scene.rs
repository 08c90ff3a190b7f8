//! A gateway with its issuer and CPS, for one row.

use std::time::{Duration, Instant};

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, GatewayScene, SipPorts, trunk};
use pennyblack_tests::process::Programs;
use pennyblack_tests::world::World;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::Extent;
use crate::cpu_time;

/// More than any row draws.
const QUOTA: u64 = 1 << 20;

/// The rhythm of the example configuration; tests follow faster.
const RHYTHM: [&str; 2] = ["verify.follow.every=100ms", "store.key_records.every=10m"];

/// By then the gateway has copied its counts into its metrics, each second.
const COUNTED: Duration = Duration::from_millis(1_500);

/// What a row asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Tokens in the wallet.
    pub(super) tokens: usize,
    /// Further settings of the gateway.
    pub(super) settings: Vec<String>,
    /// Mailboxes of the called number besides the first.
    pub(super) more_mailboxes: usize,
}

/// All of it, running, and what waits for it.
pub(super) struct Running {
    pub(super) scene: GatewayScene,
    pub(super) sip: SipPorts,
    programs: Programs,
    settings: Vec<String>,
    runtime: Runtime,
}

impl Running {
    /// As in the field: issuer and CPS speak TLS.
    pub(super) fn start(extent: &Extent, wanted: Wanted) -> Self {
        Self::start_in(World::with_tls(Clock::system()), extent, wanted)
    }

    /// In this world.
    pub(super) fn start_in(mut world: World, extent: &Extent, wanted: Wanted) -> Self {
        world.issuer.quota.tokens = QUOTA;
        let (sip, programs) = (
            SipPorts::free(),
            Programs::Deployed(extent.programs.clone()),
        );
        let mut settings: Vec<_> = RHYTHM.map(str::to_owned).into();
        settings.extend(sip.settings());
        let records = world.path("records");
        settings.push(format!("store.records_file={}", records.display()));
        settings.extend(wanted.settings);
        let beginning = Beginning {
            tokens: wanted.tokens,
            config: trunk(&world, "switch"),
            settings: settings.clone(),
            more_mailboxes: wanted.more_mailboxes,
        };
        let runtime = runtime();
        let opening = GatewayScene::open_in(world, programs.clone(), beginning);
        let scene = runtime.block_on(opening);
        Self {
            scene,
            sip,
            programs,
            settings,
            runtime,
        }
    }

    /// Waits for `work`.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Waits for work that ends parts of the scene.
    pub(super) fn wait_with<T>(&mut self, work: impl AsyncFnOnce(&mut GatewayScene) -> T) -> T {
        self.runtime.block_on(work(&mut self.scene))
    }

    /// Kills the gateway and starts it again; how long it takes from the start until it is
    /// ready.
    pub(super) fn kill_and_start(&mut self) -> Duration {
        self.scene.gateway.kill_in_place();
        let began = Instant::now();
        let (programs, settings) = (self.programs.clone(), &self.settings);
        let starting = self.scene.start_another(programs, "gateway", settings);
        let gateway = self.runtime.block_on(starting);
        let took = began.elapsed();
        self.scene.gateway = gateway;
        took
    }

    /// Processor time of the gateway so far.
    pub(super) fn gateway_time(&self) -> Duration {
        cpu_time::of_process_so_far(self.scene.gateway.id())
    }

    /// Processor time of the CPS so far.
    pub(super) fn cps_time(&self) -> Duration {
        let cps = self.scene.cps.as_ref();
        cps.map_or(Duration::ZERO, |cps| cpu_time::of_process_so_far(cps.id()))
    }

    /// The value of a series of the gateway.
    pub(super) fn count(&self, series: &str) -> usize {
        let metrics = self.wait(async {
            sleep(COUNTED).await;
            self.scene.admin("/metrics").await
        });
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(series))
            .unwrap_or_else(|| panic!("the gateway does not count {series}"));
        line.trim().parse().unwrap()
    }
}

/// One that runs tasks beside each other, as callers are.
pub(super) fn runtime() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}
