//! What can happen to a CPS of several nodes over Redis: faults on real processes
//! and sockets, each ended again, one after the other.

mod fault;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_redis::testing::{Cluster, Manner, Proxy, RedisServer, Replicated, SLOTS};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use self::fault::Fault;
use crate::history::Rules;
use crate::nodes::Nodes;
use crate::schedule::{Figures, a_while, seeds};
use crate::traffic::{Traffic, mailboxes};
use crate::wait::until;
use crate::world::World;

const CLIENTS: u64 = 8;
const TOKENS: usize = 200;
const FAULTS: usize = 5;
/// Longest time between two faults, and that one lasts.
const LONGEST: Duration = Duration::from_millis(800);
/// How many slots are moved at a time.
const MOVED: usize = 8;
/// Longest wait until nodes have put back what Redis lost.
const NOTICED: Duration = Duration::from_secs(60);
/// By when a replica that follows has what was acknowledged, on a busy machine.
const REPLICATED_WITHIN: Duration = Duration::from_secs(1);

/// What only a script that changes what is spent begins with: its fence, the first of
/// its keys.
pub const SPENDING: &str = "}F\r\n";

/// The servers below the nodes.
#[derive(Debug)]
pub enum Servers {
    /// One, which each node reaches through a proxy of its own.
    Single(Box<RedisServer>),
    /// A primary and its replica, likewise.
    Replicated(Box<Replicated>),
    /// Six nodes, each behind a proxy.
    Cluster(Cluster),
}

/// What the CPS promises, and so what may happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// That nothing is lost, over servers that lose nothing.
    Fenced,
    /// That no token is taken twice, over servers that lose what they acknowledged.
    NeverTwice,
}

/// Nodes of a CPS, proxies and servers.
pub struct Stage {
    /// Everything around the nodes.
    pub world: Arc<World>,
    /// The CPS.
    pub nodes: Nodes,
    /// Its level.
    pub level: Level,
    /// In the order of the nodes; before a cluster, in that of its nodes.
    pub proxies: Vec<Proxy>,
    /// Through which nodes reach each other, in their order; none where they do not.
    pub peers: Vec<Proxy>,
    /// The store.
    pub servers: Servers,
}

impl Stage {
    /// Plays schedules of faults, `usual` of them without `PENNYBLACK_SCHEDULES`.
    ///
    /// # Panics
    /// When a history is not legal.
    pub async fn play(mut self, usual: u64, rules: &Rules) {
        let mailboxes = mailboxes(&self.world, &self.nodes.addresses(), 3).await;
        let mut figures = Figures::default();
        for seed in seeds(usual) {
            eprintln!("seed {seed}");
            let mut rng = StdRng::seed_from_u64(seed);
            let nodes = self.nodes.addresses();
            let traffic = Traffic::new(&self.world, nodes, &mailboxes, TOKENS).await;
            let faults = self.disturb(&traffic, &mut rng, &mut figures);
            traffic.during(CLIENTS, seed, faults).await;
            traffic.settle(rules.lifetime).await;
            figures.assert_legal(seed, &traffic, rules);
        }
        println!("{figures:?}");
    }

    /// Lets some things go wrong, each for a while, and mends them.
    async fn disturb(&mut self, traffic: &Traffic, rng: &mut StdRng, figures: &mut Figures) {
        for _ in 0..FAULTS {
            a_while(rng, LONGEST).await;
            let faults = Fault::all(self.level, &self.servers);
            let fault = *faults.choose(rng).unwrap();
            eprintln!("  {}", fault.name());
            figures.count(fault.name());
            self.suffer(fault, traffic, rng).await;
            self.servers.until_whole().await;
        }
    }

    async fn suffer(&mut self, fault: Fault, traffic: &Traffic, rng: &mut StdRng) {
        match fault {
            Fault::NodeKilled
            | Fault::NodeKilledBetweenSteps
            | Fault::NodeKilledWaiting
            | Fault::NodesRestartedInTurn => self.end_nodes(fault, rng).await,
            Fault::ConnectionsCut => misguide(&self.proxies, Manner::Cut, rng).await,
            Fault::ConnectionsStalled => misguide(&self.proxies, Manner::Stall, rng).await,
            Fault::ConnectionsSlow => {
                let delay = Duration::from_millis(rng.random_range(2..60));
                misguide(&self.proxies, Manner::Delay(delay), rng).await;
            }
            Fault::PeersCut => misguide(&self.peers, Manner::Cut, rng).await,
            Fault::PeersStalled => misguide(&self.peers, Manner::Stall, rng).await,
            Fault::PeersAnswersLost => misguide(&self.peers, Manner::LoseAnswers, rng).await,
            Fault::ServerKilled | Fault::ServerHung | Fault::MemoryFull => {
                harm(self.servers.any_primary(rng), fault, rng).await;
            }
            Fault::Emptied => self.empty(traffic, rng).await,
            Fault::FailedOver => self.fail_over(rng).await,
            Fault::FailedOverLosing => self.fail_over_losing(traffic, rng).await,
            Fault::SlotsMoved => self.move_slots(rng).await,
        }
    }

