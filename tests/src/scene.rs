//! An issuer and a CPS in this process, with a clock that the test sets.

use std::time::Duration;

use http::StatusCode;
use pennyblack_cps::Cps;
use pennyblack_issuer::Issuer;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_service::start::RunningService;
use tokio::net::TcpStream;

use crate::answer::Answer;
use crate::wait::until;
use crate::world::World;

/// Longest wait for something that happens at once.
const SOON: Duration = Duration::from_secs(30);

/// A world with both services in it.
pub struct Scene {
    /// The rest of the world.
    pub world: World,
    /// Sets the clock, which stood at the present time first.
    pub hand: ClockHand,
    issuer: RunningService,
    cps: RunningService,
}

impl Scene {
    /// With configurations as they are by default.
    pub async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// With a change to the world before anything starts.
    pub async fn open_with(change: impl FnOnce(&mut World)) -> Self {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        let mut world = World::new(clock);
        change(&mut world);
        Self::start(world, hand).await
    }

    /// Stops both services and starts them again.
    pub async fn restart(self) -> Self {
        self.cps.stop().await;
        self.issuer.stop().await;
        Self::start(self.world, self.hand).await
    }

    async fn start(world: World, hand: ClockHand) -> Self {
        let (config, clock) = (world.issuer.clone(), world.clock.clone());
        let issuer = Issuer::start(config, clock).await.unwrap();
        let cps = Cps::start(world.cps.clone(), world.clock.clone())
            .await
            .unwrap();
        let scene = Self {
            world,
            hand,
            issuer,
            cps,
        };
        // A direct store is not told of a key there.
        let oblivious = scene.world.cps.oblivious.as_ref();
        if oblivious.is_some_and(|section| section.relays_only) {
            scene.until_readiness_is(StatusCode::OK).await;
            return scene;
        }
        // It is ready as soon as it knows a key of the issuer, and not before.
        until("a key of the issuer at the CPS", SOON, async || {
            let answer = scene.world.post_nothing().await;
            answer
                .headers
                .contains_key("www-authenticate")
                .then_some(())
        })
        .await;
        scene
    }

    /// Waits until the CPS says of itself that it has this status.
    pub async fn until_readiness_is(&self, status: StatusCode) -> Answer {
        let url = format!("http://{}/readyz", self.cps.addresses().admin);
        until("readiness", SOON, async || {
            let answer = Answer::to(self.world.client.get(&url)).await.unwrap();
            (answer.status == status).then_some(answer)
        })
        .await
    }

    /// What the CPS has counted since it started, as its dashboard has it.
    pub async fn counted(&self) -> serde_json::Value {
        let url = format!("{}status.json", self.dashboard());
        let answer = Answer::to(self.world.client.get(url)).await.unwrap();
        serde_json::from_slice(answer.content()).unwrap()
    }

    /// The address of the CPS's dashboard.
    #[must_use]
    pub fn dashboard(&self) -> String {
        format!("http://{}/", self.cps.addresses().admin)
    }

    /// Asks the CPS to stop, and returns once it takes no new connections; those that are
    /// open go on.
    pub async fn begin_to_stop_the_cps(&self) {
        self.cps.shutdown().trigger();
        let address = self.cps.addresses().public;
        until("a closed port of the CPS", SOON, async || {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
    }

    /// Stops both.
    pub async fn close(self) {
        self.cps.stop().await;
        self.issuer.stop().await;
    }
}
