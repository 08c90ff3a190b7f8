//! How far each CPS was followed, and what of its log has no line in its feed yet. Not here: the
//! records.

use std::collections::HashMap;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_evidence::record_log::{KeyRecordEvent, KeyRecordLogRead, KeyRecordLogView};
use pennyblack_protocol::key_record::MAX_LIFETIME;
use pennyblack_tlog::VerifierKey;
use rusqlite::{Connection, Transaction, params};

use super::{Directory, DirectoryError};
use crate::database::{count_from_column, count_to_column, from_column, to_column};

/// The row of a CPS.
pub(super) type CpsId = i64;

/// How long after its minute an entry may be of an unexpired record: a day more than the longest
/// life, for clocks.
const OF_USE: Duration = MAX_LIFETIME.saturating_add(Duration::from_secs(86_400));

/// Where a CPS's feed and log are to be read on.
#[derive(Debug, Clone)]
pub(super) struct FeedState {
    pub(super) id: CpsId,
    pub(super) position: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) log: KeyRecordLogView,
}

/// A CPS that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedCps {
    /// Which.
    pub authority: Authority,
    /// All of its feed up to this index is taken up.
    pub position: Option<u64>,
    /// When its feed was last read to its end; nothing before the first time.
    pub complete: Option<UnixTime>,
    /// Entries of its log that are read.
    pub log_entries: u64,
    /// Unexpired records that it shows.
    pub records: u64,
    /// Records of it that were not trusted.
    pub refused: u64,
    /// Records of it for which there was no room.
    pub crowded: u64,
}

/// What a directory has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryState {
    /// Verified, unexpired records.
    pub records: u64,
    /// Records that wait for something to be verified by.
    pub waiting: u64,
    /// Signers whose certificates are kept.
    pub signers: u64,
    /// The CPSs that were ever followed, by their authorities.
    pub cpss: Vec<FollowedCps>,
}

/// When the feeds of CPSs were last read to their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastComplete(HashMap<String, UnixTime>);

impl LastComplete {
    /// When all of these were: the oldest time. Nothing if one never was.
    #[must_use]
    pub fn of_all<'a>(&self, cpss: impl Iterator<Item = &'a Authority>) -> Option<UnixTime> {
        let complete = cpss.map(|cps| self.0.get(cps.as_str()).copied());
        let complete: Option<Vec<_>> = complete.collect();
        complete?.into_iter().min()
    }
}

