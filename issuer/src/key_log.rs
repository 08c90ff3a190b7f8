//! The issuer's transparency log (docs/protocol.md section 7): every token key
//! before it signs, and how many tokens it has signed once it signs no more. So no
//! carrier can be given a key of its own unnoticed. Of several nodes one keeps the log,
//! and the others follow it. Not here: the log itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use pennyblack_service::admin::Readiness;
use pennyblack_service::peer::PeerSetUpError;
use pennyblack_service::shutdown::Shutdown;
use pennyblack_shared::authority::Authority;
use pennyblack_shared::directory::{DirectoryError, IssuerDirectory};
use pennyblack_shared::log_entry::Statement;
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::tlog::NoteKeyError;
use pennyblack_shared::token::TokenKeyId;
use pennyblack_shared::token_key::{TokenKey, TokenKeyError};
use pennyblack_storage::redis::Redis;
use pennyblack_tlog::nodes::{
    Claim, ClaimError, FollowedError, FollowedLog, Keeper, KeptLog, MemoryError, NotKept,
    TransparencyLogConfig,
};
use pennyblack_tlog::routes::PREFIX;
use pennyblack_tlog::statements::{OpenStatementsError, StatementLog};

use crate::ledger::{ChargeError, ChosenLedger, redis as redis_ledger};

/// How long a checkpoint may take that takes milliseconds.
const SIGNED_WITHIN: Duration = Duration::from_secs(10);

/// How long is waited for the node that keeps the log to announce a key that another one
/// has made; then it is asked again later.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(5);

