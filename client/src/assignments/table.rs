//! The table of assignments, in a file or in memory: the same statements for both.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::database::{from_column, to_column};

/// SHA-256 of what a PASSporT's signature is over.
pub(super) type PassportDigest = [u8; 32];

/// SHA-256 of a call's name.
pub(super) type CallDigest = [u8; 32];

/// How much longer than its PASSporT an assignment is kept: a clock that is set back by
/// less makes no used PASSporT good again.
const KEPT_LONGER: Duration = Duration::from_secs(600);

/// Most assignments, the newest ones: so many end in eleven minutes of 150 calls a second.
const MAX_ASSIGNMENTS: i64 = 100_000;

/// Most that one call removes, so that none waits for the removal of very many.
const REMOVED_AT_ONCE: i64 = 1_000;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) passport: PassportDigest,
    pub(super) call: CallDigest,
    pub(super) ends: UnixTime,
}

/// The call that the PASSporT belongs to.
pub(super) fn call_of(
    table: &Connection,
    passport: &PassportDigest,
) -> rusqlite::Result<Option<CallDigest>> {
    let mut statement = table.prepare_cached("SELECT call FROM assignment WHERE passport = ?")?;
    let found = statement.query_row([passport], |row| row.get(0));
    found.optional()
}

/// Adds a row, unless the PASSporT has one.
pub(super) fn add(table: &Connection, row: &Row) -> rusqlite::Result<()> {
    let mut statement = table.prepare_cached(
        "INSERT INTO assignment (passport, call, ends) VALUES (?, ?, ?)
         ON CONFLICT (passport) DO NOTHING",
    )?;
    statement.execute(params![row.passport, row.call, to_column(row.ends)])?;
    Ok(())
}

/// The rows whose PASSporTs may still be good.
pub(super) fn fresh_rows(table: &Connection, now: UnixTime) -> rusqlite::Result<Vec<Row>> {
    let mut statement = table.prepare_cached(
        "SELECT passport, call, ends FROM assignment WHERE ends >= ? ORDER BY id",
    )?;
    let rows = statement.query_map([to_column(now)], |row| {
        Ok(Row {
            passport: row.get(0)?,
            call: row.get(1)?,
            ends: from_column(row.get(2)?),
        })
    })?;
    rows.collect()
}

/// Removes some of those that ended, and all that are too many.
pub(super) fn trim(table: &Connection, now: UnixTime) -> rusqlite::Result<()> {
    let ended = to_column(now.minus(KEPT_LONGER));
    let mut statement = table.prepare_cached(
        "DELETE FROM assignment WHERE id IN
             (SELECT id FROM assignment WHERE ends < ? LIMIT ?)",
    )?;
    statement.execute([ended, REMOVED_AT_ONCE])?;
    let mut statement = table.prepare_cached(
        "DELETE FROM assignment WHERE id <= (SELECT max(id) FROM assignment) - ?",
    )?;
    statement.execute([MAX_ASSIGNMENTS])?;
    Ok(())
}

/// Removes all.
pub(super) fn clear(table: &Connection) -> rusqlite::Result<()> {
    table.execute("DELETE FROM assignment", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn table() -> Connection {
        let table = Connection::open_in_memory().unwrap();
        table.execute_batch(include_str!("schema.sql")).unwrap();
        table
    }

    fn row(number: u64, ends: UnixTime) -> Row {
        let mut passport = [0; 32];
        passport[..8].copy_from_slice(&number.to_be_bytes());
        let call = [1; 32];
        Row {
            passport,
            call,
            ends,
        }
    }

    #[test]
    fn an_assignment_ends_some_minutes_after_its_passport() {
        let table = table();
        let row = row(1, NOW);
        add(&table, &row).unwrap();
        trim(&table, NOW.plus(KEPT_LONGER)).unwrap();
        assert_eq!(fresh_rows(&table, NOW).unwrap(), [row]);
        trim(&table, UnixTime(NOW.plus(KEPT_LONGER).0 + 1)).unwrap();
        assert_eq!(fresh_rows(&table, NOW).unwrap(), []);
    }

    #[test]
    fn the_first_call_of_a_passport_is_its_only_one() {
        let table = table();
        let first = row(1, NOW);
        add(&table, &first).unwrap();
        let second = Row {
            call: [2; 32],
            ..first
        };
        add(&table, &second).unwrap();
        assert_eq!(call_of(&table, &first.passport).unwrap(), Some([1; 32]));
    }

    #[test]
    fn the_table_holds_a_bounded_number_the_newest_ones() {
        let table = table();
        let begun = table.unchecked_transaction().unwrap();
        let most = u64::try_from(MAX_ASSIGNMENTS).unwrap();
        for number in 0..most + 3 {
            add(&begun, &row(number, NOW)).unwrap();
        }
        trim(&begun, NOW).unwrap();
        begun.commit().unwrap();
        let kept = fresh_rows(&table, NOW).unwrap();
        assert_eq!(kept.len() as u64, most);
        assert_eq!(kept[0], row(3, NOW));
    }
}