impl Directory {
    /// Where to read on. **By another key of its log, which the governors have signed, it is
    /// another log**: then it begins anew, and the records stay until they end.
    pub(super) fn feed_state(
        &self,
        authority: &Authority,
        log_key: &VerifierKey,
    ) -> Result<FeedState, DirectoryError> {
        self.write(|tables| {
            tables.execute(
                "INSERT OR IGNORE INTO cps (authority) VALUES (?)",
                [authority.as_str()],
            )?;
            type Row = (CpsId, Option<i64>, Option<String>, Option<String>);
            let (id, position, etag, log): Row = tables.query_row(
                "SELECT id, position, etag, log FROM cps WHERE authority = ?",
                [authority.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            let log = log
                .map(|json| KeyRecordLogView::from_json(&json))
                .transpose()?;
            match log {
                Some(log) if log.log() == log_key => Ok(FeedState {
                    id,
                    position: position.map(count_from_column),
                    etag,
                    log,
                }),
                _ => begin(tables, id, log_key),
            }
        })
    }

    /// Keeps what a reading of a log has brought, with how far it is read now.
    pub(super) fn keep_log(
        &self,
        id: CpsId,
        read: &KeyRecordLogRead,
        now: UnixTime,
    ) -> Result<(), DirectoryError> {
        let json = read.view.to_json()?;
        let of_use = now.minus(OF_USE);
        self.write(|tables| {
            let mut add = tables.prepare_cached(
                "INSERT OR REPLACE INTO logged (cps, place, is_ended, hash, minute)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            let entries = read.entries.iter();
            for entry in entries.filter(|entry| entry.minute.start() >= of_use) {
                let is_ended = entry.event == KeyRecordEvent::Ended;
                let minute = to_column(entry.minute.start());
                let place = count_to_column(entry.index);
                add.execute(params![id, place, is_ended, entry.hash.0, minute])?;
            }
            tables.execute(
                "DELETE FROM logged WHERE cps = ? AND minute < ?",
                params![id, to_column(of_use)],
            )?;
            tables.execute("UPDATE cps SET log = ? WHERE id = ?", params![json, id])?;
            Ok(())
        })
    }

    /// Remembers that a log has signed more than could be read.
    pub(super) fn remember_log(
        &self,
        id: CpsId,
        view: &KeyRecordLogView,
    ) -> Result<(), DirectoryError> {
        let json = view.to_json()?;
        let connection = self.lock();
        connection.execute("UPDATE cps SET log = ? WHERE id = ?", params![json, id])?;
        Ok(())
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

    /// Records that a log has published before the index `end`, of which the feed had neither the
    /// text nor the end: withheld, or ended by their `exp` meanwhile.
    pub(super) fn unshown(
        &self,
        id: CpsId,
        end: u64,
        max: usize,
    ) -> Result<Vec<LoggedHash>, DirectoryError> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT place, hash, minute, is_missed FROM logged AS published
             WHERE cps = ?1 AND is_ended = 0
                 AND place < ?3
                 AND NOT EXISTS (SELECT 1 FROM logged WHERE cps = ?1 AND is_ended = 1
                                     AND hash = published.hash AND place > published.place)
             ORDER BY place LIMIT ?2",
        )?;
        let bounds = params![id, count_to_column(max as u64), count_to_column(end)];
        let rows = read.query_map(bounds, |row| {
            Ok(LoggedHash {
                index: count_from_column(row.get(0)?),
                hash: KeyRecordHash(row.get(1)?),
                minute: from_column(row.get(2)?),
                is_missed: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When each feed was last read to its end.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn complete(&self) -> Result<LastComplete, DirectoryError> {
        let connection = self.lock();
        let mut read = connection
            .prepare_cached("SELECT authority, complete FROM cps WHERE complete IS NOT NULL")?;
        let rows = read.query_map([], |row| Ok((row.get(0)?, from_column(row.get(1)?))))?;
        Ok(LastComplete(rows.collect::<Result<_, _>>()?))
    }

    /// These records were asked for in vain.
    pub(super) fn missed(&self, id: CpsId, places: &[u64]) -> Result<(), DirectoryError> {
        self.write(|tables| {
            let mut mark = tables
                .prepare_cached("UPDATE logged SET is_missed = 1 WHERE cps = ? AND place = ?")?;
            for place in places {
                mark.execute(params![id, count_to_column(*place)])?;
            }
            Ok(())
        })
    }

    /// Nothing is to be found out about these any more.
    pub(super) fn forget(&self, id: CpsId, places: &[u64]) -> Result<(), DirectoryError> {
        self.write(|tables| Ok(forget_logged(tables, id, places.iter().copied())?))
    }

    /// What it has.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn state(&self, now: UnixTime) -> Result<DirectoryState, DirectoryError> {
        let connection = self.lock();
        let count = |sql: &str| -> rusqlite::Result<u64> {
            let mut count = connection.prepare_cached(sql)?;
            count.query_row([], |row| row.get(0)).map(count_from_column)
        };
        let mut unexpired = connection
            .prepare_cached("SELECT count(*) FROM record WHERE holder IS NOT NULL AND exp > ?")?;
        Ok(DirectoryState {
            records: count_from_column(unexpired.query_row([to_column(now)], |row| row.get(0))?),
            waiting: count("SELECT count(*) FROM record WHERE holder IS NULL")?,
            signers: count("SELECT count(*) FROM signer")?,
            cpss: followed(&connection, now)?,
        })
    }
}

/// A record that a log has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedHash {
    pub(super) index: u64,
    pub(super) hash: KeyRecordHash,
    pub(super) minute: UnixTime,
    /// Whether it was asked for in vain before.
    pub(super) is_missed: bool,
}

fn begin(
    tables: &Transaction<'_>,
    id: CpsId,
    log_key: &VerifierKey,
) -> Result<FeedState, DirectoryError> {
    tables.execute("DELETE FROM logged WHERE cps = ?", [id])?;
    tables.execute(
        "UPDATE cps SET position = NULL, etag = NULL WHERE id = ?",
        [id],
    )?;
    Ok(FeedState {
        id,
        position: None,
        etag: None,
        log: KeyRecordLogView::begin(log_key.clone()),
    })
}

/// Entries whose records the feed had are not needed any more.
pub(super) fn forget_logged(
    tables: &Transaction<'_>,
    id: CpsId,
    places: impl Iterator<Item = u64>,
) -> rusqlite::Result<()> {
    let mut forget = tables.prepare_cached("DELETE FROM logged WHERE cps = ? AND place = ?")?;
    for place in places {
        forget.execute(params![id, count_to_column(place)])?;
    }
    Ok(())
}

fn followed(connection: &Connection, now: UnixTime) -> Result<Vec<FollowedCps>, DirectoryError> {
    type Row = (
        String,
        Option<i64>,
        Option<i64>,
        Option<String>,
        i64,
        i64,
        i64,
    );
    let mut read = connection.prepare_cached(
        "SELECT authority, position, complete, log, refused, crowded,
                (SELECT count(*) FROM served JOIN record ON record.id = served.record
                 WHERE served.cps = cps.id AND record.holder IS NOT NULL AND record.exp > ?)
         FROM cps ORDER BY authority",
    )?;
    let rows = read.query_map([to_column(now)], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
            row.get(6)?,
        ))
    })?;
    let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
    let rows = rows.into_iter();
    rows.map(
        |(authority, position, complete, log, refused, crowded, records)| {
            let log = log
                .map(|json| KeyRecordLogView::from_json(&json))
                .transpose()?;
            let authority: Result<Authority, _> = authority.parse();
            Ok(FollowedCps {
                authority: authority.map_err(|_| DirectoryError::Damaged("cps.authority"))?,
                position: position.map(count_from_column),
                complete: complete.map(from_column),
                log_entries: log.map_or(0, |log| log.head().size),
                records: count_from_column(records),
                refused: count_from_column(refused),
                crowded: count_from_column(crowded),
            })
        },
    )
    .collect()
}
