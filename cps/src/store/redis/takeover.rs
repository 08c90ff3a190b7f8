//! Taking over what an embedded store holds: closed epochs, spends, unexpired entries.
//! Every step can be repeated; the old store is moved aside when all is done.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_storage::atomic_file;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::answers::Spent;
use super::{FenceFileError, RedisStore};
use crate::store::embedded::export::{Exported, export};
use crate::store::embedded::{EmbeddedStore, OpenStoreError};
use crate::store::{Limits, Spend, Store as _, StoreError};

/// What is written at one time.
const AT_ONCE: usize = 512;
/// What the old store's directory is called when nothing of it is needed any more.
pub(crate) const MOVED_STORE: &str = "store-moved-to-redis";
/// What the old store itself holds from then on, whatever its directory is called later.
pub(crate) const MOVED_MARK: &str = "moved-to-redis";

/// A store that was not taken over. The old one is as it was; say it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeoverError {
    /// The old store.
    #[error(transparent)]
    Old(#[from] OpenStoreError),
    /// The new one.
    #[error("the store in Redis: {0}")]
    New(#[from] StoreError),
    /// The new one does not take spends.
    #[error("the store in Redis: {0}")]
    Refusing(String),
    /// A token that was spent on another request in the new store.
    #[error("a token of the old store is spent on another request in Redis: both were in use")]
    SpentTwice,
    /// That this node knows the new one could not be written down.
    #[error(transparent)]
    Fence(#[from] FenceFileError),
    /// The old store could not be moved aside.
    #[error("{} could not be moved aside: {error}", path.display())]
    Aside {
        /// Its directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A part of it panicked.
    #[error("taking over broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

impl RedisStore {
    /// Takes over the embedded store in `directory`, and moves it aside. How many
    /// things there were. Must have been examined.
    ///
    /// # Errors
    /// [`TakeoverError`].
    pub async fn take_over(
        &self,
        directory: &Path,
        limits: Limits,
        now: UnixTime,
    ) -> Result<u64, TakeoverError> {
        if let Some(refusing) = self.refusing() {
            return Err(TakeoverError::Refusing(refusing));
        }
        let (sender, mut exported) = mpsc::channel(AT_ONCE);
        let from = directory.to_owned();
        let reading = spawn_blocking(move || {
            // Finds damage; and settles what a crash has left.
            drop(EmbeddedStore::open(&from, limits, Arc::new(move || now))?);
            export(&from, limits, now, &sender)
        });
        let mut writing = JoinSet::new();
        let mut count = 0;
        while let Some(one) = exported.recv().await {
            if writing.len() >= AT_ONCE
                && let Some(written) = writing.join_next().await
            {
                written??;
            }
            let store = self.clone();
            writing.spawn(async move { store.take(one).await });
            count += 1;
        }
        while let Some(written) = writing.join_next().await {
            written??;
        }
        reading.await??;
        // The file says where the spends are, and so it must before the old store is gone.
        self.write_down().await?;
        atomic_file::write_public(&directory.join(MOVED_MARK), b"")
            .and_then(|()| atomic_file::set_aside(directory, MOVED_STORE))
            .map_err(|error| TakeoverError::Aside {
                path: directory.to_owned(),
                error,
            })?;
        Ok(count)
    }

    async fn take(&self, one: Exported) -> Result<(), TakeoverError> {
        match one {
            Exported::Closed(epoch) => Ok(self.close_epoch(epoch).await?),
            Exported::Spent(epoch, nonce, record) => self.take_spent(epoch, nonce, record).await,
            Exported::Dropped(spend, at) => {
                let Spend {
                    token_key_id,
                    nonce,
                    record,
                    ..
                } = &spend;
                self.take_spent(*token_key_id, *nonce, *record).await?;
                Ok(self.record_dropped(&spend, at).await?)
            }
            Exported::Unexpired(spend, at) => match self.spend_and_append(spend, at).await {
                Ok(crate::store::Outcome::Conflict(_)) => Err(TakeoverError::SpentTwice),
                // Its token was spent before, or the archive says so too.
                Ok(_) | Err(StoreError::EpochClosed) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }
    async fn take_spent(
        &self,
        epoch: TokenKeyId,
        nonce: Nonce,
        record: SpendRecord,
    ) -> Result<(), TakeoverError> {
        match self.0.spend(epoch, &nonce, &record.to_bytes()).await? {
            Spent::Before(first, _) if first.digest != record.digest => {
                Err(TakeoverError::SpentTwice)
            }
            _ => Ok(()),
        }
    }
}
