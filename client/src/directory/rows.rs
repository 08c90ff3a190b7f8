//! Rows of the file: a verified record, its blocks, its signer's certificates, and the CPSs that
//! show it. Not here: what a page of a feed does to them (`import`).

use pennyblack_base::encoding;
use pennyblack_base::wire::put_vec_u16;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_protocol::key_record::{Coverage, UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_stir::jws::X5c;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::DirectoryError;
use super::blocks::{Block, blocks_of};
use super::room::{BYTES_OF_NEWEST, RoomLimits, holder, weight};
use super::state::CpsId;
use crate::database::{count_from_column, count_to_column, to_column};

/// The row of a record, verified or not.
pub(super) fn id_of(
    tables: &Transaction<'_>,
    hash: KeyRecordHash,
) -> rusqlite::Result<Option<i64>> {
    let mut find = tables.prepare_cached("SELECT id FROM record WHERE hash = ?")?;
    find.query_row([hash.0], |row| row.get(0)).optional()
}

/// The row of a record, verified.
pub(super) fn verified_id_of(
    tables: &Connection,
    hash: KeyRecordHash,
) -> rusqlite::Result<Option<i64>> {
    let mut find =
        tables.prepare_cached("SELECT id FROM record WHERE hash = ? AND holder IS NOT NULL")?;
    find.query_row([hash.0], |row| row.get(0)).optional()
}

/// At which CPSs a record is.
fn served_at(tables: &Transaction<'_>, hash: KeyRecordHash) -> rusqlite::Result<Vec<CpsId>> {
    let mut read = tables.prepare_cached(
        "SELECT cps FROM served WHERE record = (SELECT id FROM record WHERE hash = ?)",
    )?;
    let rows = read.query_map([hash.0], |row| row.get(0))?;
    rows.collect()
}

/// A record is at this CPS.
pub(super) fn serve_at(tables: &Transaction<'_>, record: i64, cps: CpsId) -> rusqlite::Result<()> {
    tables
        .prepare_cached("INSERT OR IGNORE INTO served (record, cps) VALUES (?, ?)")?
        .execute(params![record, cps])?;
    Ok(())
}

/// What became of a good record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in the file now.
    New(i64),
    /// It was there before, verified: another CPS of the same round has shown it, too.
    Known(i64),
    /// Its holder, or all, have no room for it.
    NoRoom,
}

impl Added {
    /// Its row, if it has one.
    pub(super) const fn row(self) -> Option<i64> {
        match self {
            Self::New(id) | Self::Known(id) => Some(id),
            Self::NoRoom => None,
        }
    }
}

/// Adds a verified record; nothing if a newer one of its mailbox and signer is known. Older
/// ones go: **of each mailbox and signer the newest counts**, whatever numbers it is for. If it
/// waited, it is shown where it was.
pub(super) fn add_good(
    tables: &Transaction<'_>,
    hash: KeyRecordHash,
    good: &VerifiedKeyRecord,
    chain: Option<&X5c>,
    limits: RoomLimits,
) -> Result<Option<Added>, DirectoryError> {
    if let Some(id) = verified_id_of(tables, hash)? {
        return Ok(Some(Added::Known(id)));
    }
    let record = good.record();
    let (mailbox, iat) = (good.mailbox().0, to_column(record.iat));
    let newest: Option<i64> = tables
        .prepare_cached("SELECT iat FROM newest WHERE mailbox = ? AND iss = ?")?
        .query_row(params![mailbox, record.iss], |row| row.get(0))
        .optional()?;
    if newest.is_some_and(|newest| newest > iat) {
        return Ok(None);
    }
    let older = params![mailbox, record.iss, iat, hash.0];
    const OLDER: &str = "FROM record WHERE mailbox = ?1 AND iss = ?2 AND (iat < ?3 OR hash = ?4)
             AND (holder IS NOT NULL OR hash = ?4)";
    // What waits is charged to nobody.
    const FREED: &str = "SELECT coalesce(sum(bytes) FILTER (WHERE holder IS NOT NULL), 0)";
    let freed: i64 = tables
        .prepare_cached(&format!("{FREED} {OLDER}"))?
        .query_row(older, |row| row.get(0))?;
    let (token, grant) = (good.as_str(), good.grant());
    let blocks = blocks_of_coverage(&record.coverage);
    let weight = weight(token, blocks.len());
    let remembered = match newest {
        Some(_) => 0,
        None => BYTES_OF_NEWEST,
    };
    let freed = count_from_column(freed);
    if !limits.has_room(grant, weight.saturating_add(remembered), freed, tables)? {
        return Ok(Some(Added::NoRoom));
    }
    let at = served_at(tables, hash)?;
    tables
        .prepare_cached(&format!("DELETE {OLDER}"))?
        .execute(older)?;
    let (header, rest) = halves(token)?;
    let signer = signer_of(tables, header, chain)?;
    let breadth = good.breadth();
    tables
        .prepare_cached(
            "INSERT INTO record (hash, signer, rest, mailbox, iss, iat, exp, spc, bytes, holder,
                                 signer_width, highest_width, width)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            hash.0,
            signer,
            rest,
            mailbox,
            record.iss,
            iat,
            to_column(record.exp),
            spc_of(&record.coverage),
            count_to_column(weight),
            holder(grant),
            count_to_column(breadth.signer),
            count_to_column(breadth.highest),
            count_to_column(breadth.record),
        ])?;
    let id = tables.last_insert_rowid();
    add_blocks(tables, id, &blocks)?;
    for cps in at {
        serve_at(tables, id, cps)?;
    }
    remember_newest(tables, (&mailbox, record.iss.as_str()), iat, &holder(grant))?;
    Ok(Some(Added::New(id)))
}

