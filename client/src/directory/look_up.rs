//! Records out of the file: those of a number, or all. **They are verified again by those who use
//! them**, so nobody is trusted with the file. Not here: verifying.

use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::Reader;
use pennyblack_protocol::key_record::{Coverage, UnverifiedKeyRecord};
use pennyblack_stir::Spc;
use pennyblack_stir::jws::{CertificateReference, X5c};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use rusqlite::{Connection, Row, ToSql};

use super::blocks::{Block, blocks_around};
use super::judging::MAX_ASKED;
use super::rows::{blocks_of_coverage, parsed};
use super::{Directory, DirectoryError};
use crate::certificates::Certificates;
use crate::database::{count_to_column, to_column};

/// Most records of a number that are looked at, the most specific.
const MAX_OF_NUMBER: usize = 64;

/// Blocks around a number of 15 digits.
const MAX_AROUND: usize = 16;

/// Most that is read of a directory at once.
#[derive(Debug, Clone, Copy)]
pub struct MirrorLimits {
    /// Most records.
    pub records: usize,
    /// Most bytes of records.
    pub bytes: usize,
}

/// Records of a directory, and what it has to verify them by.
#[derive(Debug, Clone, Default)]
pub struct Mirrored {
    /// The records, the most specific first if they are of one number.
    pub records: Vec<UnverifiedKeyRecord>,
    /// Whether there are more.
    pub is_partial: bool,
    /// The certificates of those that name a URL.
    pub certificates: Certificates,
    /// Who holds their numbers, as a numbering service said when they were taken up.
    pub holders: NumberingTable,
}

const COLUMNS: &str = "record.rest, signer.header, signer.chain
    FROM record JOIN signer ON signer.id = record.signer";
const AT_HAND: &str = "record.holder IS NOT NULL AND record.exp > ?1";
const ORDER: &str = "ORDER BY signer_width, highest_width, width, record.hash";

impl Directory {
    /// The records that may answer for a number, also as one of all numbers of these SPCs, which
    /// hold it by a numbering table. Asks nobody.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn records_of(
        &self,
        number: &TelephoneNumber,
        spcs: &[Spc],
        now: UnixTime,
    ) -> Result<Mirrored, DirectoryError> {
        let connection = self.lock();
        let mut mirrored = Mirrored::default();
        let around: Vec<_> = blocks_around(number).take(MAX_AROUND).collect();
        let marks = vec!["?"; MAX_AROUND].join(",");
        let sql = format!(
            "SELECT {COLUMNS} WHERE {AT_HAND} AND record.id IN
                 (SELECT record FROM block WHERE digits = ?2 AND prefix IN ({marks}))
             {ORDER} LIMIT {}",
            MAX_OF_NUMBER + 1
        );
        let (now, digits) = (
            to_column(now),
            count_to_column(number.as_str().len() as u64),
        );
        let mut values: Vec<&dyn ToSql> = vec![&now, &digits];
        // A statement has a fixed number of places, so that it is prepared once.
        let last = around.last().map(|block| &block.prefix);
        let prefixes = around.iter().map(|block| &block.prefix);
        let prefixes = prefixes.chain(std::iter::repeat_n(last, MAX_AROUND).flatten());
        values.extend(prefixes.take(MAX_AROUND).map(|prefix| prefix as &dyn ToSql));
        mirrored.read(&connection, &sql, &values)?;
        for spc in spcs {
            let sql = format!(
                "SELECT {COLUMNS} WHERE {AT_HAND} AND record.spc = ?2 {ORDER} LIMIT {}",
                MAX_OF_NUMBER + 1
            );
            mirrored.read(&connection, &sql, &[&now, &spc.to_string()])?;
        }
        mirrored.is_partial = mirrored.records.len() > MAX_OF_NUMBER;
        mirrored.read_holders(&connection)?;
        Ok(mirrored)
    }

    /// All records, or those of numbers that begin with one of `prefixes`, up to the limits; and
    /// those for all numbers of SPCs.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn all_records(
        &self,
        prefixes: &[TelephoneNumber],
        limits: MirrorLimits,
        now: UnixTime,
    ) -> Result<Mirrored, DirectoryError> {
        let connection = self.lock();
        let mut mirrored = Mirrored::default();
        let sql = format!("SELECT {COLUMNS} WHERE {AT_HAND} ORDER BY record.id");
        let mut read = connection.prepare_cached(&sql)?;
        let mut rows = read.query([to_column(now)])?;
        let mut bytes = 0_usize;
        while let Some(row) = rows.next()? {
            let Some((record, chain)) = of_row(row)? else {
                continue;
            };
            if !prefixes.is_empty() && !is_below(&record.record().coverage, prefixes) {
                continue;
            }
            bytes = bytes.saturating_add(record.as_str().len());
            if mirrored.records.len() >= limits.records || bytes > limits.bytes {
                mirrored.is_partial = true;
                break;
            }
            mirrored.add(record, chain);
        }
        mirrored.read_holders(&connection)?;
        Ok(mirrored)
    }
}

