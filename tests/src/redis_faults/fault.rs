//! What can go wrong: names, and which of it where.

use super::{Level, Servers};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NodeKilled,
    /// After tokens were spent, and before the node knows and appends the entries.
    NodeKilledBetweenSteps,
    /// While it waits for its Redis, with tokens spent in its journal.
    NodeKilledWaiting,
    /// Every node, one after another, as an operator does it.
    NodesRestartedInTurn,
    ConnectionsCut,
    ConnectionsSlow,
    ConnectionsStalled,
    PeersCut,
    PeersStalled,
    PeersAnswersLost,
    ServerKilled,
    ServerHung,
    MemoryFull,
    Emptied,
    FailedOver,
    /// To a replica that had not everything.
    FailedOverLosing,
    SlotsMoved,
}

impl Fault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NodeKilled => "CPS node killed",
            Self::NodeKilledBetweenSteps => "CPS node killed between the steps",
            Self::NodeKilledWaiting => "CPS node killed while it waits for Redis",
            Self::NodesRestartedInTurn => "CPS nodes restarted in turn",
            Self::ConnectionsCut => "connections cut",
            Self::ConnectionsSlow => "connections slowed",
            Self::ConnectionsStalled => "connections stalled",
            Self::PeersCut => "connections between nodes cut",
            Self::PeersStalled => "connections between nodes stalled",
            Self::PeersAnswersLost => "answers between nodes lost",
            Self::ServerKilled => "Redis killed",
            Self::ServerHung => "Redis hung",
            Self::MemoryFull => "memory full",
            Self::Emptied => "Redis emptied",
            Self::FailedOver => "failed over",
            Self::FailedOverLosing => "failed over, losing writes",
            Self::SlotsMoved => "slots moved",
        }
    }

    /// What can happen to a CPS of this level over these servers.
    pub(super) const fn all(level: Level, servers: &Servers) -> &'static [Self] {
        match (level, servers) {
            (Level::Fenced, Servers::Single(_)) => SINGLE,
            (Level::Fenced, Servers::Replicated(_)) => REPLICATED,
            (_, Servers::Cluster(_)) => CLUSTER,
            (Level::NeverTwice, Servers::Single(_)) => NEVER_TWICE_SINGLE,
            (Level::NeverTwice, Servers::Replicated(_)) => NEVER_TWICE_REPLICATED,
        }
    }
}

use Fault::{
    ConnectionsCut, ConnectionsSlow, ConnectionsStalled, Emptied, FailedOver, FailedOverLosing,
    MemoryFull, NodeKilled, NodeKilledBetweenSteps, NodeKilledWaiting, NodesRestartedInTurn,
    PeersAnswersLost, PeersCut, PeersStalled, ServerHung, ServerKilled, SlotsMoved,
};

const SINGLE: &[Fault] = &[
    NodeKilled,
    NodeKilledBetweenSteps,
    NodesRestartedInTurn,
    ConnectionsCut,
    ConnectionsSlow,
    ConnectionsStalled,
    ServerKilled,
    ServerHung,
    MemoryFull,
];

const REPLICATED: &[Fault] = &[
    NodeKilledBetweenSteps,
    NodesRestartedInTurn,
    ConnectionsStalled,
    ServerKilled,
    ServerHung,
    FailedOver,
    FailedOver,
];

const CLUSTER: &[Fault] = &[
    NodeKilled,
    NodeKilledBetweenSteps,
    NodesRestartedInTurn,
    ConnectionsCut,
    ConnectionsSlow,
    ConnectionsStalled,
    ServerHung,
    MemoryFull,
    FailedOver,
    FailedOver,
    SlotsMoved,
    SlotsMoved,
];

const NEVER_TWICE_SINGLE: &[Fault] = &[
    NodeKilled,
    NodeKilledWaiting,
    NodesRestartedInTurn,
    ConnectionsCut,
    ConnectionsSlow,
    ConnectionsStalled,
    PeersCut,
    PeersStalled,
    PeersAnswersLost,
    ServerKilled,
    ServerHung,
    MemoryFull,
    Emptied,
    Emptied,
    Emptied,
];

const NEVER_TWICE_REPLICATED: &[Fault] = &[
    NodeKilled,
    NodeKilledWaiting,
    ConnectionsStalled,
    PeersCut,
    PeersAnswersLost,
    ServerHung,
    Emptied,
    FailedOverLosing,
    FailedOverLosing,
    FailedOverLosing,
];
