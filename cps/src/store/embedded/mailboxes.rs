//! The living entries, in memory: written by the one thread that commits, read
//! by every request that polls.

use std::collections::{HashMap, VecDeque};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pennyblack_shared::envelope::Cursor;
use pennyblack_shared::mailbox::MailboxId;
use pennyblack_shared::time::UnixTime;
use pennyblack_storage::journal::SegmentNumber;

use crate::store::{Entry, Limits, Page};

/// A stored entry with its place in the mailbox.
struct Stored {
    sequence: u64,
    at: UnixTime,
    entry: Entry,
}

/// All mailboxes that hold anything.
pub(super) struct Mailboxes {
    limits: Limits,
    /// Locked for a look-up or a few pushes, never while waiting.
    boxes: RwLock<HashMap<MailboxId, VecDeque<Stored>>>,
}

impl Mailboxes {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            boxes: RwLock::default(),
        }
    }

    pub(super) fn page(
        &self,
        mailbox: MailboxId,
        after: Cursor,
        most: usize,
        now: UnixTime,
    ) -> Page {
        let boxes = self.read();
        let entries = boxes.get(&mailbox).into_iter().flatten();
        let mut waiting = entries
            .filter(|stored| stored.sequence > after.0 && self.limits.is_alive(stored.at, now));
        let mut page = Page {
            entries: Vec::with_capacity(most),
            more: false,
            next: after,
        };
        for stored in waiting.by_ref().take(most) {
            page.entries.push(stored.entry.clone());
            page.next = Cursor(stored.sequence);
        }
        page.more = waiting.next().is_some();
        page
    }

    /// Living entries of a mailbox, and the sequence number of its last one.
    pub(super) fn fill(&self, mailbox: MailboxId, now: UnixTime) -> (usize, u64) {
        let boxes = self.read();
        let entries = boxes.get(&mailbox);
        let alive = entries.map_or(0, |entries| {
            let alive = |stored: &&Stored| self.limits.is_alive(stored.at, now);
            entries.iter().filter(alive).count()
        });
        let last = entries.and_then(VecDeque::back);
        (alive, last.map_or(0, |stored| stored.sequence))
    }

    /// Adds durable entries: mailbox, sequence number, time, entry.
    pub(super) fn push(&self, entries: impl Iterator<Item = (MailboxId, u64, UnixTime, Entry)>) {
        let mut boxes = self.write();
        for (mailbox, sequence, at, entry) in entries {
            let stored = Stored {
                sequence,
                at,
                entry,
            };
            boxes.entry(mailbox).or_default().push_back(stored);
        }
    }

    /// Drops what is dead.
    pub(super) fn expire(&self, now: UnixTime) {
        self.write().retain(|_, entries| {
            entries.retain(|stored| self.limits.is_alive(stored.at, now));
            !entries.is_empty()
        });
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<MailboxId, VecDeque<Stored>>> {
        self.boxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<MailboxId, VecDeque<Stored>>> {
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