impl Mirrored {
    fn read(
        &mut self,
        connection: &Connection,
        sql: &str,
        values: &[&dyn ToSql],
    ) -> Result<(), DirectoryError> {
        let mut read = connection.prepare_cached(sql)?;
        let mut rows = read.query(values)?;
        while let Some(row) = rows.next()? {
            if let Some((record, chain)) = of_row(row)? {
                self.add(record, chain);
            }
        }
        Ok(())
    }

    fn add(&mut self, record: UnverifiedKeyRecord, chain: Option<X5c>) {
        if let (CertificateReference::X5u(url), Some(chain)) = (record.certificate(), chain) {
            self.certificates.insert(url, chain);
        }
        self.records.push(record);
    }

    /// Who holds the numbers of these records by what was answered.
    fn read_holders(&mut self, connection: &Connection) -> Result<(), DirectoryError> {
        let mut read = connection
            .prepare_cached("SELECT number, spc FROM number_holder WHERE number BETWEEN ? AND ?")?;
        for record in &self.records {
            let (first, last) = match &record.record().coverage {
                Coverage::Number(number) => (number.clone(), number.clone()),
                // Nobody was asked about a larger one, and others may have many in it.
                Coverage::Range(range) if range.count() > MAX_ASKED => continue,
                Coverage::Range(range) => {
                    let last = Block::last_of(range).unwrap_or_else(|| range.start().clone());
                    (range.start().clone(), last)
                }
                Coverage::Spc(_) => continue,
            };
            let mut rows = read.query([first.as_str(), last.as_str()])?;
            while let Some(row) = rows.next()? {
                let (number, spc): (String, Option<String>) = (row.get(0)?, row.get(1)?);
                let number: Result<TelephoneNumber, _> = number.parse();
                let number = number.map_err(|_| DirectoryError::Damaged("number_holder.number"))?;
                let spc: Option<Spc> = spc.and_then(|spc| spc.parse().ok());
                self.holders.assign(&number, spc.as_ref());
            }
        }
        Ok(())
    }
}

/// A record, and the chain behind its URL. A row that is none is passed over: the file is no
/// evidence of anything.
fn of_row(row: &Row<'_>) -> rusqlite::Result<Option<(UnverifiedKeyRecord, Option<X5c>)>> {
    let (rest, header): (String, String) = (row.get(0)?, row.get(1)?);
    let chain: Option<Vec<u8>> = row.get(2)?;
    let record = parsed(&format!("{header}.{rest}"));
    let chain = chain.and_then(|bytes| decode_chain(&bytes));
    Ok(record.map(|record| (record, chain)))
}

fn decode_chain(bytes: &[u8]) -> Option<X5c> {
    let mut reader = Reader::new(bytes);
    let mut certificates = Vec::new();
    while !reader.is_empty() {
        certificates.push(reader.vec_u16().ok()?.to_vec());
    }
    X5c::new(certificates).ok()
}

/// Whether a record may answer for a number that begins with one of `prefixes`.
fn is_below(coverage: &Coverage, prefixes: &[TelephoneNumber]) -> bool {
    if matches!(coverage, Coverage::Spc(_)) {
        return true;
    }
    let meets = |block: &Block| {
        prefixes.iter().any(|prefix| {
            let (prefix, block) = (prefix.as_str(), &*block.prefix);
            prefix.starts_with(block) || block.starts_with(prefix)
        })
    };
    blocks_of_coverage(coverage).iter().any(meets)
}
