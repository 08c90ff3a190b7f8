//! The carrier's wallet: pending draws, tokens and signed requests, in one
//! SQLite file that survives a crash at any instant and is shared by processes.
//! Not here: talking to issuer and CPS (`carrier`, `auth_service`).
//!
//! Two rules carry everything. A draw is written before it is asked for, so a
//! crash repeats the same request, which an issuer answers without a second
//! charge. A token leaves in the very transaction that writes the complete
//! signed request it pays for, so that after a crash only that request can be
//! sent again, and no token ever signs two for one CPS. A federation token is then
//! in the memory of its call alone, for the other copies of that call
//! ([`Copies`]): a crash ends it.
//!
//! Secrets are wiped from this process's memory when they are dropped, and
//! overwritten in the file when they are spent; SQLite's own page cache and the
//! `-wal` file hold them for some while longer. All three files are for their
//! owner only.

mod class_draws;
mod copies;
mod draws;
mod issuer_logs;
mod oblivious_keys;
mod outbox;
mod piles;
mod stock;
mod tokens;
mod unlisted_keys;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_evidence::key_log_view::RememberedError;
use rusqlite::{Connection, Transaction, ffi};
use tokio::sync::Semaphore;

use crate::database::{
    self, DatabaseFileError, Durability, OpenError, Schema, Upgrade, Words, from_column, to_column,
};

pub use class_draws::ClassDraws;
pub use copies::{Copies, SealedCopy};
pub use draws::{DrawId, DrawPart, DrawnToken, NewDraw, PendingDraw};
pub use oblivious_keys::RememberedKeys;
pub use outbox::{AllowedWays, OutboxEntry, OutboxId, StoreCall, StoreTarget};
pub use stock::{SpentToken, TokenChoice};
pub use tokens::{Holding, PaidCopy, SpendError};
pub use unlisted_keys::KeyStanding;

/// How old a token is to be before it is spent, unless there is reason for
/// another age.
///
/// An hour: all carriers draw in it, so that the batch from which a token is spent is not
/// the last one that was drawn. It is far less than a key epoch, in which tokens wait
/// anyway.
pub const DEFAULT_MINIMUM_AGE: Duration = Duration::from_secs(3600);

/// Version of the tables, in SQLite's `user_version`.
const SCHEMA_VERSION: i32 = 8;

const SCHEMA: Schema = Schema {
    version: SCHEMA_VERSION,
    tables: &[
        include_str!("schema.sql"),
        include_str!("issuer_log.sql"),
        include_str!("unlisted_key.sql"),
        include_str!("oblivious_keys.sql"),
    ],
    upgrades: &[
        Upgrade {
            from: 5,
            statements: include_str!("upgrades/5.sql"),
        },
        Upgrade {
            from: 6,
            statements: include_str!("upgrades/6.sql"),
        },
        Upgrade {
            from: 7,
            statements: include_str!("upgrades/7.sql"),
        },
    ],
    words: Words {
        name: "wallet",
        naming: " with --wallet, or in the configuration with carrier.wallet",
        leaked: "; if others use this machine, treat its tokens as stolen",
        other_version,
    },
    wait: wait_for_the_wallet,
    durability: Durability::AtOnce,
};

/// How long a process waits for another's write, which takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// When it says that it waits.
const SAID_AFTER: Duration = Duration::from_millis(500);

/// Why the wallet could not be used. None of these says that tokens are gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The database refused.
    #[error("wallet: {error}{}", what_to_do(.0), error = .0)]
    Database(rusqlite::Error),
    /// Another process did not let go of it.
    #[error(
        "another process has had the wallet locked for {} s: find it with `fuser` and the wallet's file, end it, and try again; no token was touched",
        BUSY_TIMEOUT.as_secs()
    )]
    Locked,
    /// It is no wallet of this version, or not its owner's alone.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
    /// A row that is not what this program writes.
    #[error(
        "the wallet is damaged ({what}): start a new wallet file; do not restore a backup, since its tokens may be spent"
    )]
    Damaged {
        /// Which column.
        what: &'static str,
    },
    /// It could not be read again.
    #[error("wallet: {0}")]
    IssuerLog(#[from] RememberedError),
    /// The thread that did the work ended before it was done.
    #[error("the wallet's work was cut short")]
    CutShort,
}

