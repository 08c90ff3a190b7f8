//! What CPSs' logs say of key records, until the feeds have shown it. Not here: how a log is read
//! (`pennyblack_evidence`), and the records.

use std::collections::HashMap;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_evidence::record_log::{KeyRecordEvent, KeyRecordLogRead};
use pennyblack_protocol::key_record::MAX_LIFETIME;
use rusqlite::{Connection, Transaction, params};

use super::state::CpsId;
use super::{Directory, DirectoryError};
use crate::database::{count_from_column, count_to_column, to_column};

/// How long after it was made an entry may be of an unexpired record: a day more than the longest
/// life, for clocks.
const OF_USE: Duration = MAX_LIFETIME.saturating_add(Duration::from_secs(86_400));

/// How often a record is asked for. It may end just as it is asked for: its end is in the log by
/// the next round then.
pub(super) const MAX_MISSES: u32 = 2;

/// When a log was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAt {
    /// When it was last read to its end, before this round.
    pub(super) before: Option<UnixTime>,
    /// This round.
    pub(super) now: UnixTime,
}

impl ReadAt {
    /// When an entry was made that claims `minute`. **A CPS writes what it likes there**: an entry
    /// that was not in the log when that was last read to its end was made later, and none is made
    /// after it is read.
    fn since(self, minute: UnixTime) -> UnixTime {
        minute.max(self.before.unwrap_or(minute)).min(self.now)
    }
}

/// A record that a log has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedHash {
    pub(super) index: u64,
    pub(super) hash: KeyRecordHash,
    /// How often it was asked for in vain.
    pub(super) misses: u32,
}

impl Directory {
    /// Keeps what a reading of a log has brought, with how far it is read now.
    pub(super) fn keep_log(
        &self,
        id: CpsId,
        read: &KeyRecordLogRead,
        at: ReadAt,
    ) -> Result<(), DirectoryError> {
        let json = read.view.to_json()?;
        let of_use = at.now.minus(OF_USE);
        let ended = read.view.is_at_the_end().then_some(to_column(at.now));
        self.write(|tables| {
            let mut add = tables.prepare_cached(
                "INSERT OR REPLACE INTO logged (cps, place, is_ended, hash, since)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            for entry in &read.entries {
                let since = at.since(entry.minute.start());
                if since >= of_use {
                    let is_ended = entry.event == KeyRecordEvent::Ended;
                    let place = count_to_column(entry.index);
                    add.execute(params![id, place, is_ended, entry.hash.0, to_column(since)])?;
                }
            }
            tables.execute(
                "DELETE FROM logged WHERE cps = ? AND since < ?",
                params![id, to_column(of_use)],
            )?;
            tables.execute(
                "UPDATE cps SET log = ?, log_read = coalesce(?, log_read) WHERE id = ?",
                params![json, ended, id],
            )?;
            Ok(())
        })
    }

    /// What the log says at these places.
    pub(super) fn logged(
        &self,
        id: CpsId,
        (first, last): (u64, u64),
    ) -> Result<HashMap<u64, (KeyRecordEvent, KeyRecordHash)>, DirectoryError> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT place, is_ended, hash FROM logged WHERE cps = ? AND place BETWEEN ? AND ?",
        )?;
        let places = params![id, count_to_column(first), count_to_column(last)];
        let rows = read.query_map(places, |row| {
            let event = match row.get(1)? {
                true => KeyRecordEvent::Ended,
                false => KeyRecordEvent::Published,
            };
            Ok((
                count_from_column(row.get(0)?),
                (event, KeyRecordHash(row.get(2)?)),
            ))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether so many entries of a log or more are kept.
    pub(super) fn has_logged(&self, id: CpsId, max: u64) -> Result<bool, DirectoryError> {
        let connection = self.lock();
        let mut count = connection
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM logged WHERE cps = ? LIMIT ?)")?;
        let kept: i64 = count.query_row(params![id, count_to_column(max)], |row| row.get(0))?;
        Ok(count_from_column(kept) >= max)
    }

    /// Records that a log has published since a time, of which the feed had neither the text nor
    /// the end, and that were not told of.
    pub(super) fn unshown(
        &self,
        id: CpsId,
        since: UnixTime,
        max: usize,
    ) -> Result<Vec<LoggedHash>, DirectoryError> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT place, hash, misses FROM logged AS published
             WHERE cps = ?1 AND is_ended = 0 AND since >= ?2 AND misses < ?3
                 AND NOT EXISTS (SELECT 1 FROM logged WHERE cps = ?1 AND is_ended = 1
                                     AND hash = published.hash AND place > published.place)
             ORDER BY place LIMIT ?4",
        )?;
        let max = count_to_column(max as u64);
        let rows = read.query_map(params![id, to_column(since), MAX_MISSES, max], |row| {
            Ok(LoggedHash {
                index: count_from_column(row.get(0)?),
                hash: KeyRecordHash(row.get(1)?),
                misses: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How often each of these was asked for in vain by now.
    pub(super) fn asked(&self, id: CpsId, asked: &[(u64, u32)]) -> Result<(), DirectoryError> {
        self.write(|tables| {
            let mut mark = tables
                .prepare_cached("UPDATE logged SET misses = ? WHERE cps = ? AND place = ?")?;
            for (place, misses) in asked {
                mark.execute(params![misses, id, count_to_column(*place)])?;
            }
            Ok(())
        })
    }

    /// Whether the log has entries about key records after this place.
    pub(super) fn awaits_feed(
        &self,
        id: CpsId,
        position: Option<u64>,
    ) -> Result<bool, DirectoryError> {
        Ok(has_after(&self.lock(), id, position)?)
    }
}

/// Whether the log has entries about key records after this place.
pub(super) fn has_after(
    tables: &Connection,
    id: CpsId,
    place: Option<u64>,
) -> rusqlite::Result<bool> {
    let place = place.map_or(-1, count_to_column);
    tables
        .prepare_cached("SELECT 1 FROM logged WHERE cps = ? AND place > ?")?
        .exists(params![id, place])
}

/// The feed has shown these. **What it is still to show is compared then**, also if it is known by
/// its hash.
pub(super) fn forget_shown(
    tables: &Transaction<'_>,
    id: CpsId,
    position: Option<u64>,
    places: impl Iterator<Item = u64>,
) -> rusqlite::Result<()> {
    let mut forget = tables.prepare_cached("DELETE FROM logged WHERE cps = ? AND place = ?")?;
    for place in places.filter(|place| Some(*place) <= position) {
        forget.execute(params![id, count_to_column(place)])?;
    }
    Ok(())
}

/// What was made before a time is of no use as far as the feed was read.
pub(super) fn forget_passed(
    tables: &Transaction<'_>,
    id: CpsId,
    position: Option<u64>,
    before: UnixTime,
) -> rusqlite::Result<()> {
    let position = position.map_or(-1, count_to_column);
    tables
        .prepare_cached("DELETE FROM logged WHERE cps = ? AND place <= ? AND since < ?")?
        .execute(params![id, position, to_column(before)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_old_as_its_log_proves_whatever_it_claims() {
        let at = |before| ReadAt {
            before,
            now: UnixTime(1_000),
        };
        let of = |before: Option<u64>, claimed| at(before.map(UnixTime)).since(UnixTime(claimed)).0;
        assert_eq!(of(None, 60), 60);
        assert_eq!(of(Some(600), 60), 600);
        assert_eq!(of(Some(600), 660), 660);
        assert_eq!(of(Some(600), u64::MAX), 1_000);
        assert_eq!(of(None, u64::MAX), 1_000);
    }
}
