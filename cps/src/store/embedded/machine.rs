//! The one thread's state: it judges spends, and between commits it lets entries
//! die, archives spends and removes segments.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_storage::disk::Disk;
use pennyblack_storage::group_commit::{FrameBuilder, StateMachine};
use pennyblack_storage::journal::{Journal, SegmentNumber};

use super::mailboxes::{Mailboxes, next_sequence};
use super::record_file::RecordFile;
use super::spent::{self, SpentSet};
use super::times::Times;
use super::{Clock, OpenStoreError, record};
use crate::store::{Entry, Limits, Outcome, Spend, StoreError, count_dropped};

pub(super) const JOURNAL: &str = "journal";
pub(super) const CLOSED: &str = "closed-epochs";

/// How long one segment is written to at the most. An entry is gone from the disk one such
/// span and a tick after its death at the latest.
const SEGMENT_SPAN: Duration = Duration::from_secs(3);

/// How often the clock is looked at. With each of its seconds dead entries are
/// dropped and new spends archived.
const TICK: Duration = Duration::from_millis(250);

pub(super) enum Command {
    Spend(Spend, UnixTime),
    Close(TokenKeyId),
    Count(TokenKeyId),
    CountAll,
}

pub(super) enum Answer {
    Spend(Result<Outcome, StoreError>),
    Close(Result<(), StoreError>),
    /// Nothing of a closed epoch.
    Count(Option<u64>),
    CountAll(Vec<(TokenKeyId, u64)>),
}

/// A spend that was judged, and will be durable with the next commit.
struct Staged {
    token_key_id: TokenKeyId,
    nonce: Nonce,
    record: SpendRecord,
    mailbox: MailboxId,
    sequence: u64,
    at: UnixTime,
    entry: Entry,
}

pub(super) struct Machine<D: Disk> {
    disk: Arc<D>,
    journal: Journal<D>,
    limits: Limits,
    clock: Clock,
    mailboxes: Arc<Mailboxes>,
    epochs: HashMap<TokenKeyId, SpentSet<D>>,
    closed: HashSet<TokenKeyId>,
    closed_file: RecordFile<D::File, 32>,
    segments: HashMap<SegmentNumber, Option<Times>>,
    /// Files of closed epochs that are being removed: for millions of spends that
    /// takes seconds.
    removals: Vec<JoinHandle<io::Result<()>>>,
    /// The second in which it was last tidied up.
    tidied: Option<UnixTime>,
    staged: Vec<Staged>,
    /// Positions in `staged`, for duplicates within one commit.
    staged_tokens: HashMap<(TokenKeyId, Nonce), usize>,
    /// The sequence number of the last staged entry of a mailbox.
    staged_boxes: HashMap<MailboxId, u64>,
}

impl<D: Disk> Machine<D> {
    /// Reads everything back: closed epochs, archived spends, then the journal.
    pub(super) fn open(
        disk: Arc<D>,
        limits: Limits,
        clock: Clock,
        mailboxes: Arc<Mailboxes>,
    ) -> Result<Self, OpenStoreError> {
        let mut closed = HashSet::new();
        let mut closed_file = RecordFile::open(disk.as_ref(), CLOSED, |_, id| {
            closed.insert(TokenKeyId(*id));
        })?;
        // Ids are appended one by one.
        if closed_file.cut() > 1 {
            return Err(OpenStoreError::ClosedEpochs);
        }
        closed_file.make_durable(0)?;
        let mut epochs = open_epochs(disk.as_ref(), &closed)?;
        let mut replayed = Vec::new();
        let journal = Journal::open(Arc::clone(&disk), JOURNAL, |segment, bytes| {
            replayed.push((segment, record::parse(bytes)));
        })?;
        let mut segments: HashMap<_, Option<Times>> = HashMap::new();
        let now = clock();
        for (segment, parsed) in replayed {
            let (spend, sequence, at) = parsed.map_err(OpenStoreError::Record)?;
            let (epoch, nonce) = (spend.token_key_id, spend.nonce);
            Times::include(segments.entry(segment).or_default(), at);
            if !closed.contains(&epoch) {
                let set = open_epoch(&mut epochs, disk.as_ref(), epoch)?;
                set.replay(nonce, spend.record, segment)?;
            }
            if limits.is_alive(at, now) {
                let entry = Entry::new(spend.sealed);
                mailboxes.push(std::iter::once((spend.mailbox, sequence, at, entry)));
            }
        }
        for set in epochs.values_mut() {
            set.settle()?;
        }
        Ok(Self {
            disk,
            journal,
            limits,
            clock,
            mailboxes,
            epochs,
            closed,
            closed_file,
            segments,
            removals: Vec::new(),
            tidied: None,
            staged: Vec::new(),
            staged_tokens: HashMap::new(),
            staged_boxes: HashMap::new(),
        })
    }