/// What to do about tables that this program cannot use.
const fn other_version(found: i32) -> &'static str {
    match found > SCHEMA_VERSION {
        true => "a later version of the program wrote it: update this program",
        false => {
            "it is too old to be upgraded: move the file away and draw into a new one, or use the \
             version of the program that wrote it"
        }
    }
}

/// What to do about a full disk, which SQLite calls an I/O error if it cannot make its
/// `-shm` file, and about a file that holds something else.
fn what_to_do(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_NOTADB) => {
            "; name the wallet's file with --wallet, or in the configuration with carrier.wallet: \
             `pennyblack carrier run` makes one where there is none"
        }
        Some(ffi::SQLITE_READONLY | ffi::SQLITE_READONLY_DIRECTORY | ffi::SQLITE_CANTOPEN) => {
            "; the wallet and its directory must be writable: it writes files beside it"
        }
        Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_SHMOPEN) => {
            "; make room on the disk of the wallet, and try again: no token is lost"
        }
        _ => "",
    }
}

impl From<rusqlite::Error> for WalletError {
    fn from(error: rusqlite::Error) -> Self {
        match database::is_locked(&error) {
            true => Self::Locked,
            false => Self::Database(error),
        }
    }
}

impl From<OpenError> for WalletError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::File(error) => error.into(),
            OpenError::Database(error) => error.into(),
        }
    }
}

/// An open wallet. Clones share one connection; each call is one transaction
/// and waits for the disk.
#[derive(Clone)]
pub struct Wallet {
    /// Held for one transaction at a time, and never across an await.
    connection: Arc<Mutex<Connection>>,
    /// Who is next, of those that may not wait for the connection on a thread of their own:
    /// while another process has the file locked, a thousand stores would take all threads.
    turn: Arc<Semaphore>,
}

impl Wallet {
    /// Opens the wallet in `path`, making it (mode 0600) if there is none.
    ///
    /// # Errors
    /// [`WalletError::File`], and what the database says.
    pub fn open(path: &Path) -> Result<Self, WalletError> {
        let connection = database::open(path, &SCHEMA)?;
        // It overwrites spent secrets.
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Finds out whether [`Self::open`] could use `path`, without making or changing anything:
    /// not what is in it, since that takes the lock of a wallet in use.
    ///
    /// # Errors
    /// [`WalletError::File`].
    pub fn check(path: &Path) -> Result<(), WalletError> {
        Ok(database::check(path, &SCHEMA)?)
    }

    /// Runs `work` on a thread that may wait for the disk.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn off_thread<T, E>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WalletError> + Send + 'static,
    {
        // Nobody closes it.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let wallet = self.clone();
        let work = move || {
            // Also when nobody waits for the work any more, the next begins after it.
            let _turn = turn;
            work(&wallet)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err(WalletError::CutShort.into()))
    }

    /// One write transaction.
    fn write<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        database::write(&mut self.lock(), work)
    }

    /// A thread that panicked left no half of a transaction: it was rolled
    /// back when its guard was dropped.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_for_the_wallet(attempts: i32) -> bool {
    let waited = database::pause(attempts);
    if waited == SAID_AFTER {
        tracing::warn!(
            "another process has the wallet locked: waiting for it, {} s at most",
            BUSY_TIMEOUT.as_secs()
        );
    }
    waited < BUSY_TIMEOUT
}

#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;
#[cfg(test)]
mod unlisted_tests;
#[cfg(test)]
mod upgrade_tests;