/// Two statements, since a replaced row would be charged twice.
fn remember_newest(
    tables: &Transaction<'_>,
    (mailbox, iss): (&[u8; 32], &str),
    iat: i64,
    holder: &[u8; 32],
) -> rusqlite::Result<()> {
    tables
        .prepare_cached("DELETE FROM newest WHERE mailbox = ? AND iss = ?")?
        .execute(params![mailbox, iss])?;
    tables
        .prepare_cached(
            "INSERT INTO newest (mailbox, iss, iat, holder, bytes) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            mailbox,
            iss,
            iat,
            holder,
            count_to_column(BYTES_OF_NEWEST)
        ])?;
    Ok(())
}

/// The header of a compact JWS, and what follows its dot.
pub(super) fn halves(token: &str) -> Result<(&str, &str), DirectoryError> {
    token
        .split_once('.')
        .ok_or(DirectoryError::Damaged("a record without dots"))
}

pub(super) fn spc_of(coverage: &Coverage) -> Option<String> {
    match coverage {
        Coverage::Spc(spc) => Some(spc.to_string()),
        Coverage::Number(_) | Coverage::Range(_) => None,
    }
}

/// The blocks of what a record is for; none of those of an SPC.
pub(super) fn blocks_of_coverage(coverage: &Coverage) -> Vec<Block> {
    match coverage {
        Coverage::Number(number) => blocks_of(&number.clone().into()),
        Coverage::Range(range) => blocks_of(range),
        Coverage::Spc(_) => Vec::new(),
    }
}

fn add_blocks(tables: &Transaction<'_>, id: i64, blocks: &[Block]) -> rusqlite::Result<()> {
    let mut add = tables.prepare_cached("INSERT OR IGNORE INTO block VALUES (?, ?, ?)")?;
    for Block { digits, prefix } in blocks {
        add.execute(params![count_to_column(*digits as u64), prefix, id])?;
    }
    Ok(())
}

/// The row of a header, and with it of a signer's certificates.
pub(super) fn signer_of(
    tables: &Transaction<'_>,
    header: &str,
    chain: Option<&X5c>,
) -> rusqlite::Result<i64> {
    let digest = encoding::sha256(header.as_bytes());
    let found = tables
        .prepare_cached("SELECT id FROM signer WHERE digest = ?")?
        .query_row([digest], |row| row.get(0))
        .optional()?;
    let chain = chain.map(encode_chain);
    if let Some(id) = found {
        if chain.is_some() {
            tables
                .prepare_cached("UPDATE signer SET chain = ? WHERE id = ?")?
                .execute(params![chain, id])?;
        }
        return Ok(id);
    }
    tables
        .prepare_cached("INSERT INTO signer (digest, header, chain) VALUES (?, ?, ?)")?
        .execute(params![digest, header, chain])?;
    Ok(tables.last_insert_rowid())
}

/// Each certificate, preceded by its length.
fn encode_chain(chain: &X5c) -> Vec<u8> {
    let mut out = Vec::new();
    for certificate in chain.certificates() {
        put_vec_u16(&mut out, certificate);
    }
    out
}

/// A record of the right form, if a text is one.
pub(super) fn parsed(text: &str) -> Option<UnverifiedKeyRecord> {
    UnverifiedKeyRecord::parse(text).ok()
}
