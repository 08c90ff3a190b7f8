//! The unexpired entries, in memory: written by the one thread that commits, read
//! by every request that polls.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_base::time::UnixTime;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use pennyblack_sealing::sealed::slot_size;
use pennyblack_storage::journal::SegmentNumber;
use zeroize::Zeroizing;

use crate::store::{Entry, Limits, Page, StoreError, Window};

/// A stored entry with its index in the mailbox.
struct StoredEntry {
    sequence: u64,
    at: UnixTime,
    entry: Entry,
}

/// What one mailbox holds.
#[derive(Default)]
struct Mailbox {
    /// Oldest first; at most as many as the capacity.
    entries: VecDeque<StoredEntry>,
    /// Sequence number of the newest entry that was dropped for a newer one, and the latest
    /// time of all of them: after the clock was set back, an older one lives longer.
    dropped: Option<(u64, UnixTime)>,
}

impl Mailbox {
    /// Adds an entry and drops the oldest when there are more than `capacity`: how many.
    fn push(&mut self, stored: StoredEntry, capacity: usize) -> u64 {
        self.entries.push_back(stored);
        if self.entries.len() > capacity
            && let Some(oldest) = self.entries.pop_front()
        {
            let latest = self.dropped.map_or(oldest.at, |(_, at)| at.max(oldest.at));
            self.dropped = Some((oldest.sequence, latest));
            return 1;
        }
        0
    }
}

/// All mailboxes that hold anything.
pub(super) struct Mailboxes {
    limits: Limits,
    /// What is copied from for slots without an entry: one for each of a page, or fillers
    /// would come out of a nearer cache than entries.
    fillers: Vec<Entry>,
    /// Locked for a look-up or a few pushes, never while waiting.
    boxes: RwLock<HashMap<MailboxId, Mailbox>>,
    /// Which mailbox each entry went to, by the second, so that expiring takes as
    /// long as there are dead entries, however many live.
    stored: Mutex<VecDeque<(UnixTime, Vec<MailboxId>)>>,
}

impl Mailboxes {
    pub(super) fn new(limits: Limits) -> Self {
        let sizes = Kem::ALL.map(slot_size);
        let longest = sizes.into_iter().max().unwrap_or_default();
        let most = Slots::TwoHundredFiftySix.count();
        // Written to: the system gives memory that was only asked for as one page of zeros.
        let filler = |_| Entry::new(vec![1; longest].into());
        Self {
            limits,
            fillers: (0..most).map(filler).collect(),
            boxes: RwLock::default(),
            stored: Mutex::default(),
        }
    }

