//! Key records at hand: a mirror of what the CPSs of a roster have published, so that no call
//! asks anybody for a key (docs/protocol.md section 5.2). One SQLite file, by number; each
//! signer's certificates once.
//!
//! A timer follows each CPS's log and feed. **Nothing of a feed is believed that its log has not
//! signed for**, and every record is verified when it is taken up, and again when it is used:
//! a certificate may be revoked meanwhile. Not here: storing calls (`auth_service`), and who
//! belongs to a federation (`rosters`).

mod alone;
pub mod blocks;
mod error;
mod feed;
mod follow;
mod import;
mod judging;
mod logged;
mod look_up;
mod mirrored_keys;
mod observer;
mod room;
mod rows;
mod state;
mod sync;
mod waiting;
mod watch;
mod withheld;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::database::{self, Durability, Schema, Words};

pub use error::DirectoryError;
pub use feed::{FeedError, MAX_PAGE_LINES, MAX_PAGE_SIZE};
pub use follow::{FollowError, Followed};
pub use judging::{Judge, SeenRecord, Verdict};
pub use look_up::{MirrorLimits, Mirrored};
pub use mirrored_keys::MirroredKeys;
pub use observer::{MissedRecord, NoObserver, Observer};
pub use room::RoomLimits;
pub use state::{DirectoryState, FollowedCps, LastComplete};
pub use sync::{CpsReport, DirectorySync, Synced};
pub use watch::NumberWatch;

const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[include_str!("schema.sql")],
    upgrades: &[],
    words: Words {
        name: "directory",
        naming: "",
        leaked: "",
        other_version: |_| "move the file away, and sync into a new one",
    },
    wait: |attempts| database::pause(attempts) < BUSY_TIMEOUT,
    // What a power loss takes is read again, since how far a feed was read goes with it.
    durability: Durability::Later,
};

/// How long a process waits for another's write: a page of a feed.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The purpose of a file from which calls have their keys ([`Directory::open_for`]).
pub const FOR_CALLS: &str = "calls";

/// An open directory. Clones share one connection.
#[derive(Clone)]
pub struct Directory {
    path: PathBuf,
    /// Held for one transaction at a time, and never across an await.
    connection: Arc<Mutex<Connection>>,
}

impl Directory {
    /// Opens the file, and makes it (mode 0600) if there is none.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let connection = database::open(path, &SCHEMA)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            path: path.to_owned(),
        })
    }

    /// The same, for rounds with this purpose. **A file has one purpose all its life**: what one
    /// has taken up is not new to another.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open_for(path: &Path, purpose: &str) -> Result<Self, DirectoryError> {
        let directory = Self::open(path)?;
        directory.write(|tables| {
            let found: Option<String> = tables
                .query_row("SELECT purpose FROM purpose", [], |row| row.get(0))
                .optional()?;
            match found {
                None => tables.execute("INSERT INTO purpose VALUES (?)", [purpose])?,
                Some(found) if found == purpose => 0,
                Some(_) => return Err(DirectoryError::OtherPurpose(path.to_owned())),
            };
            Ok(())
        })?;
        Ok(directory)
    }

    /// Opens a file that must be there: a mistyped name must not make an empty directory.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn existing(path: &Path) -> Result<Self, DirectoryError> {
        match path.exists() {
            true => Self::open(path),
            false => Err(DirectoryError::Missing(path.to_owned())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a thread that may wait for the disk.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&own)).await;
        done.unwrap_or(Err(DirectoryError::CutShort))
    }

    /// One write transaction.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, DirectoryError>,
    ) -> Result<T, DirectoryError> {
        database::write(&mut self.lock(), work)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
