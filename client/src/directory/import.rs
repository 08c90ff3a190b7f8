//! Records into the file: what is judged, in one transaction with how far the feed was read. Not
//! here: judging.

use std::collections::HashSet;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_protocol::key_record::{MAX_CLOCK_SKEW, MAX_LIFETIME};
use rusqlite::{Transaction, params};

use super::judging::{Beside, SeenRecord, Verdict};
use super::logged::{forget_passed, forget_shown, has_after};
use super::room::RoomLimits;
use super::rows::{Added, add_good, id_of, serve_at, verified_id_of};
use super::state::CpsId;
use super::waiting;
use super::{Directory, DirectoryError};
use crate::database::{self, count_to_column, to_column};

/// What a line of a feed has led to.
#[derive(Debug)]
pub(super) enum Item {
    /// A record, judged.
    Seen(Box<SeenRecord>),
    /// The end of one.
    Ended(KeyRecordHash),
}

impl Item {
    /// The record, if it is one.
    pub(super) fn seen(&self) -> Option<&SeenRecord> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::Ended(_) => None,
        }
    }
}

/// Where a feed is after a page.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// All with this index and before are taken up.
    pub(super) position: Option<u64>,
    /// When it was read to its end, if it was. That is not believed of a feed that stands still
    /// while its log goes on.
    pub(super) complete: Option<UnixTime>,
    /// Of an answer with nothing behind the position.
    pub(super) etag: Option<String>,
    /// Entries of the log from before this time are not needed up to the position.
    pub(super) passed_before: UnixTime,
}

/// How many records a page has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) new: u64,
    pub(super) refused: u64,
    pub(super) crowded: u64,
    /// Whether the log has more to show than the feed.
    pub(super) is_behind: bool,
}

impl Directory {
    /// Which of these records are in the file, verified.
    pub(super) fn known(
        &self,
        hashes: &[KeyRecordHash],
    ) -> Result<HashSet<KeyRecordHash>, DirectoryError> {
        let connection = self.lock();
        let mut known = HashSet::new();
        for hash in hashes {
            if verified_id_of(&connection, *hash)?.is_some() {
                known.insert(*hash);
            }
        }
        Ok(known)
    }

    /// Takes a page up, and how far the feed was read by it: all or nothing.
    pub(super) fn take_up(
        &self,
        cps: CpsId,
        items: &[Item],
        (beside, reached): (&Beside, &Reached),
        limits: RoomLimits,
        now: UnixTime,
    ) -> Result<Taken, DirectoryError> {
        self.write(|tables| {
            let mut taken = Taken::default();
            keep_answers(tables, beside, now)?;
            let seen = items.iter().filter_map(Item::seen);
            forget_shown(tables, cps, reached.position, seen.map(|seen| seen.index))?;
            for item in items {
                match item {
                    Item::Seen(seen) => take_one(tables, cps, seen, beside, limits, &mut taken)?,
                    Item::Ended(hash) => end(tables, cps, *hash)?,
                }
            }
            forget_passed(tables, cps, reached.position, reached.passed_before)?;
            taken.is_behind = has_after(tables, cps, reached.position)?;
            let complete = reached.complete.filter(|_| !taken.is_behind);
            tables.execute(
                "UPDATE cps SET position = ?, complete = coalesce(?, complete), etag = ?,
                        refused = refused + ?, crowded = crowded + ? WHERE id = ?",
                params![
                    reached.position.map(count_to_column),
                    complete.map(to_column),
                    reached.etag,
                    count_to_column(taken.refused),
                    count_to_column(taken.crowded),
                    cps
                ],
            )?;
            Ok(taken)
        })
    }

    /// Deletes what has ended, and puts all that a round has brought on the disk.
    pub(super) fn tidy(&self, now: UnixTime) -> Result<(), DirectoryError> {
        self.write(|tables| {
            tables.execute("DELETE FROM record WHERE exp <= ?", [to_column(now)])?;
            // Every older record has ended then.
            let ended = now.minus(MAX_LIFETIME).minus(MAX_CLOCK_SKEW);
            tables.execute("DELETE FROM newest WHERE iat < ?", [to_column(ended)])?;
            tables.execute(
                "DELETE FROM number_holder WHERE asked < ?",
                [to_column(ended)],
            )?;
            tables.execute(
                "DELETE FROM signer
                 WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.signer = signer.id)",
                [],
            )?;
            Ok(())
        })?;
        Ok(database::sync(&self.lock())?)
    }
}

fn keep_answers(tables: &Transaction<'_>, beside: &Beside, now: UnixTime) -> rusqlite::Result<()> {
    for (number, spc) in &beside.holders {
        let spc = spc.as_ref().map(ToString::to_string);
        tables
            .prepare_cached("INSERT OR REPLACE INTO number_holder VALUES (?, ?, ?)")?
            .execute(params![number.as_str(), spc, to_column(now)])?;
    }
    Ok(())
}

fn take_one(
    tables: &Transaction<'_>,
    cps: CpsId,
    seen: &SeenRecord,
    beside: &Beside,
    limits: RoomLimits,
    taken: &mut Taken,
) -> Result<(), DirectoryError> {
    let id = match (&seen.verdict, &seen.record) {
        (Verdict::Known, _) => id_of(tables, seen.hash)?,
        (Verdict::Good(good), Some(record)) => {
            let chain = beside.chain_behind(record);
            let added = add_good(tables, seen.hash, good, chain.as_ref(), limits)?;
            taken.crowded += u64::from(added == Some(Added::NoRoom));
            taken.new += u64::from(matches!(added, Some(Added::New(_))));
            added.and_then(Added::row)
        }
        (Verdict::Waiting(_), Some(record)) => {
            let added = waiting::add(tables, cps, seen.hash, record)?;
            taken.crowded += u64::from(added.is_none());
            added
        }
        _ => {
            taken.refused += 1;
            None
        }
    };
    if let Some(id) = id {
        serve_at(tables, id, cps)?;
    }
    Ok(())
}

/// A CPS shows a record no longer; the last one that does so ends it.
fn end(tables: &Transaction<'_>, cps: CpsId, hash: KeyRecordHash) -> rusqlite::Result<()> {
    let Some(id) = id_of(tables, hash)? else {
        return Ok(());
    };
    tables
        .prepare_cached("DELETE FROM served WHERE record = ? AND cps = ?")?
        .execute(params![id, cps])?;
    tables
        .prepare_cached(
            "DELETE FROM record WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM served WHERE record = ?1)",
        )?
        .execute([id])?;
    Ok(())
}
