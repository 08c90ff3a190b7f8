//! Everything there is in the model at one instant.

use crate::shard::Shard;

/// One of two requests that are signed with the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Body {
    /// The first.
    A,
    /// The other: to send it is to spend the token twice.
    B,
}

impl Body {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// Its place in arrays.
    #[must_use]
    pub const fn place(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// One of the two hash slots that a request writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// Of the spent token.
    Spent,
    /// Of the mailbox.
    Mailbox,
}

/// How far a request has come at its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The script is on its way that keeps this body as what the token was spent on,
    /// if there is none, and says what is kept; and does nothing in a store that has
    /// seen less than this, which the node had seen when the request came.
    Spending(Changes),
    /// The token is spent on this body, and the replica must have this many writes
    /// before that counts.
    Spent(Waiting),
    /// The script is on its way that appends the body.
    Appending,
    /// The body is appended, and the replica must have this many writes before that
    /// counts.
    Appended(Waiting),
    /// The client is told 201.
    Accepting,
    /// The token is spent on another body, and the replica must have this many writes
    /// before that counts.
    SpentOnOther(Waiting),
    /// The client is told 409.
    Refusing,
}

/// What must be before a step counts, and what the node notes then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Waiting {
    /// How many writes the replica must have.
    pub replicated: u8,
    /// How many writes of the spent slot the node knows of then.
    pub noted: Changes,
}

/// How many writes of the spent slot a node has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Changes {
    /// Its own.
    pub own: u8,
    /// Those of all nodes.
    pub total: u8,
}

impl Changes {
    /// The higher of each.
    #[must_use]
    pub fn or_higher(self, other: Self) -> Self {
        Self {
            own: self.own.max(other.own),
            total: self.total.max(other.total),
        }
    }
}

/// A request at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    /// Which node.
    pub node: usize,
    /// What it stores.
    pub body: Body,
    /// How far it has come.
    pub step: Step,
}

impl Task {
    /// Where its script is on its way to.
    #[must_use]
    pub const fn asks(&self) -> Option<Slot> {
        match self.step {
            Step::Spending(_) => Some(Slot::Spent),
            Step::Appending => Some(Slot::Mailbox),
            _ => None,
        }
    }

    /// What it waits for.
    #[must_use]
    pub const fn waits_for(&self) -> Option<(Slot, Waiting)> {
        match self.step {
            Step::Spent(waiting) | Step::SpentOnOther(waiting) => Some((Slot::Spent, waiting)),
            Step::Appended(waiting) => Some((Slot::Mailbox, waiting)),
            _ => None,
        }
    }

    /// The same request after what it waited for.
    #[must_use]
    pub const fn when_it_counts(self) -> Self {
        let step = match self.step {
            Step::Spent(_) => Step::Appending,
            Step::Appended(_) => Step::Accepting,
            Step::SpentOnOther(_) => Step::Refusing,
            other => other,
        };
        Self { step, ..self }
    }
}

/// A node, as far as it is more than its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Node {
    /// What it has seen of the spent slot.
    pub seen: Changes,
    /// What of that is on its disk.
    pub saved: Changes,
    /// It has found that the store is older than that, and redeems no more.
    pub stopped: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// How often each body may yet be sent.
    pub sends_left: [u8; 2],
    /// How many nodes may yet crash.
    pub crashes_left: u8,
    /// How many primaries may yet die.
    pub failovers_left: u8,
    /// Requests at nodes, sorted.
    pub tasks: Vec<Task>,
    /// Requests whose nodes have died or given up, but whose scripts are on their
    /// way, sorted.
    pub orphans: Vec<Task>,
    /// The nodes.
    pub nodes: [Node; 2],
    /// What the token was spent on.
    pub spent: Shard<Option<Body>>,
    /// How often each body is in the mailbox.
    pub mailbox: Shard<[u8; 2]>,
    /// Which bodies a client was told 201 for.
    pub accepted: [bool; 2],
    /// Which bodies a client was told 409 for.
    pub refused: [bool; 2],
    /// Which bodies were in the mailbox at any time, for any reader to see.
    pub shown: [bool; 2],
}

impl State {
    /// Adds a request, or what it has become.
    pub fn add(&mut self, task: Task) {
        self.tasks.push(task);
        self.tasks.sort_unstable();
    }

    /// Takes a request out.
    pub fn take(&mut self, task: Task) {
        if let Some(place) = self.tasks.iter().position(|one| *one == task) {
            self.tasks.remove(place);
        }
    }

    /// Ends requests. Scripts that are on their way may yet be carried out.
    pub fn abandon(&mut self, ends: impl Fn(&Task) -> bool) {
        let (ended, rest): (Vec<Task>, _) = self.tasks.iter().partition(|task| ends(task));
        self.tasks = rest;
        let on_their_way = ended.into_iter().filter(|task| task.asks().is_some());
        self.orphans.extend(on_their_way);
        self.orphans.sort_unstable();
    }

    /// Ends everything on connections to a primary that died.
    pub fn disconnect(&mut self, slot: Slot) {
        let awaits = |task: &Task| task.waits_for().is_some_and(|(at, _)| at == slot);
        self.tasks.retain(|task| !awaits(task));
        self.orphans.retain(|task| task.asks() != Some(slot));
    }
}
