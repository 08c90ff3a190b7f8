//! Mailboxes: adding an entry, reading a page. Each is a script in the mailbox's slot.
//!
//! An entry is a key of its own, which the server lets expire; beside it stands a
//! mark of the request, which lives longer than the request may be repeated. Entries
//! are numbered by the server's clock in microseconds, so that numbers grow even
//! when nothing is left of the mailbox, and so that they do not tell one recipient
//! how much others are called.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_redis::{Redis, RedisError, Script, Value};
use pennyblack_sealing::envelope::Cursor;
use pennyblack_sealing::mailbox::MailboxId;

use super::answers;
use super::keys::{EntryId, Keys};
use crate::store::{Limits, Page, StoreError, Window, count_dropped};

/// What a cursor is above its entry's number. A CPS that moved here from the embedded
/// store gave out cursors that count segments of a journal, all of them lower.
const CURSOR_BASE: u64 = 1 << 62;

#[derive(Debug)]
pub(super) struct Mailboxes {
    limits: Limits,
    /// How long a request is remembered after its entry was added.
    mark_lifetime: Duration,
    append: Script,
    drop: Script,
    page: Script,
}

impl Mailboxes {
    pub(super) fn new(limits: Limits, mark_lifetime: Duration) -> Self {
        Self {
            limits,
            mark_lifetime,
            append: Script::new(concat!(
                include_str!("dropped.lua"),
                include_str!("append.lua")
            )),
            drop: Script::new(concat!(
                include_str!("dropped.lua"),
                include_str!("drop.lua")
            )),
            page: Script::new(include_str!("page.lua")),
        }
    }

    /// Adds an entry; `false` when it was added before.
    pub(super) async fn append(
        &self,
        (redis, keys): (&Redis, &Keys),
        mailbox: &MailboxId,
        entry: &EntryId,
        sealed: &[u8],
        now: UnixTime,
    ) -> Result<bool, RedisError> {
        let names = keys.mailbox(mailbox);
        let entries = names.entries();
        let names = [
            names.by_number(),
            names.by_time(),
            names.entry(entry),
            names.mark(entry),
            names.dropped(),
        ];
        let names = names.each_ref().map(Vec::as_slice);
        let at = now.0.to_string();
        let [lifetime, mark] = self.lifetimes();
        let capacity = self.limits.mailbox_capacity.to_string();
        let arguments = [
            entry.as_bytes(),
            sealed,
            at.as_bytes(),
            lifetime.as_bytes(),
            mark.as_bytes(),
            capacity.as_bytes(),
            entries.as_slice(),
        ];
        let added: u64 = redis.write(&self.append, &names, &arguments).await?;
        count_dropped(added.saturating_sub(1));
        Ok(added > 0)
    }

    /// Records an entry as added and dropped for a newer one, as it was in another store at
    /// `at`.
    pub(super) async fn record_dropped(
        &self,
        (redis, keys): (&Redis, &Keys),
        mailbox: &MailboxId,
        entry: &EntryId,
        at: UnixTime,
    ) -> Result<(), RedisError> {
        let names = keys.mailbox(mailbox);
        let names = [names.mark(entry), names.dropped()];
        let names = names.each_ref().map(Vec::as_slice);
        let at = at.0.to_string();
        let [lifetime, mark] = self.lifetimes();
        let arguments = [at.as_bytes(), lifetime.as_bytes(), mark.as_bytes()];
        let _: u64 = redis.write(&self.drop, &names, &arguments).await?;
        Ok(())
    }

    /// How long an entry and its mark live, in milliseconds.
    fn lifetimes(&self) -> [String; 2] {
        let lifetimes = [self.limits.entry_lifetime, self.mark_lifetime];
        lifetimes.map(|lifetime| lifetime.as_millis().to_string())
    }

    pub(super) async fn page(
        &self,
        at: (&Redis, &Keys),
        mailbox: &MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        let answer = self.ask(at, mailbox, window, now).await;
        let answer = answer.map_err(super::unavailable)?;
        let found = answers::page(answer).map_err(super::unavailable)?;
        let mut page = Page::new(window, found.slots, found.filled)?;
        (page.more, page.dropped) = (found.more, found.dropped);
        if found.filled > 0 {
            page.next = Cursor(found.last.saturating_add(CURSOR_BASE));
        }
        Ok(page)
    }

    /// What the server answers: as many bytes whatever there is.
    pub(super) async fn ask(
        &self,
        (redis, keys): (&Redis, &Keys),
        mailbox: &MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Vec<Value>, RedisError> {
        let names = keys.mailbox(mailbox);
        let entries = names.entries();
        let names = [names.by_number(), names.by_time(), names.dropped()];
        let names = names.each_ref().map(Vec::as_slice);
        let (stored_after, until) = self.alive_between(now);
        let cursor = window.after.0.saturating_sub(CURSOR_BASE).to_string();
        let max = window.max.to_string();
        let size = window.slot_size.to_string();
        let lifetime = self.limits.entry_lifetime.as_micros().to_string();
        let arguments = [
            entries.as_slice(),
            cursor.as_bytes(),
            max.as_bytes(),
            stored_after.as_bytes(),
            until.as_bytes(),
            lifetime.as_bytes(),
            size.as_bytes(),
        ];
        redis.read(&self.page, &names, &arguments).await
    }

    /// An entry is alive at `now` that was stored after the first time and not
    /// after the second; see [`Limits::is_alive`].
    fn alive_between(&self, now: UnixTime) -> (String, String) {
        let lifetime = i128::from(self.limits.entry_lifetime.as_secs());
        let now = i128::from(now.0);
        ((now - lifetime).to_string(), (now + lifetime).to_string())
    }
}
