//! The issuer's transparency log (docs/protocol.md section 7): every token key
//! before it signs, and how many tokens it has signed once it signs no more. So no
//! carrier can be given a key of its own unnoticed. Not here: the log itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use pennyblack_shared::authority::Authority;
use pennyblack_shared::directory::{DirectoryError, IssuerDirectory};
use pennyblack_shared::log_entry::Statement;
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::TokenKeyId;
use pennyblack_shared::token_key::{TokenKey, TokenKeyError};
use pennyblack_tlog::AppendError;
use pennyblack_tlog::routes;
use pennyblack_tlog::statements::{OpenStatementsError, StatementLog};

use crate::ledger::ChargeError;
use crate::ledger::embedded::EmbeddedLedger;

/// How long a checkpoint may take that takes milliseconds.
const SIGNED_WITHIN: Duration = Duration::from_secs(10);

/// Why something is not in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLogError {
    /// It could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
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

    /// Has the totals of all keys on record that are not `live` any more. To be
    /// called before their accounts are forgotten.
    fn total(
        &self,
        live: &[TokenKeyId],
        ledger: &EmbeddedLedger,
        now: UnixTime,
    ) -> impl Future<Output = Result<(), KeyLogError>> + Send;
}

/// The log, open.
#[derive(Debug, Clone)]
pub(crate) struct KeyLog(Arc<StatementLog>);

impl KeyLog {
    /// Opens the log in a directory of its own, or begins one there. Reads all of
    /// it: not for an async context.
    pub(crate) fn open(directory: &Path, issuer: &Authority) -> Result<Self, OpenStatementsError> {
        Ok(Self(Arc::new(StatementLog::open(directory, issuer)?)))
    }

    /// The epochs whose accounts are still needed, since their totals are not in
    /// the log.
    pub(crate) fn untotalled(&self) -> Vec<TokenKeyId> {
        self.0.untotalled()
    }

    /// Waits until all that is in the log is under a checkpoint, as it is at once
    /// when the disk can be written: a reader who finds a key in the directory must
    /// find it in the log, too.
    async fn signed(&self) -> Result<(), KeyLogError> {
        let log = self.0.published();
        let (size, mut checkpoints) = (log.size(), log.checkpoints());
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
        match tokio::time::timeout(SIGNED_WITHIN, signed).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(KeyLogError::Unsigned { size }),
        }
    }

    /// The log's resources.
    pub(crate) fn router(&self) -> Router {
        routes::router(Arc::clone(self.0.published()))
    }
}

impl KeyRegister for KeyLog {
    async fn announce(&self, directory: &[u8], now: UnixTime) -> Result<(), KeyLogError> {
        for key in IssuerDirectory::parse(directory)?.token_keys {
            let statement = Statement::TokenKeyAnnounced {
                key: TokenKey::parse(key.token_type, &key.encoded)?,
                not_before: key.not_before.unwrap_or(UnixTime(0)),
            };
            self.0.state(statement, now).await?;
        }
        self.signed().await
    }

    async fn total(
        &self,
        live: &[TokenKeyId],
        ledger: &EmbeddedLedger,
        now: UnixTime,
    ) -> Result<(), KeyLogError> {
        for token_key_id in self.0.untotalled() {
            if live.contains(&token_key_id) {
                continue;
            }
            let issued = match ledger.total(token_key_id).await {
                Ok(issued) => issued,
                // It was withdrawn before it had signed anything.
                Err(ChargeError::NoSuchEpoch(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            let statement = Statement::IssuanceTotal {
                token_key_id,
                issued,
            };
            self.0.state(statement, now).await?;
        }
        Ok(())
    }
}
