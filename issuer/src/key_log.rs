//! The issuer's transparency log (docs/protocol.md section 7): every token key
//! before it signs, and how many tokens it has signed once it signs no more. So no
//! carrier can be given a key of its own unnoticed. Not here: the log itself, and which of
//! several nodes leads it.

use std::path::Path;

use crate::ledger::{ChargeError, ChosenLedger, redis as redis_ledger};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_logserver::nodes::{
    LeaderRecord, LogRole, OpenRoleError, PublishError, Sharing, StateError, TransparencyLogConfig,
};
use pennyblack_logserver::statements::OpenStatementsError;
use pennyblack_privacypass::directory::{DirectoryError, IssuerDirectory};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::{TokenKey, TokenKeyError};
use pennyblack_redis::Redis;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;

/// Why something is not in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLogError {
    /// It could not be stated.
    #[error(transparent)]
    State(#[from] StateError),
    /// It could not be stated, or no checkpoint be signed for it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The leader has not announced a key.
    #[error(
        "the leader of the log has not announced the token key {key} yet: is it up, and ready?"
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
    /// The total of a key cannot be had.
    #[error("the log: {0}")]
    Total(#[from] ChargeError),
}

/// Where token keys are made known before anybody is shown them.
pub(crate) trait KeyRegister: Send + Sync {
    /// When the keys begin that are on record, lost ones as well: no other may begin close
    /// to one of them, since few would draw of it.
    fn begins(&self) -> Vec<UnixTime>;

    /// Has every key of a directory on record, where all can see it. The directory
    /// must not be shown before.
    fn announce(
        &self,
        directory: &[u8],
        now: UnixTime,
    ) -> impl Future<Output = Result<(), KeyLogError>> + Send;

    /// Has the totals of all keys on record that are not `in_use` any more, here or at
    /// another node. Returns those of the `withdrawn` ones whose total is there, or can never
    /// be known: only their accounts may be deleted.
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
pub(crate) struct KeyLog(LogRole);

impl KeyLog {
    /// Opens the log of an issuer of one node in a directory of its own, or begins one
    /// there. Reads all of it: not for an async context.
    pub(crate) fn open(directory: &Path, issuer: &Authority) -> Result<Self, OpenStatementsError> {
        Ok(Self(LogRole::of_one(directory, issuer)?))
    }

    /// The log of an issuer of several nodes over one `redis`. As blocking as
    /// [`Self::open`]. Nothing is stated, or was read, until [`Self::get_in_touch`].
    pub(crate) fn of_several(
        directory: &Path,
        issuer: &Authority,
        config: &TransparencyLogConfig,
        redis: &Redis,
    ) -> Result<Self, OpenRoleError> {
        let name = format!("{}:{{{issuer}}}:log", redis_ledger::namespace(redis));
        let sharing = Sharing {
            leader_record: LeaderRecord::new(redis.clone(), name),
            reports: None,
        };
        let role = LogRole::of_several(directory, issuer, config, sharing)?;
        Ok(Self(role))
    }

    /// Tells the other nodes that this one leads the log, or reads it for the first time.
    pub(crate) async fn get_in_touch(&self) -> Result<(), OpenRoleError> {
        self.0.get_in_touch().await
    }

    /// Goes on with that until `shutdown`.
    pub(crate) async fn keep_in_touch(self, readiness: Readiness, shutdown: Shutdown) {
        self.0.keep_in_touch(readiness, shutdown).await;
    }

    /// The epochs whose accounts are still needed, since their totals are not in
    /// the log.
    pub(crate) fn untotalled(&self) -> Vec<TokenKeyId> {
        self.0.untotalled()
    }

    /// The log's resources, which are the same at all nodes.
    pub(crate) fn router(&self) -> PublicRouter {
        self.0.router()
    }

    /// States how many tokens a key has signed, if that is known.
    async fn state_total(
        &self,
        token_key_id: TokenKeyId,
        ledger: &ChosenLedger,
        now: UnixTime,
    ) -> Result<Total, KeyLogError> {
        let issued = match ledger.total(token_key_id).await {
            Ok(issued) => issued,
            Err(ChargeError::NoSuchEpoch(_)) => {
                tracing::error!(
                    %token_key_id,
                    "how many tokens this key has signed is not known here: its total is not \
                     stated, and auditors will miss it"
                );
                return Ok(Total::Missing);
            }
            // Auditors would take a total that is too small for a proof against this issuer.
            Err(error @ ChargeError::Lost { .. }) => {
                tracing::error!(
                    %token_key_id,
                    %error,
                    "the total of this key is not stated, and auditors will miss it"
                );
                return Ok(Total::Withheld);
            }
            Err(error) => return Err(error.into()),
        };
        let statement = Statement::IssuanceTotal {
            token_key_id,
            issued,
        };
        self.0.state(statement, now).await?;
        Ok(Total::Stated)
    }
}

/// What became of the total of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Total {
    Stated,
    /// There are no accounts that could tell: nothing is left to forget.
    Missing,
    /// The accounts have lost charges. They stay until the operator brings them back or
    /// accepts the loss.
    Withheld,
}

impl KeyRegister for KeyLog {
    fn begins(&self) -> Vec<UnixTime> {
        self.0.announced_begins()
    }

    async fn announce(&self, directory: &[u8], now: UnixTime) -> Result<(), KeyLogError> {
        let (mut ids, mut statements) = (Vec::new(), Vec::new());
        for listed in IssuerDirectory::parse(directory)?.token_keys {
            let key = TokenKey::parse(listed.token_type, &listed.encoded)?;
            let not_before = listed.not_before.unwrap_or(UnixTime(0));
            ids.push(key.id());
            statements.push(Statement::TokenKeyAnnounced { key, not_before });
        }
        let Err(error) = self.0.publish(statements, now).await else {
            return Ok(());
        };
        let missing = ids.into_iter().find(|id| !self.0.is_announced(*id));
        match (error, missing) {
            // The last ones were read while the time ran out.
            (PublishError::State(StateError::NotYet), None) => Ok(()),
            (PublishError::State(StateError::NotYet), Some(key)) => {
                Err(KeyLogError::Unannounced { key })
            }
            (error, _) => Err(error.into()),
        }
    }

    async fn total(
        &self,
        in_use: &[TokenKeyId],
        withdrawn: &[TokenKeyId],
        ledger: &ChosenLedger,
        now: UnixTime,
    ) -> Result<Vec<TokenKeyId>, KeyLogError> {
        let mut unknown = Vec::new();
        for id in self.0.untotalled() {
            if !in_use.contains(&id) && self.state_total(id, ledger, now).await? == Total::Missing {
                unknown.push(id);
            }
        }
        let is_settled = |id: &&TokenKeyId| {
            self.0.is_totalled(**id) || !self.0.is_announced(**id) || unknown.contains(*id)
        };
        Ok(withdrawn.iter().filter(is_settled).copied().collect())
    }
}
