//! How far each CPS was followed. Not here: the entries of its log (`logged`), and the records.

use std::collections::HashMap;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::record_log::KeyRecordLogView;
use pennyblack_tlog::VerifierKey;
use rusqlite::{Connection, Transaction, params};

use super::{Directory, DirectoryError};
use crate::database::{count_from_column, from_column, to_column};

/// The row of a CPS.
pub(super) type CpsId = i64;

/// Where a CPS's feed and log are to be read on.
#[derive(Debug, Clone)]
pub(super) struct FeedState {
    pub(super) id: CpsId,
    pub(super) position: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) log: KeyRecordLogView,
    /// When the log was last read to its end, before this round.
    pub(super) log_read: Option<UnixTime>,
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
            type Row = (
                CpsId,
                Option<i64>,
                Option<String>,
                Option<String>,
                Option<i64>,
            );
            let (id, position, etag, log, log_read): Row = tables.query_row(
                "SELECT id, position, etag, log, log_read FROM cps WHERE authority = ?",
                [authority.as_str()],
                |row| row.try_into(),
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
                    log_read: log_read.map(from_column),
                }),
                _ => begin(tables, id, log_key),
            }
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

fn begin(
    tables: &Transaction<'_>,
    id: CpsId,
    log_key: &VerifierKey,
) -> Result<FeedState, DirectoryError> {
    tables.execute("DELETE FROM logged WHERE cps = ?", [id])?;
    tables.execute(
        "UPDATE cps SET position = NULL, etag = NULL, log_read = NULL WHERE id = ?",
        [id],
    )?;
    Ok(FeedState {
        id,
        position: None,
        etag: None,
        log: KeyRecordLogView::begin(log_key.clone()),
        log_read: None,
    })
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
    let rows = read.query_map([to_column(now)], |row| row.try_into())?;
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
