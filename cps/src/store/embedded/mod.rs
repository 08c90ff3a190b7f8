//! The store of one machine: a journal in which one record holds a spend and its
//! entry, so that one sync makes both durable; archives of older spends, one
//! file for each key epoch; and the unexpired entries in memory. Why not a database:
//! `docs/decisions/0001-embedded-store.md`.
//!
//! An [`Outcome`] that was answered survives crashes and losses of power, as far
//! as the disk's own sync is honest.

pub mod export;
mod machine;
mod mailboxes;
mod record;
mod record_file;
mod spent;
mod spent_counts;
#[cfg(test)]
mod tests;
mod times;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::WireError;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::admin::Readiness;
use pennyblack_storage::disk::{Disk, OpenDiskError, RealDisk};
use pennyblack_storage::group_commit::{CommitError, GroupCommit};
use pennyblack_storage::journal::JournalError;
use tokio::task::spawn_blocking;

use self::machine::{Answer, Command, Machine};
use self::mailboxes::Mailboxes;
pub use self::spent_counts::{SpentCounts, SpentCountsError};
use super::{Limits, Outcome, Page, Spend, Store, StoreError, Window};

/// Spends that may wait for a commit before others are turned away.
const QUEUE: usize = 4_096;

/// How often it is counted how much is spent. A copy that is younger is not told from the
/// store itself.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// Tells the time to the thread that lets entries die.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Why the store's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The directory itself.
    #[error(transparent)]
    Disk(#[from] OpenDiskError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The disk refused, or a file of spends is damaged.
    #[error("the store: {0}")]
    Io(#[from] io::Error),
    /// More of the list of closed epochs is unsound than a crash can have torn.
    #[error("the list of closed key epochs is damaged: restore the disk")]
    ClosedEpochs,
    /// A sound record of another form.
    #[error(
        "the store's journal holds a record of another form ({0}): it was written by another version"
    )]
    Record(WireError),
    /// It has forgotten spends.
    #[error(transparent)]
    Counts(#[from] SpentCountsError),
    /// A file that this program did not make.
    #[error("{0} in the data directory was not made by this program: move it away")]
    ForeignFile(String),
}

/// The store, open. Dropping it carries out what is waiting.
pub struct EmbeddedStore<D: Disk = RealDisk> {
    commit: GroupCommit<Machine<D>>,
    mailboxes: Arc<Mailboxes>,
    /// What tells an older copy of it, where nothing else does.
    counts: Option<SpentCounts>,
}

impl EmbeddedStore {
    /// Opens the store in a directory of its own, which is made if missing and
    /// locked for this process. Reads all spends: not for an async context.
    ///
    /// # Errors
    /// [`OpenStoreError`].
    pub fn open(directory: &Path, limits: Limits, clock: Clock) -> Result<Self, OpenStoreError> {
        Self::on(Arc::new(RealDisk::open(directory)?), limits, clock)
    }

    /// The same, if the store knows of as many spends as were counted last.
    ///
    /// # Errors
    /// [`OpenStoreError`].
    pub fn open_counted(
        directory: &Path,
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, OpenStoreError> {
        let disk = Arc::new(RealDisk::open(directory)?);
        Self::of(disk, limits, clock, Some(SpentCounts::beside(directory)))
    }
}

impl<D: Disk> EmbeddedStore<D> {
    /// Opens the store on any disk.
    ///
    /// # Errors
    /// [`OpenStoreError`].
    pub fn on(disk: Arc<D>, limits: Limits, clock: Clock) -> Result<Self, OpenStoreError> {
        Self::of(disk, limits, clock, None)
    }

    fn of(
        disk: Arc<D>,
        limits: Limits,
        clock: Clock,
        counts: Option<SpentCounts>,
    ) -> Result<Self, OpenStoreError> {
        let mailboxes = Arc::new(Mailboxes::new(limits));
        let machine = Machine::open(disk, limits, clock, Arc::clone(&mailboxes))?;
        if let Some(counts) = &counts {
            counts.verify(|epoch| machine.count(epoch))?;
        }
        Ok(Self {
            commit: GroupCommit::start("store", machine, QUEUE)?,
            mailboxes,
            counts,
        })
    }

    /// Says whether the disk takes what is stored, and counts what is spent, until
    /// `shutdown`.
    pub(crate) async fn watch(&self, readiness: Readiness, shutdown: Shutdown) {
        let mut trouble = self.commit.trouble();
        let mut pace = tokio::time::interval(COUNT_EVERY);
        loop {
            trouble.mark_unchanged();
            match self.trouble() {
                Some(why) => readiness.lacks("store", why),
                None => readiness.has("store"),
            }
            let last = tokio::select! {
                Ok(()) = trouble.changed() => continue,
                _ = pace.tick() => false,
                () = shutdown.requested() => true,
            };
            if let Err(error) = self.persist_counts().await {
                tracing::error!(%error, "what is spent was not counted");
            }
            if last {
                return;
            }
        }
    }

    /// Writes down how much is spent, if that is to be remembered.
    async fn persist_counts(&self) -> Result<(), StoreError> {
        let Some(file) = self.counts.clone() else {
            return Ok(());
        };
        let counts = self.counts().await?;
        let written = spawn_blocking(move || file.write(&counts)).await;
        let written = written.map_err(io::Error::from).flatten();
        written.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Why nothing can be stored, if the disk refuses it.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.commit.trouble();
        let why = trouble.borrow();
        let why = why.as_ref()?;
        Some(format!(
            "the disk of cps.data_directory refuses what is written: {why}"
        ))
    }

    /// How many tokens of each open epoch are spent, durably.
    pub(super) async fn counts(&self) -> Result<Vec<(TokenKeyId, u64)>, StoreError> {
        match self.submit(Command::CountAll).await? {
            Answer::CountAll(counts) => Ok(counts),
            _ => Err(out_of_step()),
        }
    }

    /// How many tokens of an epoch are spent; nothing when it is closed.
    pub(super) async fn spent_while_open(
        &self,
        epoch: TokenKeyId,
    ) -> Result<Option<u64>, StoreError> {
        match self.submit(Command::Count(epoch)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(out_of_step()),
        }
    }

    async fn submit(&self, command: Command) -> Result<Answer, StoreError> {
        self.commit
            .submit(command)
            .await
            .map_err(|error| match error {
                CommitError::Busy => StoreError::Busy,
                error => StoreError::Unavailable(error.to_string()),
            })
    }
}

fn out_of_step() -> StoreError {
    StoreError::Unavailable("the store's thread answered another question".to_owned())
}

impl<D: Disk> Store for EmbeddedStore<D> {
    async fn spend_and_append(&self, spend: Spend, now: UnixTime) -> Result<Outcome, StoreError> {
        match self.submit(Command::Spend(spend, now)).await? {
            Answer::Spend(outcome) => outcome,
            _ => Err(out_of_step()),
        }
    }

    async fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        self.mailboxes.page(mailbox, window, now)
    }

    async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
        match self.submit(Command::Close(token_key_id)).await? {
            Answer::Close(closed) => closed,
            _ => Err(out_of_step()),
        }
    }

    async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
        Ok(self.spent_while_open(token_key_id).await?.unwrap_or(0))
    }
}
