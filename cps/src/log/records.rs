//! What the log says of key records, and up to where readers are told of it. Not here: which
//! records there are, and when one is stated.

use std::sync::atomic::{AtomicU64, Ordering};

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{KeyRecordHash, Statement};
use pennyblack_logserver::nodes::{LogRole, StateError};
use pennyblack_logserver::statements::{RECORDS_KEPT_FOR, RecordEntry};
use pennyblack_protocol::key_record::{MAX_CLOCK_SKEW, MAX_LIFETIME};
use tokio::task::JoinSet;

use super::CpsLog;

/// Statements that become durable at the same time.
const AT_ONCE: usize = 256;

// A published record has ended before the log forgets that it was published, in the minute of
// its entry and by clocks that differ.
const _: () = {
    let life = MAX_LIFETIME.as_secs() + MAX_CLOCK_SKEW.as_secs() + 60;
    assert!(RECORDS_KEPT_FOR.as_secs() > life);
};

/// Up to which place all entries about key records are known here. **Entries become durable in
/// another order than that of their places**: one that a reader was not told of while a later
/// one was would never be told.
#[derive(Debug)]
pub(super) struct Settled(AtomicU64);

impl Settled {
    /// Nothing is under way yet.
    pub(super) fn of(role: &LogRole) -> Self {
        Self(AtomicU64::new(size(role)))
    }

    /// Notes that nothing is under way.
    fn settle(&self, role: &LogRole) {
        self.0.store(size(role), Ordering::Release);
    }

    fn end(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

fn size(role: &LogRole) -> u64 {
    role.published().map_or(0, |log| log.size())
}

/// Some of what the log says of key records.
#[derive(Debug)]
pub(crate) struct RecordEntries {
    /// With their places, the oldest first.
    pub(crate) entries: Vec<(u64, RecordEntry)>,
    /// Whether there are no more before `end`.
    pub(crate) is_all: bool,
    /// The place after the last that readers are told of.
    pub(crate) end: u64,
}

impl CpsLog {
    /// Whether this node states what becomes of key records: that of the log's leader.
    pub(crate) fn states_records(&self) -> bool {
        self.role.statements().is_some()
    }

    /// Whether readers may be told what this node's log says: another may lead it.
    pub(crate) fn is_leading(&self) -> bool {
        self.role.is_leading()
    }

    /// Whether a record is published by the log, and not ended.
    pub(crate) fn is_published(&self, hash: &KeyRecordHash) -> bool {
        let log = self.role.statements();
        log.is_some_and(|log| log.records(|records| records.is_published(hash)))
    }

    /// The published records, each with the time at which it has reached its end for certain.
    pub(crate) fn published_records(&self) -> Vec<(KeyRecordHash, UnixTime)> {
        let Some(log) = self.role.statements() else {
            return Vec::new();
        };
        log.records(|records| {
            let published = records.published();
            let ends = published.map(|(hash, at)| (hash, at.start().plus(RECORDS_KEPT_FOR)));
            ends.collect()
        })
    }

    /// Forgets a record that has reached its end, of which the log says nothing.
    pub(crate) fn forget_record(&self, hash: &KeyRecordHash) {
        if let Some(log) = self.role.statements() {
            log.records(|records| records.forget(hash));
        }
    }

    /// States what has become of key records, each once. For one caller at a time.
    ///
    /// # Errors
    /// [`StateError`], one of them; any of the others may be stated, and none is under way.
    pub(crate) async fn state_records(
        &self,
        statements: &[Statement],
        now: UnixTime,
    ) -> Result<(), StateError> {
        for some in statements.chunks(AT_ONCE) {
            let mut under_way = JoinSet::new();
            for statement in some.iter().cloned() {
                let role = self.role.clone();
                under_way.spawn(async move {
                    let event = event(&statement);
                    let is_new = role.state(statement, now).await?;
                    Ok::<_, StateError>(is_new.then_some(event))
                });
            }
            let mut stated = Ok(());
            while let Some(one) = under_way.join_next().await {
                match one.unwrap_or(Err(StateError::NotYet)) {
                    Ok(None) => {}
                    Ok(Some(event)) => count(event),
                    Err(error) => stated = Err(error),
                }
            }
            self.settled.settle(&self.role);
            stated?;
        }
        Ok(())
    }

    /// At most `max` of the entries after a place, or from the first; those under the log's
    /// checkpoint. `None` at a follower, which passes on what the leader answers.
    pub(crate) fn record_entries(&self, after: Option<u64>, max: usize) -> Option<RecordEntries> {
        let log = self.role.statements()?;
        // In this order: what is signed later may not be settled.
        let settled = self.settled.end();
        let signed = log.published().checkpoint().checkpoint().head.size;
        let end = settled.min(signed);
        let mut entries: Vec<_> = log.records(|records| {
            let entries = records.entries(after, end);
            entries.take(max.saturating_add(1)).collect()
        });
        let is_all = entries.len() <= max;
        entries.truncate(max);
        Some(RecordEntries {
            entries,
            is_all,
            end,
        })
    }
}

/// As it is counted.
const fn event(statement: &Statement) -> &'static str {
    match statement {
        Statement::KeyRecordPublished(_) => "published",
        _ => "ended",
    }
}

fn count(event: &'static str) {
    metrics::counter!("pennyblack_cps_key_records_logged_total", "event" => event).increment(1);
}