/// How often it is asked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenKeyLogError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OpenStatementsError),
    /// The issuer's name cannot be a log's.
    #[error("the log: {0}")]
    Name(#[from] NoteKeyError),
    /// The node that keeps it cannot be asked.
    #[error("[transparency_log] {0}")]
    Keeper(#[from] PeerSetUpError),
    /// This node may not keep it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The log of the other node.
    #[error(transparent)]
    Followed(#[from] FollowedError),
    /// What was read of it before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// Why something is not in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLogError {
    /// It could not be appended.
    #[error(transparent)]
    Kept(#[from] NotKept),
    /// Another node keeps the log, and has not announced a key.
    #[error(
        "the node that keeps the log has not announced the token key {key} yet: is it up, and \
         ready?"
    )]
    Unannounced {
        /// Which.
        key: TokenKeyId,
    },
    /// The directory that is to be written down.
    #[error("the log: {0}")]
    Directory(#[from] DirectoryError),
    /// A key of the directory.
    #[error("the log: {0}")]
    Key(#[from] TokenKeyError),
    /// It is on disk, and tiles and checkpoint are not.
    #[error(
        "the log: no checkpoint for its {size} entries within {} s: its tiles cannot be written, \
         see the service's log", SIGNED_WITHIN.as_secs()
    )]
    Unsigned {
        /// How many entries the checkpoint must be for.
        size: u64,
    },
    /// The total of a key cannot be had.
    #[error("the log: {0}")]
    Total(#[from] ChargeError),
}

/// Where token keys are made known before anybody is shown them.
pub(crate) trait KeyRegister: Send + Sync {
    /// Has every key of a directory on record, where all can see it. The directory
    /// must not be shown before.
    fn announce(
        &self,
        directory: &[u8],
        now: UnixTime,
    ) -> impl Future<Output = Result<(), KeyLogError>> + Send;

    /// Has the totals of all keys on record that are not `in_use` any more, here or at
    /// another node, and tells of which of the `withdrawn` ones the total is there: the
    /// accounts of these alone may be forgotten.
    fn total(
        &self,
        in_use: &[TokenKeyId],
        withdrawn: &[TokenKeyId],
        ledger: &ChosenLedger,
        now: UnixTime,
    ) -> impl Future<Output = Result<Vec<TokenKeyId>, KeyLogError>> + Send;
}

/// The log, open.
#[derive(Debug, Clone)]
pub(crate) struct KeyLog(Place);

/// Which node keeps it.
#[derive(Debug, Clone)]
enum Place {
    Here(Arc<KeptLog>),
    Elsewhere(Arc<FollowedLog>),
}

impl KeyLog {
    /// Opens the log of an issuer of one node in a directory of its own, or begins one
    /// there. Reads all of it: not for an async context.
    pub(crate) fn open(directory: &Path, issuer: &Authority) -> Result<Self, OpenStatementsError> {
        let statements = Arc::new(StatementLog::open(directory, issuer)?);
        Ok(Self(Place::Here(Arc::new(KeptLog::alone(statements)))))
    }

    /// The log of an issuer of several nodes over one `redis`: kept here, or followed.
    /// As blocking as [`Self::open`]. Nothing is stated, or was read, until
    /// [`Self::get_in_touch`].
    pub(crate) fn of_several(
        directory: &Path,
        issuer: &Authority,
        config: &TransparencyLogConfig,
        redis: &Redis,
    ) -> Result<Self, OpenKeyLogError> {
        let name = format!("{}:{{{issuer}}}:log", redis_ledger::namespace(redis));
        let claim = Claim::new(redis.clone(), name);
        let place = match Keeper::of(config)? {
            None => {
                let statements = Arc::new(StatementLog::open(directory, issuer)?);
                Place::Here(Arc::new(KeptLog::among(statements, claim)))
            }
            Some(keeper) => {
                let name = format!("{issuer}{PREFIX}").parse()?;
                let memory = directory.with_file_name("log-followed.json");
                let followed = FollowedLog::open(name, keeper, claim, &memory)?;
                Place::Elsewhere(Arc::new(followed))
            }
        };
        Ok(Self(place))
    }

    /// Says to the other nodes that this one keeps the log, or reads it for the first
    /// time.
    pub(crate) async fn get_in_touch(&self) -> Result<(), OpenKeyLogError> {
        match &self.0 {
            Place::Here(kept) => Ok(kept.renew().await?),
            Place::Elsewhere(followed) => Ok(followed.refresh().await?),
        }
    }

    /// Goes on with that until `shutdown`.
    pub(crate) async fn keep_in_touch(self, readiness: Readiness, shutdown: Shutdown) {
        match &self.0 {
            Place::Here(kept) => kept.keep_claimed(readiness, shutdown).await,
            Place::Elsewhere(followed) => followed.follow(readiness, shutdown).await,
        }
    }

    /// The epochs whose accounts are still needed, since their totals are not in
    /// the log.
    pub(crate) fn untotalled(&self) -> Vec<TokenKeyId> {
        match &self.0 {
            Place::Here(kept) => kept.statements().untotalled(),
            Place::Elsewhere(_) => Vec::new(),
        }
    }

    /// The log's resources, which are the same at all nodes.
    pub(crate) fn router(&self) -> Router {
        match &self.0 {
            Place::Here(kept) => kept.router(),
            Place::Elsewhere(followed) => followed.router(),
        }
    }
}

/// Waits until all that is in the log is under a checkpoint, as it is at once when the
/// disk can be written: a reader who finds a key in the directory must find it in the
/// log, too.
async fn signed(log: &KeptLog) -> Result<(), KeyLogError> {
    let log = log.published();
    let (size, mut checkpoints) = (log.size(), log.checkpoints());
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
    match tokio::time::timeout(SIGNED_WITHIN, signed).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(KeyLogError::Unsigned { size }),
    }
}

/// Reads on until a key is announced there.
async fn announced(log: &FollowedLog, key: TokenKeyId) -> Result<(), KeyLogError> {
    let read = async {
        while !log.is_announced(key) {
            if let Err(error) = log.refresh().await {
                tracing::warn!(%error, token_key = %key, "not seen in the log yet");
            }
            if !log.is_announced(key) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    let read = tokio::time::timeout(ANNOUNCED_WITHIN, read).await;
    read.map_err(|_| KeyLogError::Unannounced { key })
}

impl KeyRegister for KeyLog {
    async fn announce(&self, directory: &[u8], now: UnixTime) -> Result<(), KeyLogError> {
        for listed in IssuerDirectory::parse(directory)?.token_keys {
            let key = TokenKey::parse(listed.token_type, &listed.encoded)?;
            let not_before = listed.not_before.unwrap_or(UnixTime(0));
            match &self.0 {
                Place::Here(kept) => {
                    let statement = Statement::TokenKeyAnnounced { key, not_before };
                    kept.state(statement, now).await?;
                }
                Place::Elsewhere(followed) => announced(followed, key.id()).await?,
            }
        }
        match &self.0 {
            Place::Here(kept) => signed(kept).await,
            // What was read is signed.
            Place::Elsewhere(_) => Ok(()),
        }
    }

    async fn total(
        &self,
        in_use: &[TokenKeyId],
        withdrawn: &[TokenKeyId],
        ledger: &ChosenLedger,
        now: UnixTime,
    ) -> Result<Vec<TokenKeyId>, KeyLogError> {
        let kept = match &self.0 {
            Place::Here(kept) => kept,
            Place::Elsewhere(followed) => {
                let is_settled =
                    |id: &&TokenKeyId| followed.is_totalled(**id) || !followed.is_announced(**id);
                return Ok(withdrawn.iter().filter(is_settled).copied().collect());
            }
        };
        for token_key_id in kept.statements().untotalled() {
            if in_use.contains(&token_key_id) {
                continue;
            }
            let issued = match ledger.total(token_key_id).await {
                Ok(issued) => issued,
                // It was withdrawn before it had signed anything.
                Err(ChargeError::NoSuchEpoch(_)) if ledger.is_whole() => 0,
                Err(ChargeError::NoSuchEpoch(_)) => {
                    tracing::error!(
                        %token_key_id,
                        "how many tokens this key has signed is not known here: its total is not \
                         stated, and auditors will miss it"
                    );
                    continue;
                }
                // Auditors would take a total that is too small for a proof against this issuer.
                Err(error @ ChargeError::Lost { .. }) => {
                    tracing::error!(
                        %token_key_id,
                        %error,
                        "the total of this key is not stated, and auditors will miss it"
                    );
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let statement = Statement::IssuanceTotal {
                token_key_id,
                issued,
            };
            kept.state(statement, now).await?;
        }
        Ok(withdrawn.to_vec())
    }
}
