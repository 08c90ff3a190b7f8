//! SQLite files that survive a crash at any instant, are shared by processes and are for
//! their owner only. Not here: what is in them (`wallet`, `assignments`).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_storage::data_directory;
use rusqlite::{Connection, Transaction, TransactionBehavior};

mod file_error;

pub use file_error::DatabaseFileError;
pub(crate) use file_error::Words;

/// Between two attempts to get a file that another process has locked.
const PAUSE: Duration = Duration::from_millis(5);

/// What a file holds, and who waits for it.
pub(crate) struct Schema {
    /// SQLite's `user_version`; never 0, which a new file has.
    pub(crate) version: i32,
    /// What makes the tables.
    pub(crate) tables: &'static [&'static str],
    /// How tables of earlier versions become those of this one, the oldest first: each leads
    /// to the version of the next, and the last one to `version`.
    pub(crate) upgrades: &'static [Upgrade],
    /// What is said of it.
    pub(crate) words: Words,
    /// Called with 0, 1, 2 … while another process has the file locked. It uses [`pause`],
    /// and gives up with `false`.
    pub(crate) wait: fn(i32) -> bool,
    /// When what was committed is on the disk.
    pub(crate) durability: Durability,
}

/// When a commit outlives the machine. It outlives the process at once, and no fault leaves half
/// of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When it returns: "written before it is sent" rests on it.
    AtOnce,
    /// Some commits later, or with [`sync`]: for a copy of what others have, of which much
    /// comes at a time.
    Later,
}

impl Durability {
    /// Pages of 4 KiB that are written behind each other before they go to their places. Of many
    /// commits in a row, each changes pages that the next changes, too.
    const PAGES: i64 = 16_384;
    /// Memory for pages, in KiB. With less, a page of indices is read anew for each row.
    const CACHE: i64 = 32_768;

    fn set(self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::AtOnce => connection.pragma_update(None, "synchronous", "FULL"),
            Self::Later => {
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                connection.pragma_update(None, "wal_autocheckpoint", Self::PAGES)?;
                // Negative: SQLite counts pages otherwise.
                connection.pragma_update(None, "cache_size", -Self::CACHE)
            }
        }
    }
}

/// A step from one version of the tables to the next. **It is never changed once a release
/// had it**: files of its version are as that release left them.
pub(crate) struct Upgrade {
    /// The version that it leads away from.
    pub(crate) from: i32,
    /// What changes the tables, and keeps what is in them.
    pub(crate) statements: &'static str,
}

/// Why a file was not opened.
pub(crate) enum OpenError {
    /// It will not be by itself.
    File(DatabaseFileError),
    /// The database refused, which may pass.
    Database(rusqlite::Error),
}

