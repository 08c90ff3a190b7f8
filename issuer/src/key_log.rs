//! The issuer's transparency log (docs/protocol.md section 7): every token key
//! before it signs, and how many tokens it has signed once it signs no more. So no
//! carrier can be given a key of its own unnoticed. Not here: the log itself.

use std::path::Path;
use std::sync::Arc;

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

/// Why something is not in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyLogError {
    /// It could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The directory that is to be written down.
    #[error("the log: {0}")]
    Directory(#[from] DirectoryError),
    /// A key of the directory.
    #[error("the log: {0}")]
    Key(#[from] TokenKeyError),
    /// The total of a key cannot be had.
    #[error("the log: {0}")]
    Total(#[from] ChargeError),
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

    /// The log's resources.
    pub(crate) fn router(&self) -> Router {
        routes::router(Arc::clone(self.0.published()))
    }

    /// The epochs whose accounts are still needed, since their totals are not in
    /// the log.
    pub(crate) fn untotalled(&self) -> Vec<TokenKeyId> {
        self.0.untotalled()
    }

    /// Has every key of a directory in the log.
    pub(crate) async fn announce(
        &self,
        directory: &[u8],
        now: UnixTime,
    ) -> Result<(), KeyLogError> {
        for key in IssuerDirectory::parse(directory)?.token_keys {
            let statement = Statement::TokenKeyAnnounced {
                key: TokenKey::parse(key.token_type, &key.encoded)?,
                not_before: key.not_before.unwrap_or(UnixTime(0)),
            };
            self.0.state(statement, now).await?;
        }
        Ok(())
    }

    /// Has the totals of all keys in the log that are not `live` any more. To be
    /// called before their accounts are forgotten.
    pub(crate) async fn total(
        &self,
        live: &[TokenKeyId],
        ledger: &EmbeddedLedger,
        now: UnixTime,
    ) -> Result<(), KeyLogError> {
        for token_key_id in self.untotalled() {
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
