//! The four services, with everything that they can serve: a CPS that is an oblivious gateway
//! and has rosters, a relay in front of it, and a gateway with both roles.

use std::path::Path;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_cps::{Cps, FederationConfig, ObliviousConfig};
use pennyblack_gateway::Gateway;
use pennyblack_issuer::Issuer;
use pennyblack_relay::Relay;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{Configuration, Sources, load};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::start::RunningService;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::gateway_scene::{
    MAILBOX, WALLET, config_of, fill_wallet, register_mailbox, trunk, write_config,
};
use pennyblack_tests::one_roster;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::NoteSigner;
use pennyblack_tlog::note_key::SignatureType;

use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// All of them, running.
pub(super) struct Services {
    pub(super) world: World,
    /// One that is registered for [`CALLED`](pennyblack_tests::gateway_scene::CALLED).
    pub(super) mailbox: MailboxId,
    /// In the order of [`SERVICES`](super::description::SERVICES).
    pub(super) running: [RunningService; 4],
}

impl Services {
    pub(super) async fn start() -> Self {
        let mut world = World::new(Clock::system());
        world.cps.oblivious = Some(ObliviousConfig::default());
        world.cps.federation = Some(FederationConfig {
            roster_directory: rosters(&world),
        });
        let clock = world.clock.clone();
        let issuer = Issuer::start(world.issuer.clone(), clock.clone());
        let issuer = issuer.await.unwrap();
        let cps = Cps::start(world.cps.clone(), clock.clone()).await.unwrap();
        fill_wallet(&world, WALLET, 64).await;
        let mailbox = register_mailbox(&world, MAILBOX).await;
        let relay = relay(&world).await;
        write_config(&world, &trunk(&world, "switch"));
        let config: pennyblack_gateway::Config = read(&config_of(&world));
        let again = config.clone();
        let again = Arc::new(move || Ok(again.clone()));
        let gateway = Gateway::start(config, again, clock).await.unwrap();
        let services = Self {
            world,
            mailbox,
            running: [issuer, cps, relay, gateway],
        };
        for running in &services.running {
            services.until_ready(running).await;
        }
        services
    }

    async fn until_ready(&self, running: &RunningService) {
        let url = format!("http://{}/readyz", running.addresses().admin);
        until("readiness", SOON, async || {
            let answer = Answer::to(self.world.client.get(&url)).await.unwrap();
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// A description beside its service.
    pub(super) fn of(&self, service: &str) -> &RunningService {
        let services = super::description::SERVICES.iter().zip(&self.running);
        let (_, running) = { services }.find(|(name, _)| **name == service).unwrap();
        running
    }

    pub(super) fn url_of(&self, service: &str) -> String {
        format!("http://{}", self.of(service).addresses().public)
    }

    pub(super) async fn stop(self) {
        for running in self.running.into_iter().rev() {
            running.stop().await;
        }
    }
}

fn read<C: Configuration>(path: &Path) -> C {
    let sources = Sources {
        file: Some(path),
        environment: &[],
        settings: &[],
    };
    load(sources).unwrap()
}

fn rosters(world: &World) -> std::path::PathBuf {
    let directory = world.path("rosters");
    let log = format!("{}/log", world.cps_name()).parse().unwrap();
    let log = NoteSigner::generate(log, SignatureType::Ed25519, &mut rand::rng());
    let url = format!("http://{}", world.cps_name());
    let now = world.clock.now();
    let validity = (UnixTime(now.0 - 60), UnixTime(now.0 + 86_400));
    let cps = one_roster::cps(&url, log.verifier());
    one_roster::keep(&directory, vec![cps], validity);
    directory
}

async fn relay(world: &World) -> RunningService {
    let path = world.path("relay.toml");
    let cps = world.cps_name();
    let text = format!(
        "[relay]\nauthority = \"relay.test\"\n[public]\nlisten = \"127.0.0.1:0\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\n[[gateway]]\nname = \"cps\"\nurl = \"http://{cps}\"\n"
    );
    std::fs::write(&path, text).unwrap();
    Relay::start(read(&path)).await.unwrap()
}