    fn decide_spend(
        &mut self,
        spend: Spend,
        now: UnixTime,
        frame: &mut FrameBuilder,
    ) -> Result<Outcome, StoreError> {
        if let Some(first) = self.first_spend(spend.token_key_id, spend.nonce)? {
            return Ok(if first.digest == spend.record.digest {
                Outcome::AlreadyStored
            } else {
                Outcome::Conflict(first)
            });
        }
        let staged = self.staged_boxes.entry(spend.mailbox);
        let last = staged.or_insert_with(|| self.mailboxes.last(spend.mailbox));
        let sequence = next_sequence(*last, self.journal.current());
        *last = sequence;
        record::push(frame, &spend, sequence, now);
        let token = (spend.token_key_id, spend.nonce);
        self.staged_tokens.insert(token, self.staged.len());
        self.staged.push(Staged {
            token_key_id: spend.token_key_id,
            nonce: spend.nonce,
            record: spend.record,
            mailbox: spend.mailbox,
            sequence,
            at: now,
            entry: Entry::new(spend.sealed),
        });
        Ok(Outcome::Stored)
    }

    /// The record of a token's spend, if it is spent.
    fn first_spend(
        &mut self,
        epoch: TokenKeyId,
        nonce: Nonce,
    ) -> Result<Option<SpendRecord>, StoreError> {
        if self.closed.contains(&epoch) {
            return Err(StoreError::EpochClosed);
        }
        if let Some(staged) = self.staged_tokens.get(&(epoch, nonce)) {
            return Ok(self.staged.get(*staged).map(|staged| staged.record));
        }
        open_epoch(&mut self.epochs, self.disk.as_ref(), epoch)
            .and_then(|set| set.find(&nonce))
            .map_err(|error| unavailable(&error))
    }

    fn close(&mut self, epoch: TokenKeyId) -> io::Result<()> {
        if !self.closed.contains(&epoch) {
            self.closed_file.append(&[epoch.0])?;
            self.closed.insert(epoch);
        }
        // The file may be left over from a close that was cut short.
        let set = self.epochs.remove(&epoch);
        let disk = Arc::clone(&self.disk);
        self.removals.push(D::in_background(move || {
            drop(set);
            match disk.remove(&spent::file_name(epoch)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => disk.sync_directory(),
            }
        })?);
        Ok(())
    }

    /// How many tokens of an epoch are spent; nothing when it is closed.
    pub(super) fn count(&self, epoch: &TokenKeyId) -> Option<u64> {
        let count = || self.epochs.get(epoch).map_or(0, SpentSet::len);
        (!self.closed.contains(epoch)).then(count)
    }

    /// Reports what became of the removals that are done. What could not be removed
    /// is in nobody's way, and is removed at the next start.
    fn finish_removals(&mut self) {
        for removal in self
            .removals
            .extract_if(.., |removal| removal.is_finished())
        {
            if let Ok(Err(error)) = removal.join() {
                tracing::error!(%error, "removing the spends of a closed epoch failed");
            }
        }
    }

    /// Rolls when the active segment's first entry is old enough.
    fn roll_if_due(&mut self, now: UnixTime) {
        let span = SEGMENT_SPAN.min(self.limits.entry_lifetime / 4);
        let current = self.segments.get(&self.journal.current());
        if let Some(Some(times)) = current
            && (now < times.latest || now.since(times.earliest) >= span)
        {
            self.journal.roll();
        }
    }

    /// Archives the spends of epochs that have many; tries them all.
    fn archive_many(&mut self) -> io::Result<()> {
        let archived = self.epochs.values_mut().map(SpentSet::archive_many);
        archived.fold(Ok(()), Result::and)
    }

