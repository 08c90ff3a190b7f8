//! Which call each PASSporT belongs to: **one PASSporT is good for one call** (RFC 8816
//! section 7.4; docs/decisions/0019). The file is a SQLite database, as the wallet is.
//! Not here: whether a PASSporT is good at all (`pennyblack_passport`).
//!
//! A PASSporT belongs to the first call that asks for it, for as long as it is fresh and some
//! minutes longer. It is written down, and synced, before the call is told. What cannot
//! be written is kept in memory and written with the next one, and the answer says so: a
//! full disk ends no call. Calls that ask at once are written at once (`queue`).

mod error;
mod queue;
mod selection;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::encoding::sha256;
use pennyblack_base::time::UnixTime;
use pennyblack_passport::VerifiedPassport;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

pub use error::CutShort;

use crate::database::{self, DatabaseFileError, Durability, OpenError, Schema, Words};
use error::{advice, lasting};
use queue::{Queue, Waiting};
use selection::Selection;
use table::CallDigest;

const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[include_str!("assignments/schema.sql")],
    upgrades: &[],
    words: Words {
        name: "file of assignments",
        naming: "",
        leaked: "",
        other_version: |_| "move the file away, and wait a minute",
    },
    wait: |attempts| database::pause(attempts) < BUSY_TIMEOUT,
    durability: Durability::AtOnce,
};

/// How long a call waits for another process, which writes for milliseconds: it is shorter
/// than anybody notices while a telephone rings.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

/// Names a call: by the SIP Call-ID, or whatever its switch calls it. Only the SHA-256 of
/// the name is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallName(CallDigest);

impl CallName {
    /// The call of this name. Asked for again under the same name, it is the same call.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(sha256(name.as_bytes()))
    }

    /// A call of its own, which nobody can ask for again.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Debug for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallName")
    }
}

/// What one call gets.
#[derive(Debug, Clone, Default)]
pub struct Assigned {
    /// The PASSporTs that belong to it.
    pub passports: Vec<VerifiedPassport>,
    /// How many belong to other calls, or stay free for the next one.
    pub of_other_calls: usize,
    /// Why this is not written down, if it is not: then another process, or this one
    /// after a restart, may give a PASSporT of it to another call.
    pub unrecorded: Option<String>,
}

/// The PASSporTs that are used, and by which calls.
pub struct Assignments {
    path: Option<PathBuf>,
    tables: Mutex<Tables>,
    queue: Queue,
}

struct Tables {
    /// None when there is none, or it failed and is to be opened again.
    file: Option<Connection>,
    /// What is not in the file. None only if SQLite has no memory.
    memory: Option<Connection>,
}

impl fmt::Debug for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        f.debug_struct("Assignments")
            .field("path", path)
            .finish_non_exhaustive()
    }
}

impl Assignments {
    /// Those in the file, which is made (mode 0600) if there is none. Several processes of
    /// one machine may have it open.
    ///
    /// # Errors
    /// [`DatabaseFileError`]. A full disk, a damaged file and one that is locked are no
    /// errors here: each answer says so until it has passed.
    pub fn open(path: &Path) -> Result<Self, DatabaseFileError> {
        let file = database::open(path, &SCHEMA).map(Some);
        let file = file.or_else(|error| lasting(error).map_or(Ok(None), Err))?;
        Ok(Self::with(Some(path.to_owned()), file))
    }

    /// Finds out whether [`Self::open`] could use `path`, without making or changing anything.
    ///
    /// # Errors
    /// [`DatabaseFileError`].
    pub fn check(path: &Path) -> Result<(), DatabaseFileError> {
        database::check(path, &SCHEMA).or_else(|error| lasting(error.into()).map_or(Ok(()), Err))
    }

