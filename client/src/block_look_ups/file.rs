//! The file in which blocks are kept until they are asked for again, and which blocks were
//! called. **Bounded in both.** Not here: when a block is asked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::plan::PastBlock;
use super::{BlockFileError, CalledBlock};
use crate::database::{self, Durability, Schema, Words, from_column, to_column};

const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[include_str!("schema.sql")],
    upgrades: &[],
    words: Words {
        name: "file of blocks",
        naming: "",
        leaked: "",
        other_version: |_| "move it away",
    },
    wait: |attempts| database::pause(attempts) < Duration::from_secs(2),
    durability: Durability::AtOnce,
};

/// Most bytes of records that are kept; those that end first go.
const MAX_BYTES: i64 = 64 * 1024 * 1024;

/// Most blocks of earlier calls; those that were called last stay.
const MAX_CALLED: i64 = 1_024;

/// A block as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptBlock {
    /// Compact JWS, each to be verified again.
    pub(crate) records: Vec<String>,
    /// Whether the CPS had more.
    pub(crate) is_partial: bool,
    /// Until when nobody is asked again.
    pub(crate) until: UnixTime,
}

/// The file. Clones are the same.
#[derive(Clone)]
pub(super) struct BlockFile {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
}

impl fmt::Debug for BlockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockFile").field(&self.path).finish()
    }
}

impl BlockFile {
    pub(super) fn open(path: &Path) -> Result<Self, BlockFileError> {
        let opened = database::open(path, &SCHEMA);
        let connection = opened.map_err(|error| BlockFileError::opening(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// Does something with the file on a thread that may wait.
    pub(super) async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BlockFileError> {
        let (path, connection) = (self.path.clone(), Arc::clone(&self.connection));
        let work = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            database::write(&mut connection, work)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|_| BlockFileError::CutShort)?;
        done.map_err(|source| BlockFileError::Database { path, source })
    }
}

/// The block, if it counts still. One that counts for longer than any may is none: the clock
/// was set back.
pub(super) fn kept(
    file: &Connection,
    (cps, block): (&Authority, &CalledBlock),
    now: UnixTime,
    longest: Duration,
) -> rusqlite::Result<Option<KeptBlock>> {
    let mut statement = file.prepare_cached(
        "SELECT records, is_partial, until FROM kept
         WHERE cps = ? AND block = ? AND until > ? AND until <= ?",
    )?;
    let (now, latest) = (to_column(now), to_column(now.plus(longest)));
    let kept = statement.query_row(
        params![cps.as_str(), block.to_string(), now, latest],
        |row| {
            let records: String = row.get(0)?;
            Ok(KeptBlock {
                records: records.lines().map(str::to_owned).collect(),
                is_partial: row.get(1)?,
                until: from_column(row.get(2)?),
            })
        },
    );
    kept.optional()
}

/// Keeps a block, in place of what was kept of it.
pub(super) fn keep(
    file: &Connection,
    (cps, block): (&Authority, &CalledBlock),
    listed: &KeptBlock,
    now: UnixTime,
) -> rusqlite::Result<()> {
    let records = listed.records.join("\n");
    let bytes = i64::try_from(records.len()).unwrap_or(i64::MAX);
    file.execute("DELETE FROM kept WHERE until <= ?", [to_column(now)])?;
    file.execute(
        "INSERT OR REPLACE INTO kept (cps, block, until, is_partial, bytes, records)
         VALUES (?, ?, ?, ?, ?, ?)",
        params![
            cps.as_str(),
            block.to_string(),
            to_column(listed.until),
            listed.is_partial,
            bytes,
            records
        ],
    )?;
    // Of those that are left the newest, as far as the room goes.
    file.execute(
        "DELETE FROM kept WHERE rowid IN (
             SELECT rowid FROM (
                 SELECT rowid, sum(bytes + 256) OVER (ORDER BY until DESC, rowid DESC) AS total
                 FROM kept)
             WHERE total > ?)",
        [MAX_BYTES],
    )?;
    Ok(())
}

/// Counts a call.
pub(super) fn count_call(
    file: &Connection,
    (cps, block): (&Authority, &CalledBlock),
    now: UnixTime,
) -> rusqlite::Result<()> {
    file.execute(
        "INSERT INTO called (cps, block, calls, last) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (cps, block) DO UPDATE SET calls = calls + 1, last = ?3",
        params![cps.as_str(), block.to_string(), to_column(now)],
    )?;
    file.execute(
        "DELETE FROM called WHERE rowid IN (
             SELECT rowid FROM called ORDER BY last DESC, rowid DESC LIMIT -1 OFFSET ?)",
        [MAX_CALLED],
    )?;
    Ok(())
}

