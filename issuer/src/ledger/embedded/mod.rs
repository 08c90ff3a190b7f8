//! Quota accounts in memory, and in a journal that outlives the process: for one
//! issuer with one directory. What is written and when it is forgotten is
//! `accounts`; what a record looks like, `record`.

mod accounts;
mod record;

use std::io;
use std::sync::Arc;

use pennyblack_base::wire::WireError;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_stir::CoverageError;
use pennyblack_storage::disk::{Disk, RealDisk};
use pennyblack_storage::group_commit::GroupCommit;
use pennyblack_storage::journal::JournalError;

use self::accounts::{Accounts, Command};
use super::{ChargeError, ChargeKind, Ledger};
use crate::quota::{Allowance, Charge};

/// Charges that may wait for the disk at one time.
const QUEUE: usize = 4096;

/// Accounts that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record with a good checksum and a form that this program does not write.
    #[error("a record has another form ({0}); it was written by another program or version")]
    Record(WireError),
    /// The subject of such a record.
    #[error("a record has another subject ({0}); it was written by another program or version")]
    Subject(CoverageError),
    /// A record that names its subject by a digest, and none before it with the subject.
    #[error(
        "a record names a subject that no record before it has: a file of the journal is missing; \
         restore it"
    )]
    UnknownSubject,
    /// No thread.
    #[error("cannot start their thread: {0}")]
    Thread(io::Error),
}

/// The accounts of all live key epochs, on one disk.
pub struct EmbeddedLedger<D: Disk = RealDisk> {
    commits: GroupCommit<Accounts<D>>,
    allowance: Allowance,
}

impl<D: Disk> std::fmt::Debug for EmbeddedLedger<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLedger")
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

impl<D: Disk> EmbeddedLedger<D> {
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

    /// How many tokens the key of an epoch has signed, for all subjects together.
    ///
    /// # Errors
    /// [`ChargeError::NoSuchEpoch`] once it is not followed any more.
    pub async fn total(&self, epoch: TokenKeyId) -> Result<u64, ChargeError> {
        self.commits.submit(Command::Total(epoch)).await?
    }

    /// Why nothing can be charged, if the disk refuses it.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.commits.trouble();
        let why = trouble.borrow();
        let why = why.as_ref()?;
        Some(format!(
            "the disk of issuer.data_directory refuses what is written: {why}"
        ))
    }
}

impl<D: Disk> Ledger for EmbeddedLedger<D> {
    async fn charge(
        &self,
        epoch: TokenKeyId,
        charge: Charge,
        kind: ChargeKind,
        max: Option<u64>,
    ) -> Result<u64, ChargeError> {
        let limits = self.allowance.of(&charge.subject);
        let command = Command::Charge {
            epoch,
            charge,
            limits,
            kind,
            max,
        };
        self.commits.submit(command).await?
    }

    async fn admit(&self, epochs: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        let admitted = self.commits.submit(Command::Admit(epochs)).await?;
        admitted.map(drop)
    }

    async fn follow(&self, live: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        let followed = self.commits.submit(Command::Follow(live)).await?;
        followed.map(drop)
    }

    /// There is no other issuer that could follow it still: its accounts went when
    /// this one ceased to.
    async fn forget(&self, _epoch: TokenKeyId) -> Result<(), ChargeError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