    /// Those of this process alone, which end with it.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(None, None)
    }

    fn with(path: Option<PathBuf>, file: Option<Connection>) -> Self {
        let memory = Connection::open_in_memory();
        let memory = memory.and_then(|memory| {
            memory.execute_batch(include_str!("assignments/schema.sql"))?;
            Ok(memory)
        });
        Self {
            path,
            tables: Mutex::new(Tables {
                file,
                memory: memory.ok(),
            }),
            queue: Queue::new(),
        }
    }

    /// Gives `call` its PASSporTs out of `good`, which are all good for its numbers: those
    /// that it has already, and of each other kind (`ppt`) the newest that is free. It waits
    /// for the disk, together with all calls that ask meanwhile; a caller that waits no
    /// longer leaves what was begun to be written.
    ///
    /// # Errors
    /// [`CutShort`].
    pub async fn assign(
        self: &Arc<Self>,
        call: CallName,
        good: Vec<VerifiedPassport>,
        now: UnixTime,
    ) -> Result<Assigned, CutShort> {
        if good.is_empty() {
            return Ok(Assigned::default());
        }
        let (answer, mut assigned) = oneshot::channel();
        let selection = Selection::new(call, good);
        self.queue.add(Waiting {
            selection,
            now,
            answer,
        });
        loop {
            let turn = tokio::select! {
                biased;
                assigned = &mut assigned => return assigned.map_err(|_| CutShort),
                turn = self.queue.turn() => turn.ok_or(CutShort)?,
            };
            let this = Arc::clone(self);
            // The turn ends with the work, also when nobody waits for it any more.
            let work = move || {
                let _turn = turn;
                this.write_next();
            };
            spawn_blocking(work).await.map_err(|_| CutShort)?;
        }
    }

    /// Writes for all that wait.
    fn write_next(&self) {
        let waiting = self.queue.next();
        let Some(now) = waiting.last().map(|last| last.now) else {
            return;
        };
        let answers = waiting.into_iter().map(|one| (one.selection, one.answer));
        let (mut selections, answers): (Vec<_>, Vec<_>) = answers.unzip();
        let unrecorded = self.write(&mut selections, now);
        for (selection, answer) in selections.into_iter().zip(answers) {
            // A client that has gone can ask again.
            let _gone = answer.send(selection.into_assigned(unrecorded.clone()));
        }
    }

    /// Why it is not written down, if it is not.
    fn write(&self, selections: &mut [Selection], now: UnixTime) -> Option<String> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = match &self.path {
            Some(path) => tables.record(path, selections, now),
            None => Err(None),
        };
        recorded.err().and_then(|why| {
            let remembered = tables.remember(selections, now);
            why.or_else(|| remembered.err().map(|error| error.to_string()))
        })
    }
}

impl Tables {
    /// In the file, with what was only remembered before.
    fn record(
        &mut self,
        path: &Path,
        selections: &mut [Selection],
        now: UnixTime,
    ) -> Result<(), Option<String>> {
        let Self { file, memory } = self;
        let written = write(path, file, memory.as_ref(), selections, now);
        let why = |error: OpenError| Some(advice(path, &error));
        let failed = match written {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // What can be read still counts; the choice is made again, with what is remembered.
        for selection in selections {
            selection.forget();
            if let Some(file) = file {
                let _unreadable = selection.look_up(file);
            }
        }
        if !matches!(&failed, OpenError::Database(error) if database::is_locked(error)) {
            *file = None;
        }
        Err(why(failed))
    }

    /// In memory.
    fn remember(&mut self, selections: &mut [Selection], now: UnixTime) -> rusqlite::Result<()> {
        let Some(memory) = &self.memory else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        for selection in selections {
            selection.look_up(memory)?;
            for row in selection.choose() {
                table::add(memory, &row)?;
            }
        }
        table::trim(memory, now)
    }
}

/// One transaction, `IMMEDIATE`: between looking and writing no other process writes.
fn write(
    path: &Path,
    file: &mut Option<Connection>,
    memory: Option<&Connection>,
    selections: &mut [Selection],
    now: UnixTime,
) -> Result<(), OpenError> {
    let file = match file {
        Some(file) => file,
        None => file.insert(database::open(path, &SCHEMA)?),
    };
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let remembered = memory.map(|memory| table::fresh_rows(memory, now));
    let remembered = remembered.transpose()?.unwrap_or_default();
    for row in &remembered {
        table::add(&transaction, row)?;
    }
    let mut is_new = false;
    for selection in selections {
        selection.look_up(&transaction)?;
        for row in selection.choose() {
            table::add(&transaction, &row)?;
            is_new = true;
        }
    }
    if is_new {
        table::trim(&transaction, now)?;
    }
    transaction.commit()?;
    if let Some(memory) = memory.filter(|_| !remembered.is_empty()) {
        table::clear(memory)?;
    }
    Ok(())
}
