//! What is modelled in which variation, and what must hold.

use stateright::{Model, Property};

use crate::state::{Body, Node, Slot, State, Step, Task};

/// When an answer of the store counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acknowledgement {
    /// When the primary gives it, whose disk survives: there is no failover that
    /// loses anything.
    Durable,
    /// When the replica has everything that it rests on, by any writer. So is
    /// `WAIT`: it is about all that the server had when it ran the command before.
    Replicated,
    /// The same when it leads to a 201; a 409 does not wait.
    AcceptancesReplicated,
    /// When the replica has what was written for it; an answer that wrote nothing
    /// does not wait.
    WritesReplicated,
    /// When the primary gives it, whatever becomes of it.
    Unreplicated,
}

/// How a node notices that a store is older than what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fence {
    /// It does not.
    None,
    /// The store counts its writes, each node's own and all, and does nothing for a
    /// node that has seen higher counts, which stops and halts the store.
    Counts,
    /// The same, but a node takes the counts from answers to its own writes only.
    CountsOfWrites,
    /// The store has a new name after each failover, and does nothing for a node
    /// that knows another.
    Reign,
}

/// Whether an append looks for the body first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Append {
    /// It does: idempotent by the request's digest.
    Once,
    /// It does not.
    Blindly,
}

/// The model: two requests that spend one token, each sent so often to any node.
#[derive(Debug, Clone, Copy)]
pub struct Spending {
    /// When an answer of the store counts.
    pub acknowledgement: Acknowledgement,
    /// How nodes notice that writes are gone.
    pub fence: Fence,
    /// How appends are made.
    pub append: Append,
    /// Whether a script that carries what a node had seen before a failover can be
    /// sent after it: its request waited for a connection.
    pub outlasting: bool,
    /// How many nodes there are: one or two.
    pub nodes: usize,
    /// How often the first and the second request are sent.
    pub sends: [u8; 2],
    /// How many crashes of nodes there are.
    pub crashes: u8,
    /// How many primaries die.
    pub failovers: u8,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client sends a request to a node.
    Send(Body, usize),
    /// The store runs the script of a request, and its node hears of it.
    Run(Task),
    /// The replica has what a request waits for.
    Count(Task),
    /// The client hears the answer.
    Answer(Task),
    /// Node and client lose sight of each other, or the node of the store.
    GiveUp(Task),
    /// A node writes down what it has seen.
    Save(usize),
    /// A node dies, and comes back.
    Crash(usize),
    /// A node that has stopped stops the others.
    Halt(usize),
    /// The store runs a script that nobody waits for any more.
    RunForNobody(Task),
    /// The replica gets everything.
    Replicate(Slot),
    /// The primary dies.
    FailOver(Slot),
}

/// A token pays for one body, as far as clients and readers can tell.
pub const ONE_BODY: &str = "one body for a token";
/// What was acknowledged is in the mailbox.
pub const PRESENT: &str = "acknowledged entries are present";
/// Nothing is in the mailbox twice.
pub const NOT_TWICE: &str = "no entry twice";
/// No request is told both 201 and 409.
pub const CONSISTENT: &str = "answers to repeated requests agree";
/// A double spend is refused, in some run.
pub const REFUSED: &str = "a double spend is refused";
/// A request that was lost half done ends well, in some run.
pub const HEALED: &str = "a repeated request heals what was left half done";
/// A node notices that the store is older than what it knows, in some run.
pub const STOPPED: &str = "a node stops";

impl Model for Spending {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            sends_left: self.sends,
            crashes_left: self.crashes,
            failovers_left: self.failovers,
            tasks: Vec::new(),
            orphans: Vec::new(),
            nodes: [Node::default(); 2],
            spent: Default::default(),
            mailbox: Default::default(),
            accepted: [false; 2],
            refused: [false; 2],
            shown: [false; 2],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..self.nodes {
            let sendable = |body: &Body| state.sends_left[body.place()] > 0;
            let bodies = Body::ALL.into_iter().filter(sendable);
            actions.extend(bodies.map(|body| Action::Send(body, node)));
            if state.crashes_left > 0 {
                actions.push(Action::Crash(node));
            }
            actions.extend([Action::Save(node), Action::Halt(node)]);
        }
        for task in &state.tasks {
            actions.push(match task.step {
                Step::Spending(_) | Step::Appending => Action::Run(*task),
                Step::Spent(_) | Step::Appended(_) | Step::SpentOnOther(_) => Action::Count(*task),
                Step::Accepting | Step::Refusing => Action::Answer(*task),
            });
            actions.push(Action::GiveUp(*task));
        }
        let orphans = state.orphans.iter();
        actions.extend(orphans.map(|task| Action::RunForNobody(*task)));
        if self.acknowledgement != Acknowledgement::Durable {
            for slot in [Slot::Spent, Slot::Mailbox] {
                actions.push(Action::Replicate(slot));
                if state.failovers_left > 0 {
                    actions.push(Action::FailOver(slot));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let next = self.after(last.clone(), action)?;
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = promises();
        properties.extend([
            Property::sometimes(REFUSED, |_, state: &State| {
                state.accepted[0] && state.refused[1]
            }),
            Property::sometimes(HEALED, |model: &Self, state: &State| {
                let is_repeated = model.sends[0] > 1 && state.sends_left[0] == 0;
                let was_left = state.crashes_left < model.crashes;
                is_repeated && was_left && state.accepted[0]
            }),
            Property::sometimes(STOPPED, |_, state: &State| {
                state.nodes.iter().any(|node| node.stopped)
            }),
        ]);
        properties
    }
}

/// What a CPS promises.
fn promises() -> Vec<Property<Spending>> {
    vec![
        Property::always(ONE_BODY, |_, state: &State| {
            let paid = |body: Body| state.accepted[body.place()] || state.shown[body.place()];
            !(paid(Body::A) && paid(Body::B))
        }),
        Property::always(PRESENT, |_, state: &State| {
            let entries = state.mailbox.primary.value;
            let is_lost = |place: usize| state.accepted[place] && entries[place] == 0;
            !(is_lost(0) || is_lost(1))
        }),
        Property::always(NOT_TWICE, |_, state: &State| {
            let entries = state.mailbox.primary.value;
            entries.iter().all(|copies| *copies <= 1)
        }),
        Property::always(CONSISTENT, |_, state: &State| {
            let both = |place: usize| state.accepted[place] && state.refused[place];
            !(both(0) || both(1))
        }),
    ]
}
