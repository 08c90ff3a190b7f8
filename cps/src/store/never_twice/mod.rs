//! The store of several nodes in which no failure of Redis makes a token good again:
//! every token has one node that decides, in a journal of its own, and Redis holds the
//! mailboxes alone (docs/decisions/0004-never-twice.md). How a request comes to the
//! node that decides is not here.
//!
//! The token is spent in the journal first, durably, then the entry is added in Redis
//! under the request's digest. When the node dies between the two, or Redis loses the
//! entry, the same request again finds the token bound to itself and adds the entry.

mod claim;
mod membership;
mod owners;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisError, RedisOptions};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use self::claim::{Claim, Claims};
pub use self::membership::MembershipError;
use self::membership::{JournalId, Membership};
pub use self::owners::{NodeListId, Owners, OwnersError};
use super::embedded::{Clock, EmbeddedStore, OpenStoreError};
use super::redis::{OpenRedisError, RedisStore};
use super::{Limits, Outcome, Page, Spend, Store, StoreError, Window};

/// The journal's directory within the node's.
const JOURNAL: &str = "journal";
/// How often Redis is told how much the journal knows.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How many of those pass between two looks at the servers' settings.
const EXAMINE_EVERY: u32 = 10;

/// A store of this kind that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenNeverTwiceError {
    /// What is set about Redis.
    #[error(transparent)]
    Redis(#[from] OpenRedisError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenStoreError),
    /// The nodes.
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

/// A journal that could not be made the one that counts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptJournalError {
    /// What is set about Redis.
    #[error(transparent)]
    Options(#[from] pennyblack_redis::SetUpError),
    /// Redis.
    #[error("the journal was not accepted: run --accept-older-store again: {0}")]
    Redis(#[from] RedisError),
}

/// Why no token is redeemed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusing {
    #[error("the store has not answered since the start: {0}")]
    Unexamined(String),
    #[error("the store does not carry store.durability: {0}")]
    Durability(String),
    #[error("{0}")]
    Claim(Claim),
}

/// The store, open.
pub struct NeverTwiceStore {
    owners: Owners,
    journal: EmbeddedStore,
    journal_id: JournalId,
    /// The connection and the mailboxes. No spend is ever recorded there.
    redis: RedisStore,
    claims: Claims,
    /// Held while Redis is told what the journal knows, and while an epoch is closed.
    claiming: Mutex<()>,
    /// Locked to read or replace, never while waiting.
    refusing: RwLock<Option<Refusing>>,
}

impl NeverTwiceStore {
    /// Opens the store with a directory of this node's own, which is made if missing
    /// and locked for this process. A request can come again for `repeatable`. Reads
    /// all spends: not for an async context. Nothing is redeemed until
    /// [`Self::examine`].
    ///
    /// # Errors
    /// [`OpenNeverTwiceError`].
    pub fn open(
        options: &RedisOptions,
        owners: Owners,
        limits: Limits,
        repeatable: Duration,
        directory: &Path,
        clock: Clock,
    ) -> Result<Self, OpenNeverTwiceError> {
        // Locks the directory.
        let redis = RedisStore::open(options, limits, repeatable, directory)?;
        let membership = Membership::open(directory, &owners)?;
        // Entries are in Redis: the journal drops none, or they would be counted twice.
        let limits = Limits {
            mailbox_capacity: usize::MAX,
            ..limits
        };
        let journal = EmbeddedStore::open(&directory.join(JOURNAL), limits, clock)?;
        let claims = Claims::new(redis.namespace(), owners.own(), owners.list_id());
        let unexamined = Refusing::Unexamined("not asked yet".to_owned());
        Ok(Self {
            owners,
            journal,
            journal_id: membership.journal,
            redis,
            claims,
            claiming: Mutex::new(()),
            refusing: RwLock::new(Some(unexamined)),
        })
    }

    /// Which node decides about which token.
    #[must_use]
    pub const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The connection to Redis, for what else the nodes share.
    pub(crate) const fn shared(&self) -> &RedisStore {
        &self.redis
    }

    /// Why no token is redeemed, if none is.
    #[must_use]
    pub fn refusing(&self) -> Option<String> {
        self.why().map(|refusing| refusing.to_string())
    }

    /// Looks whether the servers carry what is promised of entries, and whether this
    /// node's journal is the one that Redis knows. Tokens are redeemed from then on,
    /// or not.
    pub async fn examine(&self) {
        match self.redis.redis().shortfalls().await {
            Ok(shortfalls) if shortfalls.is_empty() => self.claim().await,
            Ok(shortfalls) => {
                let sentences: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
                self.refuse(Refusing::Durability(sentences.join("; ")));
            }
            Err(error) => self.not_examined(&error),
        }
    }

    /// Looks at the store again and again, and tells Redis what the journal knows,
    /// until `shutdown`.
    pub async fn watch(&self, readiness: Readiness, shutdown: Shutdown) {
        let mut pace = tokio::time::interval(CLAIM_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = 0u32;
        loop {
            let refusing = self.refusing().or_else(|| self.journal.trouble());
            let why = match refusing {
                Some(why) => Some(why),
                None => self.redis.trouble().await,
            };
            match why {
                Some(why) => readiness.lacks("store", why),
                None => readiness.has("store"),
            }
            tokio::select! {
                _ = pace.tick() => {}
                () = shutdown.requested() => break,
            }
            beats = beats.wrapping_add(1);
            if beats.is_multiple_of(EXAMINE_EVERY) || self.why().is_some() {
                self.examine().await;
            } else {
                self.claim().await;
            }
        }
        self.claim().await;
    }

    /// Makes this node's journal as it is the one that counts, though Redis knows of
    /// another or of one that knew more: tokens that it has forgotten can then be spent
    /// once more. The node must not be running.
    ///
    /// # Errors
    /// [`AcceptJournalError`].
    pub async fn accept_journal(
        options: &RedisOptions,
        owners: &Owners,
    ) -> Result<(), AcceptJournalError> {
        let redis = Redis::new(options)?;
        let namespace = super::redis::namespace(options);
        let claims = Claims::new(namespace, owners.own(), owners.list_id());
        Ok(claims.forget(&redis).await?)
    }

    /// Tells Redis what the journal knows, and hears whether it is the one that counts.
    async fn claim(&self) {
        let _turn = self.claiming.lock().await;
        if let Some(Refusing::Claim(_)) = self.why() {
            // Two nodes that both take themselves for this one must not take turns.
            return;
        }
        let counts = match self.journal.counts().await {
            Ok(counts) => counts,
            Err(error) => {
                return report("the journal does not say what it knows", &error);
            }
        };
        let redis = self.redis.redis();
        match self.claims.make(redis, self.journal_id, &counts).await {
            Ok(None) => self.redeem(),
            Ok(Some(claim)) => self.refuse(Refusing::Claim(claim)),
            Err(error) => self.not_examined(&error),
        }
    }

    /// Redis has not answered. A node that was examined goes on: its journal is its own,
    /// and what needs Redis fails by itself.
    fn not_examined(&self, error: &RedisError) {
        report("the store could not be looked at", error);
        if let Some(Refusing::Unexamined(_)) = self.why() {
            self.refuse(Refusing::Unexamined(error.to_string()));
        }
    }

    fn why(&self) -> Option<Refusing> {
        let refusing = self.refusing.read();
        refusing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, refusing: Refusing) {
        metrics::gauge!("pennyblack_cps_store_refusing").set(1.0);
        if self.replace(Some(refusing.clone())) {
            report("no token is redeemed", &refusing);
        }
    }

    fn redeem(&self) {
        metrics::gauge!("pennyblack_cps_store_refusing").set(0.0);
        if self.replace(None) {
            tracing::info!("this node's journal is the one that counts: tokens are redeemed");
            self.redis.vouch();
        }
    }

    /// Whether that is a change.
    fn replace(&self, refusing: Option<Refusing>) -> bool {
        let now = self.refusing.write();
        let mut now = now.unwrap_or_else(PoisonError::into_inner);
        let changed = *now != refusing;
        *now = refusing;
        changed
    }
}

impl Store for NeverTwiceStore {
    async fn spend_and_append(&self, spend: Spend, now: UnixTime) -> Result<Outcome, StoreError> {
        if let Some(refusing) = self.why() {
            return Err(StoreError::Unavailable(refusing.to_string()));
        }
        let owner = self.owners.owner_of(&spend.token_key_id, &spend.nonce);
        if owner != self.owners.own() {
            return Err(StoreError::Unavailable(format!(
                "node {owner} decides about this token, and this is another"
            )));
        }
        let entry = RedisStore::entry_of(&spend);
        let spent = self.journal.spend_and_append(spend.without_entry(), now);
        let spent = spent.await?;
        if let Outcome::Conflict(_) = spent {
            return Ok(spent);
        }
        match self.redis.append(&spend, &entry, now).await? {
            true => Ok(Outcome::Stored),
            false => Ok(Outcome::AlreadyStored),
        }
    }

    async fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        self.redis.page(mailbox, window, now).await
    }

    /// In this node's journal. Every node follows the issuer and closes its own.
    async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
        let _turn = self.claiming.lock().await;
        // Redis first: a journal that has forgotten the epoch must not look older.
        let closed = self.claims.close(self.redis.redis(), token_key_id).await;
        closed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.journal.close_epoch(token_key_id).await
    }

    /// At all nodes: here at this instant, at the others as of their last claim.
    async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
        let Some(own) = self.journal.spent_while_open(token_key_id).await? else {
            return Ok(0);
        };
        let redis = self.redis.redis();
        let others = self
            .claims
            .spent_at_others(redis, token_key_id, &self.owners);
        let others = others.await;
        let others = others.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let why =
            "Redis has lost what another node said of its spends, which is not said again yet";
        let others = others.ok_or_else(|| StoreError::Unavailable(why.to_owned()))?;
        Ok(own + others)
    }
}
