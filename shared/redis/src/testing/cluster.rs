//! A cluster of six: three primaries with a third of the slots each, and a replica
//! of each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::proxy::Proxy;
use super::server::{Options, RedisServer, fields};
use super::wait::until;
use crate::slot_of;

/// How many hash slots a cluster has.
pub const SLOTS: u16 = 16_384;

const PRIMARIES: usize = 3;
/// Longest wait for the nodes to agree.
const AGREEMENT: Duration = Duration::from_secs(60);
/// After how long a silent node counts as dead, in milliseconds. Short, for tests
/// of failover; not shorter, for machines that are busy.
const NODE_TIMEOUT: &str = "2000";

/// How many keys of a slot move with one command, as `redis-cli` does it: while the
/// others are still to come, clients find some here and some there.
const AT_ONCE: usize = 10;

/// Six nodes.
#[derive(Debug)]
pub struct Cluster {
    /// First the three that began as primaries; the replica of each is three places
    /// on.
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts six nodes and waits until they are a cluster.
    pub async fn start(options: Options) -> Self {
        let options = options
            .with("cluster-enabled", "yes")
            .with("cluster-node-timeout", NODE_TIMEOUT)
            .with("cluster-replica-validity-factor", "0");
        let mut nodes = Vec::new();
        for _ in 0..2 * PRIMARIES {
            nodes.push(RedisServer::start(options.clone()).await);
        }
        let cluster = Self { nodes };
        cluster.form().await;
        cluster.until_ok().await;
        cluster
    }

