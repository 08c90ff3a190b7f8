//! Records that could not be verified for a reason that may pass, such as a revocation list
//! that is due: they are judged again in each round. Not here: judging.

use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use rusqlite::{Transaction, params};

use super::judging::{Beside, Verdict};
use super::room::RoomLimits;
use super::rows::{Added, add_good, halves, id_of, parsed, signer_of, spc_of};
use super::state::CpsId;
use super::{Directory, DirectoryError};
use crate::database::{count_to_column, to_column};

/// Most records of one CPS that wait. Nobody has verified them, so nobody's room is charged.
const MAX_WAITING: i64 = 1_000;

/// Adds a record that waits; nothing if its CPS has too many of them.
pub(super) fn add(
    tables: &Transaction<'_>,
    cps: CpsId,
    hash: KeyRecordHash,
    record: &UnverifiedKeyRecord,
) -> Result<Option<i64>, DirectoryError> {
    let waiting: i64 = tables
        .prepare_cached(
            "SELECT count(*) FROM record JOIN served ON served.record = record.id
             WHERE holder IS NULL AND served.cps = ?",
        )?
        .query_row([cps], |row| row.get(0))?;
    if waiting >= MAX_WAITING {
        return Ok(None);
    }
    let known = id_of(tables, hash)?;
    if known.is_some() {
        return Ok(known);
    }
    let claims = record.record();
    let (header, rest) = halves(record.as_str())?;
    let signer = signer_of(tables, header, None)?;
    tables
        .prepare_cached(
            "INSERT INTO record (hash, signer, rest, mailbox, iss, iat, exp, spc, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            hash.0,
            signer,
            rest,
            claims.key.mailbox().0,
            claims.iss,
            to_column(claims.iat),
            to_column(claims.exp),
            spc_of(&claims.coverage),
            count_to_column(record.as_str().len() as u64),
        ])?;
    Ok(Some(tables.last_insert_rowid()))
}

impl Directory {
    /// The records that wait.
    pub(super) fn waiting(&self) -> Result<Vec<UnverifiedKeyRecord>, DirectoryError> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT signer.header || '.' || record.rest FROM record
             JOIN signer ON signer.id = record.signer WHERE record.holder IS NULL",
        )?;
        let texts = read.query_map([], |row| row.get::<_, String>(0))?;
        let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
        Ok(texts.iter().filter_map(|text| parsed(text)).collect())
    }

    /// Takes up what became of them: those that are good are at hand from now on.
    pub(super) fn settle_waiting(
        &self,
        judged: &[(UnverifiedKeyRecord, Verdict)],
        beside: &Beside,
        limits: RoomLimits,
    ) -> Result<u64, DirectoryError> {
        self.write(|tables| {
            let mut good_ones = 0;
            for (record, verdict) in judged {
                let hash = KeyRecordHash::of(record.as_str());
                match verdict {
                    Verdict::Good(good) => {
                        let chain = beside.chain_behind(record);
                        let added = add_good(tables, hash, good, chain.as_ref(), limits)?;
                        match added.and_then(Added::row) {
                            Some(_) => good_ones += 1,
                            None => remove(tables, hash)?,
                        }
                    }
                    Verdict::Refused(_) => remove(tables, hash)?,
                    Verdict::Waiting(_) | Verdict::Known => {}
                }
            }
            Ok(good_ones)
        })
    }
}

fn remove(tables: &Transaction<'_>, hash: KeyRecordHash) -> rusqlite::Result<()> {
    tables
        .prepare_cached("DELETE FROM record WHERE hash = ?")?
        .execute([hash.0])?;
    Ok(())
}