    /// Removes the sealed segments in which nothing lives, when their spends are
    /// archived. While one cannot be, only those go that hold no spends.
    fn retire_segments(&mut self, now: UnixTime) -> io::Result<()> {
        let mut archived = Ok(());
        for segment in self.journal.sealed() {
            let times = self.segments.get(&segment).copied().flatten();
            if times.is_some_and(|times| times.may_hold_life(self.limits, now)) {
                continue;
            }
            if times.is_some() && archived.is_ok() {
                let mut epochs = self.epochs.values_mut();
                archived = epochs.try_for_each(|epoch| epoch.let_go_of(segment));
            }
            if times.is_some() && archived.is_err() {
                continue;
            }
            self.journal.remove(segment)?;
            if !self.journal.sealed().contains(&segment) {
                self.segments.remove(&segment);
            }
        }
        archived
    }

    fn forget_staged(&mut self) {
        self.staged.clear();
        self.staged_tokens.clear();
        self.staged_boxes.clear();
    }
}

impl<D: Disk> StateMachine for Machine<D> {
    type Disk = D;
    type Command = Command;
    type Answer = Answer;

    fn journal(&mut self) -> &mut Journal<D> {
        &mut self.journal
    }

    fn decide(&mut self, command: Command, frame: &mut FrameBuilder) -> Answer {
        match command {
            Command::Spend(spend, now) => Answer::Spend(self.decide_spend(spend, now, frame)),
            Command::Close(epoch) => Answer::Close(self.close(epoch).map_err(|e| unavailable(&e))),
            Command::Count(epoch) => Answer::Count(self.count(&epoch)),
            Command::CountAll => {
                let counts = self.epochs.iter().map(|(epoch, set)| (*epoch, set.len()));
                Answer::CountAll(counts.collect())
            }
        }
    }

    fn commit(&mut self) {
        let segment = self.journal.current();
        let times = self.segments.entry(segment).or_default();
        for staged in &self.staged {
            // An epoch closed within this very commit needs no spends any more.
            if let Some(set) = self.epochs.get_mut(&staged.token_key_id) {
                set.insert(staged.nonce, staged.record, segment);
            }
            Times::include(times, staged.at);
        }
        let entries = self.staged.drain(..);
        let dropped = self
            .mailboxes
            .push(entries.map(|s| (s.mailbox, s.sequence, s.at, s.entry)));
        count_dropped(dropped);
        self.forget_staged();
    }

    fn abort(&mut self) {
        self.forget_staged();
    }

    const TICK: Duration = TICK;

    fn tick(&mut self) -> Option<io::Result<()>> {
        let now = (self.clock)();
        if self.tidied.replace(now) == Some(now) {
            return None;
        }
        self.mailboxes.expire(now);
        self.roll_if_due(now);
        let archived = self.archive_many();
        self.finish_removals();
        Some(self.retire_segments(now).and(archived))
    }
}

impl<D: Disk> Drop for Machine<D> {
    /// Waits for what is done in the background, so that the disk is free then.
    fn drop(&mut self) {
        for removal in self.removals.drain(..) {
            // What failed is done at the next start.
            let _ = removal.join();
        }
    }
}

fn unavailable(error: &io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Opens the archives of all epochs that have one, and clears away those of
/// closed epochs.
fn open_epochs<D: Disk>(
    disk: &D,
    closed: &HashSet<TokenKeyId>,
) -> Result<HashMap<TokenKeyId, SpentSet<D>>, OpenStoreError> {
    let mut epochs = HashMap::new();
    for name in disk.list()? {
        let Some(id) = name.strip_prefix(spent::FILE_PREFIX) else {
            continue;
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(id, &mut bytes)
            .map_err(|_| OpenStoreError::ForeignFile(name.clone()))?;
        let id = TokenKeyId(bytes);
        if closed.contains(&id) {
            disk.remove(&name)?;
        } else {
            epochs.insert(id, SpentSet::open(disk, id)?);
        }
    }
    Ok(epochs)
}

fn open_epoch<'a, D: Disk>(
    epochs: &'a mut HashMap<TokenKeyId, SpentSet<D>>,
    disk: &D,
    id: TokenKeyId,
) -> io::Result<&'a mut SpentSet<D>> {
    use std::collections::hash_map::Entry::{Occupied, Vacant};
    match epochs.entry(id) {
        Occupied(epoch) => Ok(epoch.into_mut()),
        Vacant(place) => Ok(place.insert(SpentSet::open(disk, id)?)),
    }
}