/// Blocks of earlier calls that a call would ask for now: those that are not kept.
pub(super) fn past(
    file: &Connection,
    cps: &Authority,
    now: UnixTime,
) -> rusqlite::Result<Vec<PastBlock>> {
    let mut statement = file.prepare_cached(
        "SELECT block, calls FROM called WHERE cps = ?1 AND NOT EXISTS (
             SELECT 1 FROM kept WHERE kept.cps = called.cps AND kept.block = called.block
             AND until > ?2)",
    )?;
    let rows = statement.query_map(params![cps.as_str(), to_column(now)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut past = Vec::new();
    for row in rows {
        let (text, calls) = row?;
        // The file is ours; what else stands there is passed over.
        if let Ok(block) = CalledBlock::stored(&text) {
            let calls = u32::try_from(calls).unwrap_or(u32::MAX);
            past.push(PastBlock { block, calls });
        }
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn block(text: &str) -> CalledBlock {
        CalledBlock::stored(text).unwrap()
    }

    fn listed(size: usize, until: UnixTime) -> KeptBlock {
        KeptBlock {
            records: vec!["a".repeat(size), "b".to_owned()],
            is_partial: false,
            until,
        }
    }

    struct Opened {
        _home: tempfile::TempDir,
        file: Connection,
        cps: Authority,
    }

    fn opened() -> Opened {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("blocks.db");
        let Ok(file) = database::open(&path, &SCHEMA) else {
            panic!("it does not open");
        };
        Opened {
            _home: home,
            file,
            cps: "cps.example".parse().unwrap(),
        }
    }

    impl Opened {
        fn keep(&self, text: &str, listed: &KeptBlock, now: UnixTime) {
            keep(&self.file, (&self.cps, &block(text)), listed, now).unwrap();
        }

        fn kept(&self, text: &str, now: UnixTime) -> Option<KeptBlock> {
            kept(&self.file, (&self.cps, &block(text)), now, HOUR).unwrap()
        }
    }

    #[test]
    fn a_block_is_kept_until_its_end_and_for_its_cps_alone() {
        let opened = opened();
        let end = NOW.plus(HOUR);
        opened.keep("1215555", &listed(9, end), NOW);
        assert_eq!(opened.kept("1215555", NOW), Some(listed(9, end)));
        assert!(
            opened
                .kept("1215555", end.minus(Duration::from_secs(1)))
                .is_some()
        );
        assert_eq!(opened.kept("1215555", end), None);
        // A clock that was set back must not keep it for years.
        assert_eq!(opened.kept("1215555", NOW.minus(HOUR)), None);
        assert_eq!(opened.kept("1215556", NOW), None);
        let other = "cps-b.example".parse().unwrap();
        let found = kept(&opened.file, (&other, &block("1215555")), NOW, HOUR);
        assert_eq!(found.unwrap(), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let opened = opened();
        let size = 20 * 1024 * 1024;
        for n in 0..4_u64 {
            let until = NOW.plus(Duration::from_secs(100 + n));
            opened.keep(&format!("121{n}"), &listed(size, until), NOW);
        }
        let kept: Vec<_> = (0..4)
            .filter(|n| opened.kept(&format!("121{n}"), NOW).is_some())
            .collect();
        assert_eq!(kept, [1, 2, 3]);
    }

    #[test]
    fn calls_are_counted_and_those_of_long_ago_forgotten() {
        let opened = opened();
        let count = |text: &str, now| {
            count_call(&opened.file, (&opened.cps, &block(text)), now).unwrap();
        };
        let first = UnixTime(NOW.0 - 10_000);
        count("1000", first);
        for n in 0..MAX_CALLED {
            let now = UnixTime(NOW.0 - 5_000 + n.unsigned_abs());
            count(&format!("1{n:06}"), now);
        }
        count("1000007", NOW);
        let past = past(&opened.file, &opened.cps, NOW).unwrap();
        assert_eq!(past.len(), 1_024);
        assert!(past.iter().all(|one| one.block != block("1000")));
        let seven = past.iter().find(|one| one.block == block("1000007"));
        assert_eq!(seven.unwrap().calls, 2);
    }

    #[test]
    fn a_block_that_is_kept_is_no_decoy_until_its_end() {
        let opened = opened();
        for text in ["1215555", "1216666"] {
            count_call(&opened.file, (&opened.cps, &block(text)), NOW).unwrap();
        }
        let end = NOW.plus(HOUR);
        opened.keep("1215555", &listed(9, end), NOW);
        let blocks = |now| {
            let past = past(&opened.file, &opened.cps, now).unwrap();
            past.into_iter()
                .map(|one| one.block.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(blocks(NOW), ["1216666"]);
        assert_eq!(blocks(end).len(), 2);
    }
}
