//! A model of how an OOB-AS and a recipient come to the same CPSs (docs/protocol.md section
//! 5.1): two CPSs, a few records of one mailbox, and an OOB-AS that knows any of them for as
//! long as it likes. Not here: signatures, seals and tokens.

mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walks;

use stateright::{Model, Property};

pub use state::{Cps, Cpss, Entry, Listed, Moment, Record, State};

/// The life of an entry, in moments of 30 s.
pub const ENTRY_LIFE: Moment = 2;
/// How far the clocks of recipient and CPSs may differ.
pub const CLOCK_DIFFERENCE: Moment = 2;
/// When a run begins, so that no clock is before 0.
const BEGIN: Moment = 4;

/// Which CPSs a recipient polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Polling {
    /// Those of all its records that have not ended for this long.
    All(Moment),
    /// Those of the newest alone.
    Newest,
}

/// When a recipient writes down which CPSs it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// Before it publishes the record that names them.
    BeforePublishing,
    /// Afterwards.
    AfterPublishing,
}

/// Which of the records that it knows an OOB-AS goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The one that was made last.
    Newest,
    /// Any.
    Any,
}

/// The model. An OOB-AS has no clock in it: it may take any record for unexpired.
#[derive(Debug, Clone, Copy)]
pub struct Agreement {
    /// Which CPSs are polled.
    pub polling: Polling,
    /// When that is written down.
    pub listing: Listing,
    /// Which record is stored by.
    pub choice: Choice,
    /// Whether CPSs take no stores after the end of a mailbox's last record.
    pub ends_stores: bool,
    /// How long after that end CPSs seal to the mailbox's key.
    pub seals_for: Moment,
    /// How far the clocks of recipient and CPSs differ at the most.
    pub clock_difference: Moment,
    /// How many records there are.
    pub records: usize,
    /// How long a record may live.
    pub lives: &'static [Moment],
    /// How long the run is.
    pub lasts: Moment,
}

/// The rules as they are.
pub const RULES: Agreement = Agreement {
    polling: Polling::All(ENTRY_LIFE + CLOCK_DIFFERENCE),
    listing: Listing::BeforePublishing,
    choice: Choice::Any,
    ends_stores: true,
    seals_for: ENTRY_LIFE,
    clock_difference: CLOCK_DIFFERENCE,
    records: 2,
    // A withdrawal, and one that outlives the clocks' difference.
    lives: &[1, 3],
    lasts: 8,
};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A moment passes.
    Tick,
    /// The recipient signs a record of these CPSs, for so long.
    Sign(Cpss, Moment),
    /// It writes down which CPSs the record names.
    List(usize),
    /// It shows the record to a CPS, which takes it.
    Register(usize, Cps),
    /// It dies, and comes back with what it has written down.
    Crash,
    /// The OOB-AS gets to know a record that somebody has.
    Learn(usize),
    /// It stores a copy by a record.
    Store(usize, Cps),
}

/// What is stored is polled while it lives.
pub const POLLED: &str = "what is stored is polled";
/// What is stored can be opened while it lives.
pub const OPENED: &str = "what is stored can be opened";
/// Something is stored at a CPS that the newest record does not name, in some run.
pub const MOVED: &str = "something is stored where the mailbox was before";
/// Something is stored by a clock by which its record has ended, in some run.
pub const LATE: &str = "something is stored after the record's end by the recipient's clock";

impl Model for Agreement {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let ahead = i16::from(self.clock_difference);
        let differences = -ahead..=ahead;
        differences.map(|ahead| State::new(BEGIN, ahead)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < BEGIN + self.lasts {
            actions.push(Action::Tick);
        }
        if state.records.len() < self.records {
            for cpss in [
                Cpss::of(&[Cps::A]),
                Cpss::of(&[Cps::B]),
                Cpss::of(&Cps::ALL),
            ] {
                let lives = self.lives.iter();
                actions.extend(lives.map(|life| Action::Sign(cpss, *life)));
            }
        }
        for number in 0..state.records.len() {
            actions.extend([Action::List(number), Action::Learn(number)]);
            actions.extend(Cps::ALL.map(|cps| Action::Register(number, cps)));
            actions.extend(Cps::ALL.map(|cps| Action::Store(number, cps)));
        }
        actions.push(Action::Crash);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let next = self.after(last.clone(), action)?;
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(POLLED, |model: &Self, state: &State| {
                let entry = state.entry.as_ref();
                entry.is_none_or(|entry| model.polls(state, entry.cps))
            }),
            Property::always(OPENED, |model: &Self, state: &State| {
                let entry = state.entry.as_ref();
                entry.is_none_or(|entry| model.seals(state, entry.cps))
            }),
            Property::sometimes(MOVED, |_, state: &State| {
                let newest = state.records.last();
                let is_moved = |entry: &Entry| {
                    entry.at == state.now && newest.is_some_and(|one| !one.cpss.contain(entry.cps))
                };
                state.entry.as_ref().is_some_and(is_moved)
            }),
            Property::sometimes(LATE, |_, state: &State| {
                let is_late = |entry: &Entry| {
                    let by = state.records.get(entry.by);
                    entry.at == state.now
                        && by.is_some_and(|one| one.exp <= state.recipients_clock())
                };
                state.entry.as_ref().is_some_and(is_late)
            }),
        ]
    }
}

impl Agreement {
    /// Whether the recipient polls a CPS now.
    #[must_use]
    pub fn polls(&self, state: &State, cps: Cps) -> bool {
        let now = state.recipients_clock();
        let is_polled = |record: &Record| record.listed != Listed::No && record.cpss.contain(cps);
        match self.polling {
            Polling::All(after) => {
                let unended = |record: &&Record| now < record.exp + i16::from(after);
                state.records.iter().filter(unended).any(is_polled)
            }
            Polling::Newest => state.records.last().is_some_and(is_polled),
        }
    }

    /// Whether a CPS seals answers to the mailbox's key now.
    #[must_use]
    pub fn seals(&self, state: &State, cps: Cps) -> bool {
        let end = state.registered(cps).map(|record| record.exp);
        end.is_some_and(|end| i16::from(state.now) < end + i16::from(self.seals_for))
    }

    /// Whether a CPS takes stores for the mailbox now.
    #[must_use]
    pub fn takes(&self, state: &State, cps: Cps) -> bool {
        let end = state.registered(cps).map(|record| record.exp);
        end.is_some_and(|end| !self.ends_stores || i16::from(state.now) < end)
    }

    fn after(&self, mut state: State, action: Action) -> Option<State> {
        match action {
            Action::Tick => state.tick(),
            Action::Sign(cpss, life) => {
                let listed = match self.listing {
                    Listing::BeforePublishing => Listed::OnDisk,
                    Listing::AfterPublishing => Listed::InMemory,
                };
                state.sign(cpss, life, listed);
            }
            Action::List(number) => state.records.get_mut(number)?.listed = Listed::OnDisk,
            Action::Register(number, cps) => state.register(number, cps)?,
            Action::Crash => state.crash(),
            Action::Learn(number) => state.records.get_mut(number)?.learn()?,
            Action::Store(number, cps) => {
                let record = state.records.get(number)?;
                let newest = state.records.iter().rposition(|one| one.is_known);
                let is_chosen = self.choice == Choice::Any || newest == Some(number);
                let may = record.is_known && record.cpss.contain(cps) && is_chosen;
                if state.entry.is_some() || !may || !self.takes(&state, cps) {
                    return None;
                }
                state.store(number, cps);
            }
        }
        Some(state)
    }
}