    /// Where the nodes listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(RedisServer::address).collect()
    }

    /// `redis://127.0.0.1:PORT` of each node.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Puts a proxy in front of each node, in their order. Clients are led to the
    /// proxies from then on, and replicas follow through them.
    pub async fn behind_proxies(&mut self) -> Vec<Proxy> {
        let mut proxies = Vec::new();
        for node in &mut self.nodes {
            let proxy = Proxy::start(node.address()).await;
            node.announce(proxy.address().port()).await;
            proxies.push(proxy);
        }
        until(
            "nodes to know each other's proxies",
            AGREEMENT,
            async || {
                for node in &self.nodes {
                    let known: String = node.try_command("CLUSTER NODES").await.ok()?;
                    let is_known =
                        |proxy: &Proxy| known.contains(&format!(":{}@", proxy.address().port()));
                    if !proxies.iter().all(is_known) {
                        return None;
                    }
                }
                Some(())
            },
        )
        .await;
        self.until_ok().await;
        proxies
    }

    /// Waits until every running node sees every slot served, and every replica
    /// follows.
    pub async fn until_ok(&self) {
        until("the cluster to be ok", AGREEMENT, async || {
            for node in &self.nodes {
                if !is_ok(node).await? {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// The slot of a key, of its hash tag if it has one.
    pub async fn slot_of(&self, key: &str) -> u16 {
        let command = format!("CLUSTER KEYSLOT {key}");
        for node in &self.nodes {
            if let Ok(slot) = node.try_command(&command).await {
                return slot;
            }
        }
        panic!("no node of the cluster answers");
    }

    /// The slots in which there is something, as far as primaries answer.
    pub async fn used_slots(&self) -> Vec<u16> {
        let mut slots = BTreeSet::new();
        for node in &self.nodes {
            let Some(view) = view_of_itself(node).await.filter(|view| view.is_primary) else {
                continue;
            };
            let keys: Vec<Vec<u8>> = node.try_command("KEYS *").await.unwrap_or_default();
            let served = |slot: &u16| view.slots.iter().any(|range| range.contains(slot));
            slots.extend(keys.iter().map(|key| slot_of(key)).filter(served));
        }
        slots.into_iter().collect()
    }

    /// The place of the running node that serves `slot`, when there is one: after
    /// the death of a primary its replica, as soon as it was elected.
    pub async fn primary_of(&self, slot: u16) -> usize {
        until("a primary of the slot", AGREEMENT, async || {
            for (place, node) in self.nodes.iter().enumerate() {
                let Some(view) = view_of_itself(node).await else {
                    continue;
                };
                if view.is_primary && view.slots.iter().any(|range| range.contains(&slot)) {
                    return Some(place);
                }
            }
            None
        })
        .await
    }

    /// Moves a slot with all of its keys to the node at place `to`, a primary, while
    /// clients go on.
    pub async fn migrate(&self, slot: u16, to: usize) {
        let from = self.primary_of(slot).await;
        if from == to {
            return;
        }
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (id(source).await, id(target).await);
        let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}");
        target.command::<()>(&importing).await;
        let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}");
        source.command::<()>(&migrating).await;
        move_keys(slot, source, target).await;
        let moved = format!("CLUSTER SETSLOT {slot} NODE {target_id}");
        target.command::<()>(&moved).await;
        source.command::<()>(&moved).await;
    }

    async fn form(&self) {
        let (first, rest) = self.nodes.split_first().unwrap();
        for (place, node) in self.nodes.iter().enumerate() {
            let epoch = format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1);
            node.command::<()>(&epoch).await;
        }
        for (place, node) in self.nodes.iter().take(PRIMARIES).enumerate() {
            let slots = share(place);
            let add = format!("CLUSTER ADDSLOTSRANGE {} {}", slots.start(), slots.end());
            node.command::<()>(&add).await;
        }
        for node in rest {
            let address = node.address();
            let (ip, port, bus) = (address.ip(), address.port(), node.bus_port());
            let meet = format!("CLUSTER MEET {ip} {port} {bus}");
            first.command::<()>(&meet).await;
        }
        for (place, node) in self.nodes.iter().enumerate().skip(PRIMARIES) {
            let primary = id(&self.nodes[place - PRIMARIES]).await;
            let replicate = format!("CLUSTER REPLICATE {primary}");
            // A node must have heard of its primary first.
            until("nodes to meet", AGREEMENT, async || {
                node.try_command::<()>(&replicate).await.ok()
            })
            .await;
        }
    }
}

/// The slots that the primary at this place begins with.
fn share(place: usize) -> RangeInclusive<u16> {
    let bound = |place: usize| u16::try_from(usize::from(SLOTS) * place / PRIMARIES).unwrap();
    bound(place)..=bound(place + 1) - 1
}

async fn id(node: &RedisServer) -> String {
    node.command("CLUSTER MYID").await
}

/// `None` for a node that does not answer.
async fn is_ok(node: &RedisServer) -> Option<bool> {
    if !node.is_running() {
        return Some(true);
    }
    let info: String = node.try_command("CLUSTER INFO").await.ok()?;
    let info = fields(&info);
    let all_slots = info["cluster_slots_ok"] == SLOTS.to_string();
    let known = info["cluster_known_nodes"] == (2 * PRIMARIES).to_string();
    let replication = node.info("replication").await;
    let follows = replication
        .get("master_link_status")
        .is_none_or(|link| link == "up");
    let role_is_settled = match replication["role"].as_str() {
        "master" => !view_of_itself(node).await?.slots.is_empty(),
        _ => true,
    };
    Some(info["cluster_state"] == "ok" && all_slots && known && follows && role_is_settled)
}

async fn move_keys(slot: u16, source: &RedisServer, target: &RedisServer) {
    let mut connection = source.connect().await.unwrap();
    loop {
        let mut keys = redis::cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(slot).arg(AT_ONCE);
        let keys: Vec<Vec<u8>> = keys.query_async(&mut connection).await.unwrap();
        if keys.is_empty() {
            return;
        }
        let address = target.address();
        let mut migrate = redis::cmd("MIGRATE");
        migrate.arg(address.ip().to_string()).arg(address.port());
        migrate.arg("").arg(0).arg(10_000).arg("KEYS").arg(keys);
        let _: String = migrate.query_async(&mut connection).await.unwrap();
    }
}

struct View {
    is_primary: bool,
    slots: Vec<RangeInclusive<u16>>,
}

/// What a node says of itself; `None` if it does not answer.
async fn view_of_itself(node: &RedisServer) -> Option<View> {
    if !node.is_running() {
        return None;
    }
    let nodes: String = node.try_command("CLUSTER NODES").await.ok()?;
    let line = nodes.lines().find(|line| line.contains("myself"))?;
    let fields: Vec<_> = line.split(' ').collect();
    let slots = fields.iter().skip(8).filter_map(|field| range(field));
    Some(View {
        is_primary: fields[2].contains("master"),
        slots: slots.collect(),
    })
}

/// `5` or `5-9`; not `[5->-id]`, a slot that is on its way.
fn range(field: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = field.split_once('-').unwrap_or((field, field));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
