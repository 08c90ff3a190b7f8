//! Quota accounts that outlive the process: each drawing of tokens is on stable
//! storage before its answer leaves. The counting itself is `quota`; what is
//! written and when it is forgotten is `accounts`.

mod accounts;

use std::io;
use std::sync::Arc;

use pennyblack_shared::token::TokenKeyId;
use pennyblack_shared::wire::WireError;
use pennyblack_storage::disk::{Disk, RealDisk};
use pennyblack_storage::group_commit::{CommitError, GroupCommit};
use pennyblack_storage::journal::JournalError;

use self::accounts::{Accounts, Command};
use crate::quota::{Allowance, Charge, Exhausted};

/// Charges that may wait for the disk at one time.
const QUEUE: usize = 4096;

/// Accounts that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The journal.
    #[error("quota accounts: {0}")]
    Journal(#[from] JournalError),
    /// A record with a good checksum and a form that this program does not write.
    #[error(
        "quota accounts: a record has another form ({0}); they were written by another program or version"
    )]
    Record(WireError),
    /// No thread.
    #[error("quota accounts: cannot start their thread: {0}")]
    Thread(io::Error),
}

/// Why a charge was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChargeError {
    /// Not so many tokens left; nothing was charged.
    #[error("{} of {} tokens are drawn", .0.drawn, .0.allowed)]
    Exhausted(Exhausted),
    /// It should have been a repetition and is none; nothing was charged.
    #[error("this drawing was not made before")]
    NotRepeated,
    /// The key has signed as much as a key may; nothing was charged.
    #[error(
        "the token key has signed {most} tokens, as many as it may: its successor is announced"
    )]
    KeyUsedUp {
        /// How many that are.
        most: u64,
    },
    /// The epoch has no accounts here: its key is not live.
    #[error("the key epoch {0} has no accounts")]
    NoSuchEpoch(TokenKeyId),
    /// Not durable; the same charge may be made again.
    #[error("{0}")]
    Commit(#[from] CommitError),
}

/// Whether a charge may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It may: it is counted if it was not before.
    NewOrRepeated,
    /// It may not: only what was counted before is let through.
    RepeatedOnly,
}

/// The accounts of all live key epochs.
pub struct Ledger<D: Disk = RealDisk> {
    commits: GroupCommit<Accounts<D>>,
    allowance: Allowance,
}

impl<D: Disk> std::fmt::Debug for Ledger<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

impl<D: Disk> Ledger<D> {
    /// Opens the accounts on `disk`: those of the `live` epochs are read, and
    /// others forgotten. Waits for the disk.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(
        disk: Arc<D>,
        allowance: Allowance,
        live: &[TokenKeyId],
    ) -> Result<Self, LedgerError> {
        let accounts = Accounts::open(disk, live)?;
        let commits = GroupCommit::start("quota", accounts, QUEUE).map_err(LedgerError::Thread)?;
        Ok(Self { commits, allowance })
    }

    /// From now on has accounts for the `live` epochs and no others.
    ///
    /// # Errors
    /// [`ChargeError::Commit`].
    pub async fn follow(&self, live: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        self.commits
            .submit(Command::Follow(live))
            .await?
            .map(|_| ())
    }

    /// Charges once, however often the same is asked, unless the key would have
    /// signed more than `most` tokens then. Returns how many it has signed, for all
    /// subjects together. When this returns `Ok`, the charge survives a crash.
    ///
    /// # Errors
    /// [`ChargeError`].
    pub async fn charge(
        &self,
        epoch: TokenKeyId,
        charge: Charge,
        novelty: Novelty,
        most: Option<u64>,
    ) -> Result<u64, ChargeError> {
        let allowed = self.allowance.of(&charge.subject);
        let command = Command::Charge {
            epoch,
            charge,
            allowed,
            novelty,
            most,
        };
        self.commits.submit(command).await?
    }
}

#[cfg(test)]
mod tests;