    async fn end_nodes(&mut self, fault: Fault, rng: &mut StdRng) {
        let node = rng.random_range(0..self.nodes.count());
        match fault {
            Fault::NodeKilledBetweenSteps => {
                self.kill_amid(node, Manner::LoseAnswersTo(SPENDING), rng)
                    .await;
            }
            Fault::NodeKilledWaiting => self.kill_amid(node, Manner::Stall, rng).await,
            Fault::NodesRestartedInTurn => self.nodes.roll(&self.world).await,
            _ => self.nodes.restart(node, &self.world).await,
        }
    }

    /// Kills a node a moment after this began to happen to its connections. (In front of
    /// a cluster to those of all nodes.)
    async fn kill_amid(&mut self, node: usize, manner: Manner, rng: &mut StdRng) {
        let proxies = match self.servers {
            Servers::Cluster(_) => self.proxies.as_slice(),
            _ => &self.proxies[node..=node],
        };
        proxies.iter().for_each(|proxy| proxy.set(manner));
        a_while(rng, LONGEST / 20).await;
        self.nodes.kill(node);
        proxies.iter().for_each(|proxy| proxy.set(Manner::Pass));
        self.nodes.restart(node, &self.world).await;
    }

    /// Removes everything from the server, and waits until the nodes have brought back
    /// the key records: of those nobody else knows.
    async fn empty(&mut self, traffic: &Traffic, rng: &mut StdRng) {
        let server = self.servers.any_primary(rng);
        let count = async |server: &RedisServer| {
            let records: Vec<String> = server.command("KEYS cps{keys-*}r").await;
            records.len()
        };
        let before = count(server).await;
        let nothing_is_safe = Duration::ZERO;
        let emptied = server.command::<()>("FLUSHALL");
        traffic.losing(nothing_is_safe, emptied).await;
        until("key records in an emptied Redis", NOTICED, async || {
            (count(server).await >= before).then_some(())
        })
        .await;
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

    async fn fail_over_losing(&mut self, traffic: &Traffic, rng: &mut StdRng) {
        let Servers::Replicated(both) = &mut self.servers else {
            unreachable!("there is nobody who lags behind")
        };
        // What was acknowledged a second before is on the replica.
        let safe_before = traffic.now().saturating_sub(REPLICATED_WITHIN);
        both.part().await;
        a_while(rng, LONGEST).await;
        let proxies = &self.proxies;
        let failing_over = async {
            both.fail_over().await;
            for proxy in proxies {
                proxy.lead_to(both.primary.address());
            }
        };
        traffic.losing(safe_before, failing_over).await;
        a_while(rng, LONGEST).await;
        both.rejoin().await;
    }

    /// Moves slots that are in use, while they are.
    async fn move_slots(&self, rng: &mut StdRng) {
        let Servers::Cluster(cluster) = &self.servers else {
            unreachable!("there is nowhere to move them")
        };
        let mut slots = cluster.used_slots().await;
        slots.shuffle(rng);
        let to = cluster.primary_of(rng.random_range(0..SLOTS)).await;
        for slot in slots.into_iter().take(MOVED) {
            cluster.migrate(slot, to).await;
        }
    }
}

/// Lets this happen to what goes through one of the proxies, for a while.
async fn misguide(proxies: &[Proxy], manner: Manner, rng: &mut StdRng) {
    let proxy = proxies.choose(rng).unwrap();
    proxy.set(manner);
    a_while(rng, LONGEST).await;
    proxy.set(Manner::Pass);
}

/// Kills one server, hangs it or fills its memory, for a while.
async fn harm(server: &mut RedisServer, fault: Fault, rng: &mut StdRng) {
    match fault {
        Fault::ServerKilled => {
            server.kill();
            a_while(rng, LONGEST).await;
            server.restart().await;
        }
        Fault::ServerHung => {
            server.pause();
            a_while(rng, 2 * LONGEST).await;
            server.resume();
        }
        _ => {
            let used = server.used_memory().await.to_string();
            server.set_config("maxmemory", &used).await;
            a_while(rng, LONGEST).await;
            server.set_config("maxmemory", "0").await;
        }
    }
}

impl Servers {
    /// One that takes writes; in a cluster any, for who does is not asked.
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
