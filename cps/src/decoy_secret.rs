//! The secret from which mailboxes without a recipient are answered (docs/protocol.md
//! section 4.2): in a file of its node, and the same for all nodes of a CPS that share
//! a Redis. What is derived from it is in `pennyblack_sealing::envelope`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pennyblack_logserver::nodes::NodeCredential;
use pennyblack_redis::{RedisError, Script};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::envelope::{DECOY_SECRET_SIZE, DecoyKeys};
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use subtle::ConstantTimeEq as _;
use tokio::task::{JoinError, spawn_blocking};
use zeroize::Zeroizing;

use crate::store::StoreError;
use crate::store::redis::RedisStore;

/// How often nodes look whether they still agree, so that a Redis that was emptied
/// has the secret again before a new node makes another.
const AGREED_EVERY: Duration = Duration::from_secs(10);
/// How often until they do.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// What is not ready without a secret.
const PART: &str = "decoy secret";

/// A decoy secret that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecoySecretError {
    /// The file cannot be read, or others can.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The file has another size.
    #[error("{} does not hold a decoy secret: restore it from a backup", .0.display())]
    Size(PathBuf),
    /// What Redis has.
    #[error("the key {key} in Redis holds {actual} bytes, and a decoy secret has 32: delete it")]
    Form {
        /// Under which name.
        key: String,
        /// Bytes there are.
        actual: usize,
    },
    /// This node has another secret than the others.
    #[error(
        "{} holds another decoy secret than {key} in Redis, so this node would answer for \
         mailboxes that nobody has registered in another way than the others. If it joins them, \
         remove the file, and it gets theirs. If its own is the one to keep, stop all nodes, \
         delete {key} in Redis and the file at the others, and start this node first",
        path.display()
    )]
    Differs {
        /// This node's file.
        path: PathBuf,
        /// The name of the other in Redis.
        key: String,
    },
    /// The store does not take anything at present, and has no secret.
    #[error("there is no decoy secret in Redis, and none is put there: {0}")]
    Refusing(String),
    /// Redis.
    #[error("the decoy secret: {0}")]
    Redis(#[from] RedisError),
    /// A part of it panicked.
    #[error("the decoy secret: {0}")]
    BrokeOff(#[from] JoinError),
}

/// The secret, once it is known.
#[derive(Debug)]
pub struct DecoySecret {
    path: PathBuf,
    keys: OnceLock<DecoyKeys>,
}

impl DecoySecret {
    /// That of a node which is alone: from its file, made when it is missing.
    ///
    /// # Errors
    /// [`DecoySecretError`].
    pub fn own(path: PathBuf) -> Result<Self, DecoySecretError> {
        let this = Self::shared(path);
        let keys = match this.read_file()? {
            Some(keys) => keys,
            None => {
                let fresh = DecoyKeys::generate(&mut rand::rng());
                this.write_file(&fresh)?;
                fresh
            }
        };
        this.keys.get_or_init(|| keys);
        Ok(this)
    }

    /// Finds out whether its file, if there is one, can be used.
    ///
    /// # Errors
    /// [`DecoySecretError`].
    pub fn check(&self) -> Result<(), DecoySecretError> {
        self.read_file().map(drop)
    }

    /// One that is not known until [`Self::agree`]. The file is this node's copy.
    #[must_use]
    pub const fn shared(path: PathBuf) -> Self {
        Self {
            path,
            keys: OnceLock::new(),
        }
    }

    /// What is derived from it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] until it is known.
    pub fn keys(&self) -> Result<&DecoyKeys, StoreError> {
        let why = "the decoy secret is not known yet";
        let unknown = || StoreError::Unavailable(why.to_owned());
        self.keys.get().ok_or_else(unknown)
    }

    /// Takes the secret that is in Redis; or puts this node's there, or a new one, if
    /// there is none. Can be repeated.
    ///
    /// # Errors
    /// [`DecoySecretError`].
    pub async fn agree(self: &Arc<Self>, store: &RedisStore) -> Result<(), DecoySecretError> {
        let this = Arc::clone(self);
        let mine = spawn_blocking(move || this.known()).await??;
        let theirs = self.exchange(mine.as_deref(), store).await?;
        match mine {
            Some(mine) if bool::from(mine.ct_eq(theirs.as_slice())) => {}
            Some(_) => {
                return Err(DecoySecretError::Differs {
                    path: self.path.clone(),
                    key: name(store),
                });
            }
            None => {
                let (this, keys) = (Arc::clone(self), DecoyKeys::new(&theirs));
                spawn_blocking(move || this.write_file(&keys)).await??;
            }
        }
        self.keys.get_or_init(|| DecoyKeys::new(&theirs));
        Ok(())
    }

    /// Agrees with the other nodes, and looks again and again whether they do, until
    /// `shutdown`.
    pub(crate) async fn keep_agreed(
        self: Arc<Self>,
        store: RedisStore,
        readiness: Readiness,
        shutdown: Shutdown,
    ) {
        loop {
            let wait = match self.agree(&store).await {
                Ok(()) => {
                    readiness.has(PART);
                    AGREED_EVERY
                }
                // A Redis that is away takes nothing from what was agreed.
                Err(DecoySecretError::Redis(_)) if self.keys.get().is_some() => AGREED_EVERY,
                Err(error) => {
                    report("mailboxes are not answered", &error);
                    readiness.lacks(PART, error.to_string());
                    RETRY_EVERY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// The secret in Redis, after this one, or a new one, was offered.
    async fn exchange(
        &self,
        mine: Option<&[u8; DECOY_SECRET_SIZE]>,
        store: &RedisStore,
    ) -> Result<Zeroizing<[u8; DECOY_SECRET_SIZE]>, DecoySecretError> {
        let key = name(store);
        let offered = match (mine, store.refusing()) {
            (_, Some(why)) => {
                let mut get = pennyblack_redis::cmd("GET");
                get.arg(&key);
                let found: Option<Vec<u8>> = store.redis().command(get, key.as_bytes()).await?;
                let found = found.ok_or(DecoySecretError::Refusing(why))?;
                return exact(&Zeroizing::new(found), key);
            }
            (Some(mine), None) => Zeroizing::new(*mine),
            (None, None) => Zeroizing::new(*DecoyKeys::generate(&mut rand::rng()).secret()),
        };
        let script = Script::new(include_str!("decoy_secret.lua"));
        let found: Vec<u8> = store
            .redis()
            .write(&script, &[key.as_bytes()], &[offered.as_slice()])
            .await?;
        exact(&Zeroizing::new(found), key)
    }

    /// What this node has: the secret in use, or that of its file.
    fn known(&self) -> Result<Option<Zeroizing<[u8; DECOY_SECRET_SIZE]>>, DecoySecretError> {
        let secret = |keys: &DecoyKeys| Zeroizing::new(*keys.secret());
        match self.keys.get() {
            Some(keys) => Ok(Some(secret(keys))),
            None => Ok(self.read_file()?.as_ref().map(secret)),
        }
    }

    fn read_file(&self) -> Result<Option<DecoyKeys>, DecoySecretError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let secret = atomic_file::read_private(&self.path)?;
        let secret: &[u8; DECOY_SECRET_SIZE] = secret
            .as_slice()
            .try_into()
            .map_err(|_| DecoySecretError::Size(self.path.clone()))?;
        Ok(Some(DecoyKeys::new(secret)))
    }

    fn write_file(&self, keys: &DecoyKeys) -> Result<(), DecoySecretError> {
        atomic_file::write_private(&self.path, keys.secret()).map_err(|error| {
            DecoySecretError::Write {
                path: self.path.clone(),
                error,
            }
        })
    }
}

/// Says from the beginning that the secret is not known yet.
pub(crate) fn not_known_yet(readiness: &Readiness) {
    readiness.lacks(PART, "the decoy secret of all nodes is not known yet");
}

/// Its name in Redis.
fn name(store: &RedisStore) -> String {
    format!("{}{{decoys}}s", store.namespace())
}

fn exact(
    found: &[u8],
    key: String,
) -> Result<Zeroizing<[u8; DECOY_SECRET_SIZE]>, DecoySecretError> {
    let actual = found.len();
    let secret = found.try_into();
    secret
        .map(Zeroizing::new)
        .map_err(|_| DecoySecretError::Form { key, actual })
}

impl NodeCredential for DecoySecret {
    fn credential(&self) -> Result<Zeroizing<String>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.keys()?.node_credential())
    }
}

#[cfg(test)]
mod tests;
