//! Entries of kinds that a later version has added (docs/protocol.md section 7.2): they
//! are skipped, counted and reported. Not here: what entries say.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LogEntry, Statement};

/// How many entries of each unknown kind a reader has skipped: at most 256 numbers,
/// however long the log is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SkippedKinds(BTreeMap<u8, u64>);

impl SkippedKinds {
    /// Counts an entry, if its kind is unknown; whether it is.
    pub fn record(&mut self, entry: &LogEntry) -> bool {
        let Statement::Unknown(unknown) = &entry.statement else {
            return false;
        };
        let count = self.0.entry(unknown.kind()).or_default();
        *count = count.saturating_add(1);
        true
    }

    /// Whether nothing was skipped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Entries skipped, of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Adds what another reading has skipped.
    pub fn add(&mut self, more: &Self) {
        for (kind, more) in &more.0 {
            let count = self.0.entry(*kind).or_default();
            *count = count.saturating_add(*more);
        }
    }
}

/// `3 entries of kinds that this version does not know (kind 9: 2, kind 11: 1)`.
impl fmt::Display for SkippedKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = match self.total() {
            1 => "entry",
            _ => "entries",
        };
        let kinds = match self.0.len() {
            1 => "a kind",
            _ => "kinds",
        };
        let each = self.0.iter();
        let each: Vec<_> = each
            .map(|(kind, count)| format!("kind {kind}: {count}"))
            .collect();
        write!(
            f,
            "{} {entries} of {kinds} that this version does not know ({})",
            self.total(),
            each.join(", ")
        )
    }
}
