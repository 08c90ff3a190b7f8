//! Taking over the record files of a node that was alone. Every step can be repeated;
//! the files are moved aside when all of them are in Redis.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_redis::RedisError;
use pennyblack_storage::atomic_file;
use tokio::task::{JoinError, spawn_blocking};

use super::super::RecordDigest;
use super::super::files::{RecordFiles, RecordFilesError};
use super::record_shards::RecordShards;
use crate::store::redis::RedisStore;

/// What the directory of files is called when nothing of it is needed any more.
const MOVED: &str = "keys-moved-to-redis";

/// Records that were not taken over, or not read. The files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordTakeoverError {
    /// The files.
    #[error(transparent)]
    Files(#[from] RecordFilesError),
    /// Redis.
    #[error("key records: {0}")]
    Redis(#[from] RedisError),
    /// The store does not take anything at present.
    #[error("the store in Redis: {0}")]
    Refusing(String),
    /// The files could not be moved aside.
    #[error("{} could not be moved aside: {error}", path.display())]
    Aside {
        /// Their directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A part of it panicked.
    #[error("taking over key records broke off: {0}")]
    BrokeOff(#[from] JoinError),
}

/// Moves the records of a data directory to the Redis of a store that was examined,
/// and the files aside; nothing when there are none. How many there were.
///
/// # Errors
/// [`RecordTakeoverError`].
pub async fn move_to_redis(store: &RedisStore, files: &Path) -> Result<u64, RecordTakeoverError> {
    RecordShards::new(store.clone()).take_over(files).await
}

impl RecordShards {
    /// Takes over the files in a directory, and moves it aside; nothing when there is
    /// none. They were verified when they were written, and are again by every node
    /// that reads them.
    pub(super) async fn take_over(&self, directory: &Path) -> Result<u64, RecordTakeoverError> {
        let path = directory.to_owned();
        let stored = spawn_blocking(move || match path.exists() {
            true => RecordFiles::open(&path)?.read_all().map(Some),
            false => Ok(None),
        });
        let Some(stored) = stored.await?? else {
            return Ok(0);
        };
        if let Some(why) = self.refusing() {
            return Err(RecordTakeoverError::Refusing(why));
        }
        let mut count = 0;
        for (name, token) in stored {
            let record = match UnverifiedKeyRecord::parse(&token) {
                Ok(unverified) => unverified.record().clone(),
                Err(error) => {
                    tracing::warn!(record = name, %error, "a stored key record is none, and stays behind");
                    continue;
                }
            };
            let id = RecordDigest::of(&(record.key.mailbox(), record.iss.clone()));
            self.put(&id, &record, &token).await?;
            count += 1;
        }
        atomic_file::set_aside(directory, MOVED).map_err(|error| RecordTakeoverError::Aside {
            path: directory.to_owned(),
            error,
        })?;
        Ok(count)
    }
}
