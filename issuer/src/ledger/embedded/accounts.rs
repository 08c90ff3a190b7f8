//! The accounts as a state machine over a journal: what each command does to
//! them, which record carries it, and when records are forgotten. Everything
//! here runs on the ledger's one thread.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::disk::Disk;
use pennyblack_storage::group_commit::{FrameBuilder, StateMachine};
use pennyblack_storage::journal::{Journal, SegmentNumber};

use super::LedgerError;
use super::record::{self, RecordReader, Written};
use crate::ledger::{ChargeError, ChargeKind};
use crate::quota::{Change, Charge, Counted, EpochAccounts, Limits};

/// The journal's files begin so.
const PREFIX: &str = "quota";

/// What the accounts are asked.
#[derive(Debug)]
pub(super) enum Command {
    /// Charge a subject.
    Charge {
        epoch: TokenKeyId,
        charge: Charge,
        limits: Limits,
        kind: ChargeKind,
        max: Option<u64>,
    },
    /// Keep accounts for these epochs too.
    Admit(Vec<TokenKeyId>),
    /// Keep accounts for these epochs only.
    Follow(Vec<TokenKeyId>),
    /// Tell how many tokens were signed in this epoch.
    Total(TokenKeyId),
}

pub(super) struct Accounts<D: Disk> {
    journal: Journal<D>,
    epochs: HashMap<TokenKeyId, EpochAccounts>,
    /// The subjects that the records of an epoch have in full.
    subjects: HashMap<TokenKeyId, Written>,
    /// Which epochs have records in which segment: a segment goes when all of its
    /// epochs have gone.
    written: HashMap<SegmentNumber, HashSet<TokenKeyId>>,
    /// Counted since the last commit.
    uncommitted: Vec<Uncommitted>,
    /// Epochs have come or gone since segments were last looked at.
    untidy: bool,
}

/// A charge whose record is not on the disk yet.
struct Uncommitted {
    epoch: TokenKeyId,
    charge: Charge,
    change: Change,
    /// Its subject, if no record had it in full before.
    subject: Option<[u8; 32]>,
}

impl<D: Disk> Accounts<D> {
    pub(super) fn open(disk: Arc<D>, live: &[TokenKeyId]) -> Result<Self, LedgerError> {
        let mut epochs: HashMap<_, EpochAccounts> = live
            .iter()
            .map(|epoch| (*epoch, EpochAccounts::default()))
            .collect();
        let mut written: HashMap<_, HashSet<_>> = HashMap::new();
        let (mut records, mut defect) = (RecordReader::new(live), None);
        let journal = Journal::open(disk, PREFIX, |segment, record| match records.read(record) {
            Ok((epoch, charge)) => {
                written.entry(segment).or_default().insert(epoch);
                if let (Some(charge), Some(accounts)) = (charge, epochs.get_mut(&epoch)) {
                    let restored = accounts.restore(&charge);
                    defect = restored.err().map(LedgerError::Subject).or(defect.take());
                }
            }
            Err(error) => defect = Some(error),
        })?;
        match defect {
            Some(error) => Err(error),
            None => Ok(Self {
                journal,
                subjects: records.written(),
                epochs,
                written,
                uncommitted: Vec::new(),
                untidy: true,
            }),
        }
    }

    fn charge(
        &mut self,
        epoch: TokenKeyId,
        charge: Charge,
        limits: Limits,
        kind: ChargeKind,
        max: Option<u64>,
        frame: &mut FrameBuilder,
    ) -> Result<u64, ChargeError> {
        let accounts = self
            .epochs
            .get_mut(&epoch)
            .ok_or(ChargeError::NoSuchEpoch(epoch))?;
        if kind == ChargeKind::RepeatedOnly && !accounts.has(&charge) {
            return Err(ChargeError::NotRepeated);
        }
        let after = accounts.total().saturating_add(accounts.more(&charge));
        if let Some(max) = max.filter(|max| after > *max && !accounts.has(&charge)) {
            return Err(ChargeError::KeyUsedUp { max });
        }
        if let Counted::New(change) = accounts.count(&charge, limits)? {
            let written = self.subjects.entry(epoch).or_default();
            let subject = record::push(frame, epoch, &charge, written);
            self.uncommitted.push(Uncommitted {
                epoch,
                charge,
                change,
                subject,
            });
        }
        Ok(accounts.total())
    }

    fn admit(&mut self, epochs: &[TokenKeyId]) {
        let known = self.epochs.len();
        for epoch in epochs {
            self.epochs.entry(*epoch).or_default();
        }
        self.begin_segment_unless(self.epochs.len() == known);
    }

    fn follow(&mut self, live: &[TokenKeyId]) {
        self.admit(live);
        let known = self.epochs.len();
        self.epochs.retain(|epoch, _| live.contains(epoch));
        self.subjects.retain(|epoch, _| live.contains(epoch));
        self.begin_segment_unless(self.epochs.len() == known);
    }

    /// Records of a new epoch do not hold back those of an old one.
    fn begin_segment_unless(&mut self, unchanged: bool) {
        if !unchanged {
            self.journal.roll();
            self.untidy = true;
        }
    }
}

impl<D: Disk> StateMachine for Accounts<D> {
    type Disk = D;
    type Command = Command;
    /// For a charge: the tokens signed in its epoch.
    type Answer = Result<u64, ChargeError>;

    fn journal(&mut self) -> &mut Journal<D> {
        &mut self.journal
    }

    fn decide(&mut self, command: Command, frame: &mut FrameBuilder) -> Self::Answer {
        match command {
            Command::Charge {
                epoch,
                charge,
                limits,
                kind,
                max,
            } => self.charge(epoch, charge, limits, kind, max, frame),
            Command::Admit(epochs) => {
                self.admit(&epochs);
                Ok(0)
            }
            Command::Follow(live) => {
                self.follow(&live);
                Ok(0)
            }
            Command::Total(epoch) => {
                let accounts = self.epochs.get(&epoch);
                let accounts = accounts.ok_or(ChargeError::NoSuchEpoch(epoch))?;
                Ok(accounts.total())
            }
        }
    }

    fn commit(&mut self) {
        let segment = self.journal.current();
        for one in self.uncommitted.drain(..) {
            self.written.entry(segment).or_default().insert(one.epoch);
        }
    }

    fn abort(&mut self) {
        // Latest first: one drawing may have been counted twice.
        for one in self.uncommitted.drain(..).rev() {
            if let Some(accounts) = self.epochs.get_mut(&one.epoch) {
                accounts.take_back(&one.charge, &one.change);
            }
            if let (Some(subject), Some(written)) = (one.subject, self.subjects.get_mut(&one.epoch))
            {
                written.remove(&subject);
            }
        }
    }

    fn tick(&mut self) -> Option<io::Result<()>> {
        self.untidy.then(|| self.tidy_up())
    }
}

impl<D: Disk> Accounts<D> {
    /// Removes the segments in which no live epoch has a record.
    fn tidy_up(&mut self) -> io::Result<()> {
        for segment in self.journal.sealed() {
            let mut epochs = self.written.get(&segment).into_iter().flatten();
            if epochs.all(|epoch| !self.epochs.contains_key(epoch)) {
                self.journal.remove(segment)?;
                if !self.journal.sealed().contains(&segment) {
                    self.written.remove(&segment);
                }
            }
        }
        self.untidy = false;
        Ok(())
    }
}
