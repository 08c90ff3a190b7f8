//! The unexpired entries, in memory: written by the one thread that commits, read
//! by every request that polls.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_base::time::UnixTime;
use pennyblack_sealing::envelope::Cursor;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_storage::journal::SegmentNumber;

use crate::store::{Entry, Limits, Page};

/// A stored entry with its place in the mailbox.
struct StoredEntry {
    sequence: u64,
    at: UnixTime,
    entry: Entry,
}

/// All mailboxes that hold anything.
pub(super) struct Mailboxes {
    limits: Limits,
    /// Locked for a look-up or a few pushes, never while waiting.
    boxes: RwLock<HashMap<MailboxId, VecDeque<StoredEntry>>>,
    /// Which mailbox each entry went to, by the second, so that expiring takes as
    /// long as there are dead entries, however many live.
    stored: Mutex<VecDeque<(UnixTime, Vec<MailboxId>)>>,
}

impl Mailboxes {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            boxes: RwLock::default(),
            stored: Mutex::default(),
        }
    }

    pub(super) fn page(
        &self,
        mailbox: MailboxId,
        after: Cursor,
        max: usize,
        now: UnixTime,
    ) -> Page {
        let boxes = self.read();
        let entries = boxes.get(&mailbox).map(|entries| {
            let seen = entries.partition_point(|stored| stored.sequence <= after.0);
            entries.range(seen..)
        });
        let mut waiting = entries
            .into_iter()
            .flatten()
            .filter(|stored| self.limits.is_alive(stored.at, now));
        let mut page = Page {
            entries: Vec::with_capacity(max),
            more: false,
            next: after,
        };
        for stored in waiting.by_ref().take(max) {
            page.entries.push(stored.entry.clone());
            page.next = Cursor(stored.sequence);
        }
        page.more = waiting.next().is_some();
        page
    }

    /// Unexpired entries of a mailbox, and the sequence number of its last one. One
    /// that expired before an older one, since the clock was set back, still counts.
    pub(super) fn fill(&self, mailbox: MailboxId, now: UnixTime) -> (usize, u64) {
        let boxes = self.read();
        let entries = boxes.get(&mailbox);
        let alive = entries.map_or(0, |entries| {
            let dead = |stored: &&StoredEntry| !self.limits.is_alive(stored.at, now);
            entries.len() - entries.iter().take_while(dead).count()
        });
        let last = entries.and_then(VecDeque::back);
        (alive, last.map_or(0, |stored| stored.sequence))
    }

    /// Adds durable entries: mailbox, sequence number, time, entry.
    pub(super) fn push(&self, entries: impl Iterator<Item = (MailboxId, u64, UnixTime, Entry)>) {
        let mut seconds = self.seconds();
        let mut boxes = self.write();
        for (mailbox, sequence, at, entry) in entries {
            let stored = StoredEntry {
                sequence,
                at,
                entry,
            };
            boxes.entry(mailbox).or_default().push_back(stored);
            match seconds.back_mut() {
                Some((second, mailboxes)) if *second == at => mailboxes.push(mailbox),
                _ => seconds.push_back((at, vec![mailbox])),
            }
        }
    }

    /// Drops expired entries, up to the oldest second with an unexpired one. (A
    /// clock that is set back puts younger entries behind older ones.)
    pub(super) fn expire(&self, now: UnixTime) {
        let mut seconds = self.seconds();
        while let Some((_, mailboxes)) =
            seconds.pop_front_if(|(at, _)| !self.limits.is_alive(*at, now))
        {
            let mut boxes = self.write();
            for mailbox in mailboxes {
                let hash_map::Entry::Occupied(mut entries) = boxes.entry(mailbox) else {
                    continue;
                };
                entries.get_mut().pop_front();
                if entries.get().is_empty() {
                    entries.remove();
                }
            }
        }
    }

    fn seconds(&self) -> MutexGuard<'_, VecDeque<(UnixTime, Vec<MailboxId>)>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<MailboxId, VecDeque<StoredEntry>>> {
        self.boxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<MailboxId, VecDeque<StoredEntry>>> {
        self.boxes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sequence number after `last` in a segment. Numbers begin with the
/// segment's, which never comes again, so they go on across restarts without
/// being stored; and they are a mailbox's own, so that they do not tell one
/// recipient how much the others are called.
pub(super) fn next_sequence(last: u64, segment: SegmentNumber) -> u64 {
    let first = segment.0.saturating_add(1) << 32;
    first.max(last.saturating_add(1))
}
