//! Everything there is in the model of agreement at one instant.

use super::ENTRY_LIFE;

/// A time by the clock of the CPSs, or a span.
pub type Moment = u8;

/// A CPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cps {
    /// One.
    A,
    /// The other.
    B,
}

impl Cps {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];
}

/// Some CPSs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Cpss {
    a: bool,
    b: bool,
}

impl Cpss {
    /// These.
    #[must_use]
    pub fn of(cpss: &[Cps]) -> Self {
        let mut all = Self::default();
        cpss.iter().for_each(|cps| all.add(*cps));
        all
    }

    /// Whether this is one of them.
    #[must_use]
    pub const fn contain(self, cps: Cps) -> bool {
        match cps {
            Cps::A => self.a,
            Cps::B => self.b,
        }
    }

    /// Adds one.
    pub const fn add(&mut self, cps: Cps) {
        match cps {
            Cps::A => self.a = true,
            Cps::B => self.b = true,
        }
    }
}

/// Where a recipient has written down which CPSs a record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listed {
    /// Nowhere: it is forgotten.
    No,
    /// Where a crash deletes it.
    InMemory,
    /// Where it lasts.
    OnDisk,
}

/// A record. The later of two in a state was made later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Which CPSs it names.
    pub cpss: Cpss,
    /// When it was made, by the recipient's clock.
    pub iat: i16,
    /// When it ends, by the recipient's clock.
    pub exp: i16,
    /// Whether its CPSs are written down.
    pub listed: Listed,
    /// At which CPSs it was registered.
    pub registered: Cpss,
    /// Whether the OOB-AS knows it.
    pub is_known: bool,
}

impl Record {
    /// The OOB-AS reads it at a CPS that has had it, or wherever it has gone from there.
    pub(super) fn learn(&mut self) -> Option<()> {
        let is_published = self.registered != Cpss::default();
        is_published.then(|| self.is_known = true)
    }
}

/// What lies in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where.
    pub cps: Cps,
    /// Since when.
    pub at: Moment,
    /// By which record.
    pub by: usize,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The time, by the clock of the CPSs.
    pub now: Moment,
    /// How far the recipient's clock is ahead.
    pub ahead: i16,
    /// What the recipient has signed, in this order.
    pub records: Vec<Record>,
    /// What lies in the mailbox. One entry stands for all: none has to do with another.
    pub entry: Option<Entry>,
}

impl State {
    pub(super) const fn new(now: Moment, ahead: i16) -> Self {
        Self {
            now,
            ahead,
            records: Vec::new(),
            entry: None,
        }
    }

    /// The time, by the recipient's clock.
    #[must_use]
    pub fn recipients_clock(&self) -> i16 {
        i16::from(self.now) + self.ahead
    }

    /// The record that a CPS has: the newest that was registered there.
    #[must_use]
    pub fn registered(&self, cps: Cps) -> Option<&Record> {
        let mut records = self.records.iter().rev();
        records.find(|record| record.registered.contain(cps))
    }

    pub(super) fn tick(&mut self) {
        self.now += 1;
        let now = self.now;
        // It was stored at any time of its moment, also at the end of it.
        self.entry = self.entry.filter(|entry| now <= entry.at + ENTRY_LIFE);
    }

    pub(super) fn sign(&mut self, cpss: Cpss, life: Moment, listed: Listed) {
        let iat = self.recipients_clock();
        self.records.push(Record {
            cpss,
            iat,
            exp: iat + i16::from(life),
            listed,
            registered: Cpss::default(),
            is_known: false,
        });
    }

    /// A CPS refuses what has ended, what is not its own, and what is older than what it has.
    pub(super) fn register(&mut self, number: usize, cps: Cps) -> Option<()> {
        let is_replaced = |record: &Record| record.registered.contain(cps);
        let is_oldest = !self.records.iter().skip(number + 1).any(is_replaced);
        let now = i16::from(self.now);
        let record = self.records.get_mut(number)?;
        let is_good = record.cpss.contain(cps) && record.exp > now && is_oldest;
        is_good.then(|| record.registered.add(cps))
    }

    pub(super) fn crash(&mut self) {
        for record in &mut self.records {
            if record.listed == Listed::InMemory {
                record.listed = Listed::No;
            }
        }
    }

    pub(super) fn store(&mut self, by: usize, cps: Cps) {
        let at = self.now;
        self.entry = Some(Entry { cps, at, by });
    }
}
