//! The accounts as a state machine over a journal: what each command does to
//! them, which record carries it, and when records are forgotten. Everything
//! here runs on the ledger's one thread.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use pennyblack_base::wire::Reader;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::disk::Disk;
use pennyblack_storage::group_commit::{FrameBuilder, StateMachine};
use pennyblack_storage::journal::{Journal, SegmentNumber};

use super::LedgerError;
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
    /// Which epochs have records in which segment: a segment goes when all of its
    /// epochs have gone.
    written: HashMap<SegmentNumber, HashSet<TokenKeyId>>,
    /// Counted since the last commit.
    uncommitted: Vec<(TokenKeyId, Charge, Change)>,
    /// Epochs have come or gone since segments were last looked at.
    untidy: bool,
}

impl<D: Disk> Accounts<D> {
    pub(super) fn open(disk: Arc<D>, live: &[TokenKeyId]) -> Result<Self, LedgerError> {
        let mut epochs: HashMap<_, EpochAccounts> = live
            .iter()
            .map(|epoch| (*epoch, EpochAccounts::default()))
            .collect();
        let mut written: HashMap<_, HashSet<_>> = HashMap::new();
        let mut defect = None;
        let journal = Journal::open(disk, PREFIX, |segment, record| match from_record(record) {
            Ok((epoch, charge)) => {
                written.entry(segment).or_default().insert(epoch);
                if let Some(accounts) = epochs.get_mut(&epoch) {
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
            let tokens = charge.tokens.to_be_bytes();
            let subject = charge.subject.to_string();
            frame.push(&[&epoch.0, &charge.drawing, &tokens, subject.as_bytes()]);
            self.uncommitted.push((epoch, charge, change));
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
        for (epoch, _, _) in self.uncommitted.drain(..) {
            self.written.entry(segment).or_default().insert(epoch);
        }
    }

    fn abort(&mut self) {
        // Latest first: one drawing may have been counted twice.
        for (epoch, charge, change) in self.uncommitted.drain(..).rev() {
            if let Some(accounts) = self.epochs.get_mut(&epoch) {
                accounts.take_back(&charge, &change);
            }
        }
    }

    /// Removes the segments in which no live epoch has a record.
    fn tick(&mut self) -> io::Result<()> {
        if !self.untidy {
            return Ok(());
        }
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

/// `TokenKeyId epoch; opaque drawing[32]; uint32 tokens; opaque subject[];`
fn from_record(record: &[u8]) -> Result<(TokenKeyId, Charge), LedgerError> {
    let mut reader = Reader::new(record);
    let epoch = TokenKeyId(reader.array().map_err(LedgerError::Record)?);
    let drawing = reader.array().map_err(LedgerError::Record)?;
    let tokens = reader.u32().map_err(LedgerError::Record)?;
    let subject = String::from_utf8_lossy(reader.rest()).parse();
    let charge = Charge {
        subject: subject.map_err(LedgerError::Subject)?,
        drawing,
        tokens,
    };
    Ok((epoch, charge))
}
