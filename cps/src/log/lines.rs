//! The double spends of a log as `/v1/double-spends` tells them.

use std::io;
use std::ops::Range;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::{DoubleSpendEvidence, EvidenceFormError};
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use serde::{Deserialize, Serialize};

/// One double spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// Its place in the log.
    pub index: u64,
    /// The minute in which the second request came.
    pub minute: UnixTime,
    /// [`DoubleSpendEvidence`] as it is written, to be parsed and checked.
    pub evidence: serde_json::Value,
}

impl LogLine {
    /// The evidence, parsed and not checked.
    ///
    /// # Errors
    /// [`EvidenceFormError`].
    pub fn evidence(&self) -> Result<DoubleSpendEvidence, EvidenceFormError> {
        self.evidence.to_string().parse()
    }
}

/// The double spends from an index on, oldest first, at most `max`. `bundles` tells the places
/// of the next entries that have some among them, and `entries` reads at most so many from the
/// disk.
pub(super) fn read(
    bundles: impl Fn(u64) -> Option<Range<u64>>,
    entries: impl Fn(u64, usize) -> io::Result<Vec<(u64, LogEntry)>>,
    first: u64,
    max: usize,
) -> io::Result<Vec<LogLine>> {
    let mut lines = Vec::new();
    let mut place = first;
    while lines.len() < max
        && let Some(bundle) = bundles(place)
    {
        let first = place.max(bundle.start);
        let count = usize::try_from(bundle.end - first).unwrap_or(usize::MAX);
        let entries = entries(first, count)?.into_iter();
        let found = entries.filter_map(|(index, entry)| line(index, entry));
        lines.extend(found.take(max - lines.len()));
        place = bundle.end;
    }
    Ok(lines)
}

fn line(index: u64, entry: LogEntry) -> Option<LogLine> {
    let Statement::DoubleSpend(evidence) = entry.statement else {
        return None;
    };
    Some(LogLine {
        index,
        minute: entry.minute.start(),
        evidence: serde_json::from_str(&evidence.to_json()).ok()?,
    })
}