impl From<DatabaseFileError> for OpenError {
    fn from(error: DatabaseFileError) -> Self {
        Self::File(error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Opens the file, making it (mode 0600) with its tables if there is none.
pub(crate) fn open(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    make_private(path, &schema.words)?;
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(schema.wait))?;
    // WAL lets readers go on while one writes.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    schema.durability.set(&connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    make_tables(&mut connection, path, schema)?;
    Ok(connection)
}

/// One write transaction: all of it is in the file afterwards, or nothing. `IMMEDIATE`, so that
/// what it reads cannot be changed by another process before it writes.
pub(crate) fn write<T, E: From<rusqlite::Error>>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Puts what was committed on the disk, but for what others are at work with.
pub(crate) fn sync(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Sleeps, and says for how long another process has had the file by then.
pub(crate) fn pause(attempts: i32) -> Duration {
    thread::sleep(PAUSE);
    PAUSE.saturating_mul(u32::try_from(attempts).unwrap_or(0).saturating_add(1))
}

/// Whether another process had the file locked for too long.
pub(crate) fn is_locked(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// SQLite's integers are signed; times past year 292 billion do not occur.
pub(crate) fn to_column(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// The reverse.
pub(crate) fn from_column(seconds: i64) -> UnixTime {
    UnixTime(u64::try_from(seconds).unwrap_or(0))
}

/// SQLite's integers have 63 bits for what is counted; more than that does not occur.
pub(crate) fn count_to_column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The reverse.
pub(crate) fn count_from_column(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// SQLite gives `-wal` and `-shm` the permissions of the database, so it is
/// enough that this file is private before SQLite first opens it.
fn make_private(path: &Path, words: &Words) -> Result<(), DatabaseFileError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| words.unusable(path, source))?;
    check_private(path, words)
}

/// Whether a database could be kept at `path`, as far as is seen without opening it.
pub(crate) fn check(path: &Path, schema: &Schema) -> Result<(), DatabaseFileError> {
    let words = &schema.words;
    let directory = path.parent().unwrap_or(Path::new(""));
    let is_writable = data_directory::check_writable(directory);
    is_writable.map_err(|error| words.unusable(path, io::Error::other(error)))?;
    match path.exists() {
        true => check_private(path, words),
        false => Ok(()),
    }
}

fn check_private(path: &Path, words: &Words) -> Result<(), DatabaseFileError> {
    let metadata = fs::metadata(path).map_err(|source| words.unusable(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DatabaseFileError::Permissions {
            name: words.name,
            path: path.to_owned(),
            mode,
            leaked: words.leaked,
        });
    }
    Ok(())
}

/// Makes the tables of a new file, and upgrades those of an earlier version: one transaction,
/// so that a crash leaves the tables of one version or of the other.
fn make_tables(connection: &mut Connection, path: &Path, schema: &Schema) -> Result<(), OpenError> {
    // **Nobody who opens a file that is as it should be waits for one that writes.**
    if version_of(connection)? == schema.version {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version_of(&transaction)? {
        0 => {
            for tables in schema.tables {
                transaction.execute_batch(tables)?;
            }
        }
        found if found == schema.version => return Ok(()),
        found => {
            let steps = steps_from(found, schema);
            let steps =
                steps.ok_or_else(|| schema.words.other_version(path, found, schema.version))?;
            for step in steps {
                transaction.execute_batch(step.statements)?;
            }
        }
    }
    transaction.pragma_update(None, "user_version", schema.version)?;
    transaction.commit()?;
    Ok(())
}

fn version_of(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The upgrades from this version on, in their order; none leads from a version that is not
/// named.
fn steps_from(found: i32, schema: &Schema) -> Option<&[Upgrade]> {
    let first = schema.upgrades.iter().position(|step| step.from == found);
    schema.upgrades.get(first?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE number (value INTEGER)";
    const SECOND: Upgrade = Upgrade {
        from: 1,
        statements: "ALTER TABLE number ADD COLUMN two INTEGER DEFAULT 2",
    };
    const THIRD: Upgrade = Upgrade {
        from: 2,
        statements: "ALTER TABLE number ADD COLUMN three INTEGER DEFAULT 3",
    };
    const BROKEN: Upgrade = Upgrade {
        from: 2,
        statements: "ALTER TABLE number ADD COLUMN three INTEGER; DROP TABLE missing",
    };

    const WORDS: Words = Words {
        name: "box",
        naming: " with --box",
        leaked: "; and move",
        other_version: |_| "move it away",
    };

    fn schema(version: i32, upgrades: &'static [Upgrade]) -> Schema {
        Schema {
            version,
            tables: &[FIRST],
            upgrades,
            words: WORDS,
            wait: |_| false,
            durability: Durability::AtOnce,
        }
    }

    fn versions(path: &Path, schema: &Schema) -> Result<(i32, usize), i32> {
        let opened = open(path, schema).map_err(|error| match error {
            OpenError::File(DatabaseFileError::Version { found, .. }) => found,
            _ => -1,
        })?;
        let version = opened.pragma_query_value(None, "user_version", |row| row.get(0));
        let table = opened.prepare("SELECT * FROM number").unwrap();
        Ok((version.unwrap(), table.column_count()))
    }

    #[test]
    fn a_file_is_opened_while_somebody_writes_to_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let schema = schema(1, &[]);
        let writer = open(&path, &schema).ok().unwrap();
        writer
            .execute_batch("BEGIN IMMEDIATE; INSERT INTO number VALUES (1)")
            .unwrap();
        let reader = open(&path, &schema).ok().expect("it does not wait");
        let count = reader.query_row("SELECT count(*) FROM number", [], |row| row.get(0));
        assert_eq!(count, Ok(0_i64));
    }

    #[test]
    fn a_file_is_upgraded_step_by_step_or_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        assert_eq!(versions(&path, &schema(1, &[])), Ok((1, 1)));
        // A step that fails takes back those before it.
        assert_eq!(versions(&path, &schema(3, &[SECOND, BROKEN])), Err(-1));
        assert_eq!(versions(&path, &schema(1, &[])), Ok((1, 1)));
        assert_eq!(versions(&path, &schema(3, &[SECOND, THIRD])), Ok((3, 3)));
        assert_eq!(versions(&path, &schema(3, &[SECOND, THIRD])), Ok((3, 3)));
        // No way leads back, nor from a version that is not named.
        assert_eq!(versions(&path, &schema(2, &[SECOND])), Err(3));
        assert_eq!(
            versions(&path, &schema(5, &[Upgrade { from: 4, ..SECOND }])),
            Err(3)
        );
    }

    #[test]
    fn a_file_that_is_not_opened_is_named_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let said = |path: &Path, version| match open(path, &schema(version, &[])) {
            Err(OpenError::File(error)) => error.to_string(),
            _ => String::new(),
        };
        let nowhere = home.path().join("nowhere/file");
        let naming = "a directory that exists and is yours with --box";
        assert!(said(&nowhere, 1).contains(naming));
        let path = home.path().join("file");
        assert_eq!(said(&path, 1), "");
        let text = format!(
            "the box {} has tables of version 1, and this program knows version 2: move it away",
            path.display()
        );
        assert_eq!(said(&path, 2), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said(&path, 1).contains("(mode 640): run chmod 600"));
        assert!(said(&path, 1).ends_with("; and move"));
    }
}
