//! What can happen to a CPS of several nodes over Redis: faults on real processes
//! and sockets, each ended again, one after the other.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_storage::redis::testing::{Cluster, Manner, Proxy, RedisServer, Replicated, SLOTS};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::nodes::Nodes;
use crate::schedule::{Figures, a_while};
use crate::world::World;

/// Longest time between two faults, and that one lasts.
const LONGEST: Duration = Duration::from_millis(800);

/// What only a script that changes what is spent begins with: its fence, the first of
/// its keys.
pub const SPENDING: &str = "}f\r\n";

/// The servers below the nodes.
#[derive(Debug)]
pub enum Servers {
    /// One, which each node reaches through a proxy of its own.
    Single(Box<RedisServer>),
    /// A primary and its replica, likewise.
    Replicated(Box<Replicated>),
    /// Six nodes, which answer for themselves.
    Cluster(Cluster),
}

/// Nodes of a CPS, proxies and servers.
pub struct Stage {
    /// Everything around the nodes.
    pub world: Arc<World>,
    /// The CPS.
    pub nodes: Nodes,
    /// In the order of the nodes; none before a cluster.
    pub proxies: Vec<Proxy>,
    /// The store.
    pub servers: Servers,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NodeKilled,
    /// After tokens were spent, and before the node knows and appends the entries.
    NodeKilledBetweenSteps,
    ConnectionsCut,
    ConnectionsSlow,
    ConnectionsStalled,
    ServerKilled,
    ServerHung,
    MemoryFull,
    FailedOver,
    SlotsMoved,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::NodeKilled => "CPS node killed",
            Self::NodeKilledBetweenSteps => "CPS node killed between the steps",
            Self::ConnectionsCut => "connections cut",
            Self::ConnectionsSlow => "connections slowed",
            Self::ConnectionsStalled => "connections stalled",
            Self::ServerKilled => "Redis killed",
            Self::ServerHung => "Redis hung",
            Self::MemoryFull => "memory full",
            Self::FailedOver => "failed over",
            Self::SlotsMoved => "slots moved",
        }
    }
}

impl Servers {
    const fn faults(&self) -> &'static [Fault] {
        use Fault::{
            ConnectionsCut, ConnectionsSlow, ConnectionsStalled, FailedOver, MemoryFull,
            NodeKilled, NodeKilledBetweenSteps, ServerHung, ServerKilled, SlotsMoved,
        };
        match self {
            Self::Single(_) => &[
                NodeKilled,
                NodeKilledBetweenSteps,
                ConnectionsCut,
                ConnectionsSlow,
                ConnectionsStalled,
                ServerKilled,
                ServerHung,
                MemoryFull,
            ],
            Self::Replicated(_) => &[
                NodeKilledBetweenSteps,
                ConnectionsStalled,
                ServerKilled,
                ServerHung,
                FailedOver,
                FailedOver,
            ],
            Self::Cluster(_) => &[NodeKilled, ServerHung, FailedOver, SlotsMoved, SlotsMoved],
        }
    }
}

impl Stage {
    /// Lets `count` things go wrong, each for a while, and mends them.
    pub async fn disturb(&mut self, count: usize, rng: &mut StdRng, figures: &mut Figures) {
        for _ in 0..count {
            a_while(rng, LONGEST).await;
            let fault = *self.servers.faults().choose(rng).unwrap();
            eprintln!("  {}", fault.name());
            figures.count(fault.name());
            self.suffer(fault, rng).await;
        }
    }

    async fn suffer(&mut self, fault: Fault, rng: &mut StdRng) {
        let node = rng.random_range(0..self.nodes.count());
        match fault {
            Fault::NodeKilled => self.nodes.restart(node, &self.world).await,
            Fault::NodeKilledBetweenSteps => {
                self.proxies[node].set(Manner::LoseAnswersTo(SPENDING));
                a_while(rng, LONGEST / 20).await;
                self.nodes.kill(node);
                self.proxies[node].set(Manner::Pass);
                self.nodes.restart(node, &self.world).await;
            }
            Fault::ConnectionsCut => self.misguide(node, Manner::Cut, rng).await,
            Fault::ConnectionsStalled => self.misguide(node, Manner::Stall, rng).await,
            Fault::ConnectionsSlow => {
                let delay = Duration::from_millis(rng.random_range(2..60));
                self.misguide(node, Manner::Delay(delay), rng).await;
            }
            Fault::ServerKilled => {
                let server = self.servers.any_primary(rng);
                server.kill();
                a_while(rng, LONGEST).await;
                server.restart().await;
            }
            Fault::ServerHung => {
                let server = self.servers.any_primary(rng);
                server.pause();
                a_while(rng, 2 * LONGEST).await;
                server.resume();
            }
            Fault::MemoryFull => {
                let server = self.servers.any_primary(rng);
                let used = server.used_memory().await.to_string();
                server.set_config("maxmemory", &used).await;
                a_while(rng, LONGEST).await;
                server.set_config("maxmemory", "0").await;
            }
            Fault::FailedOver => self.fail_over(rng).await,
            Fault::SlotsMoved => self.move_slots(rng).await,
        }
        self.servers.until_whole().await;
    }

    async fn misguide(&self, node: usize, manner: Manner, rng: &mut StdRng) {
        self.proxies[node].set(manner);
        a_while(rng, LONGEST).await;
        self.proxies[node].set(Manner::Pass);
    }

    async fn fail_over(&mut self, rng: &mut StdRng) {
        match &mut self.servers {
            Servers::Single(_) => unreachable!("there is nobody to take over"),
            Servers::Replicated(both) => {
                both.fail_over().await;
                for proxy in &self.proxies {
                    proxy.lead_to(both.primary.address());
                }
                a_while(rng, LONGEST).await;
                both.rejoin().await;
            }
            Servers::Cluster(cluster) => {
                let slot = rng.random_range(0..SLOTS);
                let primary = cluster.primary_of(slot).await;
                cluster.nodes[primary].kill();
                cluster.primary_of(slot).await;
                a_while(rng, LONGEST).await;
                cluster.nodes[primary].restart().await;
            }
        }
    }

    async fn move_slots(&self, rng: &mut StdRng) {
        let Servers::Cluster(cluster) = &self.servers else {
            unreachable!("there is nowhere to move them")
        };
        let to = cluster.primary_of(rng.random_range(0..SLOTS)).await;
        for _ in 0..8 {
            cluster.migrate(rng.random_range(0..SLOTS), to).await;
        }
    }
}

impl Servers {
    fn any_primary(&mut self, rng: &mut StdRng) -> &mut RedisServer {
        match self {
            Self::Single(server) => server,
            Self::Replicated(both) => &mut both.primary,
            Self::Cluster(cluster) => {
                let place = rng.random_range(0..cluster.nodes.len());
                &mut cluster.nodes[place]
            }
        }
    }

    async fn until_whole(&self) {
        match self {
            Self::Single(_) => {}
            Self::Replicated(both) => both.until_in_sync().await,
            Self::Cluster(cluster) => cluster.until_ok().await,
        }
    }
}