    /// Copies a whole window, whatever is in it: each slot from its entry or the filler.
    pub(super) fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        let found = self.found(mailbox, window, now);
        let mut bytes = Zeroizing::new(Vec::with_capacity(window.bytes()));
        for slot in &found.slots {
            let slot = slot.as_ref().get(..window.slot_size).unwrap_or_default();
            bytes.extend_from_slice(slot);
        }
        let mut page = Page::new(window, bytes, found.filled)?;
        page.more = found.more;
        page.dropped = found.dropped;
        page.next = found.next;
        Ok(page)
    }

    fn found(&self, mailbox: MailboxId, window: Window, now: UnixTime) -> Found {
        let mut found = Found {
            slots: Vec::with_capacity(window.max),
            filled: 0,
            more: false,
            dropped: false,
            next: window.after,
        };
        let boxes = self.read();
        let mailbox = boxes.get(&mailbox);
        let entries = mailbox.map(|mailbox| {
            let is_seen = |stored: &StoredEntry| stored.sequence <= window.after.0;
            let seen = mailbox.entries.partition_point(is_seen);
            mailbox.entries.range(seen..)
        });
        let mut waiting = entries
            .into_iter()
            .flatten()
            .filter(|stored| self.limits.is_alive(stored.at, now));
        for filler in self.fillers.iter().cycle().take(window.max) {
            let Some(stored) = waiting.next() else {
                found.slots.push(filler.clone());
                continue;
            };
            found.slots.push(stored.entry.clone());
            found.filled += 1;
            found.next = Cursor(stored.sequence);
        }
        found.more = waiting.next().is_some();
        let dropped = mailbox.and_then(|mailbox| mailbox.dropped);
        found.dropped = dropped.is_some_and(|(sequence, at)| {
            window.after.0 < sequence && self.limits.is_alive(at, now)
        });
        found
    }

    /// Whether an entry is there: neither expired nor dropped for a newer one.
    pub(super) fn holds(&self, mailbox: MailboxId, sequence: u64) -> bool {
        let boxes = self.read();
        let entries = boxes.get(&mailbox).map(|mailbox| &mailbox.entries);
        entries.is_some_and(|entries| {
            let found = entries.binary_search_by_key(&sequence, |stored| stored.sequence);
            found.is_ok()
        })
    }

    /// The sequence number of the last entry of a mailbox.
    pub(super) fn last(&self, mailbox: MailboxId) -> u64 {
        let boxes = self.read();
        let entries = boxes.get(&mailbox).map(|mailbox| &mailbox.entries);
        let last = entries.and_then(VecDeque::back);
        last.map_or(0, |stored| stored.sequence)
    }

    /// Adds durable entries: mailbox, sequence number, time, entry. How many others were
    /// dropped for them.
    pub(super) fn push(
        &self,
        entries: impl Iterator<Item = (MailboxId, u64, UnixTime, Entry)>,
    ) -> u64 {
        let mut dropped = 0;
        let mut seconds = self.seconds();
        let mut boxes = self.write();
        for (mailbox, sequence, at, entry) in entries {
            let stored = StoredEntry {
                sequence,
                at,
                entry,
            };
            let capacity = self.limits.mailbox_capacity;
            dropped += boxes.entry(mailbox).or_default().push(stored, capacity);
            match seconds.back_mut() {
                Some((second, mailboxes)) if *second == at => mailboxes.push(mailbox),
                _ => seconds.push_back((at, vec![mailbox])),
            }
        }
        dropped
    }

    /// Drops expired entries, up to the oldest second with an unexpired one. (A
    /// clock that is set back puts younger entries behind older ones.) An entry that a
    /// newer one has pushed out is noted there too: at its second no unexpired entry goes.
    pub(super) fn expire(&self, now: UnixTime) {
        let mut seconds = self.seconds();
        while let Some((_, mailboxes)) =
            seconds.pop_front_if(|(at, _)| !self.limits.is_alive(*at, now))
        {
            let mut boxes = self.write();
            for mailbox in mailboxes {
                let hash_map::Entry::Occupied(mut mailbox) = boxes.entry(mailbox) else {
                    continue;
                };
                let is_dead = |stored: &mut StoredEntry| !self.limits.is_alive(stored.at, now);
                mailbox.get_mut().entries.pop_front_if(is_dead);
                if mailbox.get().entries.is_empty() {
                    mailbox.remove();
                }
            }
        }
    }

    /// How many seconds have entries.
    #[cfg(test)]
    pub(super) fn seconds_noted(&self) -> usize {
        self.seconds().len()
    }

    fn seconds(&self) -> MutexGuard<'_, VecDeque<(UnixTime, Vec<MailboxId>)>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<MailboxId, Mailbox>> {
        self.boxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<MailboxId, Mailbox>> {
        self.boxes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slots of a window before they are copied, which takes no lock.
struct Found {
    slots: Vec<Entry>,
    filled: usize,
    more: bool,
    dropped: bool,
    next: Cursor,
}

/// The sequence number after `last` in a segment. Numbers begin with the
/// segment's, which never comes again, so they go on across restarts without
/// being stored; and they are a mailbox's own, so that they do not tell one
/// recipient how much the others are called.
pub(super) fn next_sequence(last: u64, segment: SegmentNumber) -> u64 {
    let first = segment.0.saturating_add(1) << 32;
    first.max(last.saturating_add(1))
}
