//! Which call each PASSporT belongs to: **one PASSporT is good for one call** (RFC 8816
//! section 7.4; docs/decisions/0019). The file is a SQLite database, as the wallet is.
//! Not here: whether a PASSporT is good at all (`pennyblack_passport`).
//!
//! A PASSporT belongs to the first call that asks for it, for as long as it is fresh and some
//! minutes longer. It is written down, and synced, before the call is told. What cannot
//! be written is kept in memory and written with the next one, and the answer says so: a
//! full disk ends no call.

mod error;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::encoding::sha256;
use pennyblack_base::time::UnixTime;
use pennyblack_passport::{FRESHNESS, VerifiedPassport};
use rusqlite::{Connection, TransactionBehavior};

pub use error::AssignmentsError;

use crate::database::{self, OpenError, Schema};
use error::{advice, lasting};
use table::{CallDigest, PassportDigest, Row};

const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[include_str!("assignments/schema.sql")],
    upgrades: &[],
    wait: |attempts| database::pause(attempts) < BUSY_TIMEOUT,
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
    /// [`AssignmentsError`]. A full disk, a damaged file and one that is locked are no
    /// errors here: each answer says so until it has passed.
    pub fn open(path: &Path) -> Result<Self, AssignmentsError> {
        let file = database::open(path, &SCHEMA).map(Some);
        let file = file.or_else(|error| lasting(path, error).map_or(Ok(None), Err))?;
        Ok(Self::with(Some(path.to_owned()), file))
    }

    /// Finds out whether [`Self::open`] could use `path`, without making or changing anything.
    ///
    /// # Errors
    /// [`AssignmentsError`].
    pub fn check(path: &Path) -> Result<(), AssignmentsError> {
        database::check(path).or_else(|error| lasting(path, error).map_or(Ok(()), Err))
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
        }
    }

    /// Gives `call` its PASSporTs out of `good`, which are all good for its numbers: those
    /// that it has already, and of each other kind (`ppt`) the newest that is free. It waits
    /// for the disk.
    #[must_use]
    pub fn assign(&self, call: CallName, good: Vec<VerifiedPassport>, now: UnixTime) -> Assigned {
        if good.is_empty() {
            return Assigned::default();
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let mut selection = Selection::new(call, good);
        let recorded = match &self.path {
            Some(path) => tables.record(path, &mut selection, now),
            None => Err(None),
        };
        let unrecorded = recorded.err().and_then(|why| {
            let remembered = tables.remember(&mut selection, now);
            why.or_else(|| remembered.err().map(|error| error.to_string()))
        });
        selection.into_assigned(unrecorded)
    }
}

impl Tables {
    /// In the file, with what was only remembered before.
    fn record(
        &mut self,
        path: &Path,
        selection: &mut Selection,
        now: UnixTime,
    ) -> Result<(), Option<String>> {
        let Self { file, memory } = self;
        let written = write(path, file, memory.as_ref(), selection, now);
        let why = |error: OpenError| Some(format!("{}: {}", path.display(), advice(&error)));
        let failed = match written {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // What can be read still counts; the choice is made again, with what is remembered.
        selection.forget();
        if let Some(file) = file {
            let _unreadable = selection.look_up(file);
        }
        if !matches!(&failed, OpenError::Database(error) if database::is_locked(error)) {
            *file = None;
        }
        Err(why(failed))
    }

    /// In memory.
    fn remember(&mut self, selection: &mut Selection, now: UnixTime) -> rusqlite::Result<()> {
        let Some(memory) = &self.memory else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        selection.look_up(memory)?;
        for row in selection.choose() {
            table::add(memory, &row)?;
        }
        table::trim(memory, now)
    }
}

/// One transaction, `IMMEDIATE`: between looking and writing no other process writes.
fn write(
    path: &Path,
    file: &mut Option<Connection>,
    memory: Option<&Connection>,
    selection: &mut Selection,
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
    selection.look_up(&transaction)?;
    let new = selection.choose();
    for row in &new {
        table::add(&transaction, row)?;
    }
    if !new.is_empty() {
        table::trim(&transaction, now)?;
    }
    transaction.commit()?;
    if let Some(memory) = memory.filter(|_| !remembered.is_empty()) {
        table::clear(memory)?;
    }
    Ok(())
}

/// The PASSporTs of one call while it is decided which are its own.
struct Selection {
    call: CallDigest,
    /// The newest first, each with the call that it belongs to.
    candidates: Vec<Candidate>,
}

struct Candidate {
    passport: VerifiedPassport,
    digest: PassportDigest,
    call: Option<CallDigest>,
}

impl Selection {
    fn new(CallName(call): CallName, good: Vec<VerifiedPassport>) -> Self {
        let candidates = good.into_iter().map(|passport| Candidate {
            digest: passport.passport().digest(),
            passport,
            call: None,
        });
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_by(|a, b| {
            let (newer, older) = (b.passport.claims().iat, a.passport.claims().iat);
            newer.cmp(&older).then(a.digest.cmp(&b.digest))
        });
        Self { call, candidates }
    }

    /// Whose they are, as far as `table` knows.
    fn look_up(&mut self, table: &Connection) -> rusqlite::Result<()> {
        for candidate in &mut self.candidates {
            if let Some(call) = table::call_of(table, &candidate.digest)? {
                candidate.call = Some(call);
            }
        }
        Ok(())
    }

    /// As if nothing was known of them.
    fn forget(&mut self) {
        for candidate in &mut self.candidates {
            candidate.call = None;
        }
    }

    /// Gives the call one of each kind; what has to be written for that.
    fn choose(&mut self) -> Vec<Row> {
        let kind_of = |candidate: &Candidate| discriminant(&candidate.passport.claims().extension);
        let own = self.candidates.iter();
        let own = own.filter(|candidate| candidate.call == Some(self.call));
        let mut kinds: Vec<_> = own.map(kind_of).collect();
        let mut new = Vec::new();
        for candidate in &mut self.candidates {
            let kind = kind_of(candidate);
            if candidate.call.is_none() && !kinds.contains(&kind) {
                candidate.call = Some(self.call);
                kinds.push(kind);
                new.extend(rows_of(&candidate.passport, self.call));
            }
        }
        new
    }

    fn into_assigned(self, unrecorded: Option<String>) -> Assigned {
        let all = self.candidates.len();
        let own = self.candidates.into_iter();
        let own = own.filter(|candidate| candidate.call == Some(self.call));
        let passports: Vec<_> = own.map(|candidate| candidate.passport).collect();
        Assigned {
            of_other_calls: all - passports.len(),
            passports,
            unrecorded,
        }
    }
}

/// A PASSporT with those that it diverts: they spoke of this call before it was diverted,
/// and are of no use to another one. If they are another call's already, that one came
/// first to the number that diverted it, and both are right.
fn rows_of(passport: &VerifiedPassport, call: CallDigest) -> Vec<Row> {
    let chain = std::iter::successors(Some(passport), |passport| passport.original());
    let rows = chain.map(|passport| Row {
        passport: passport.passport().digest(),
        call,
        ends: passport.claims().iat.plus(FRESHNESS),
    });
    rows.collect()
}
