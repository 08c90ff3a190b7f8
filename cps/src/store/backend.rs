//! The backend that the configuration chooses. Nothing but the choice is here.

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::admin::Readiness;

use super::embedded::EmbeddedStore;
use super::never_twice::{NeverTwiceStore, Owners};
use super::redis::RedisStore;
use super::{Outcome, Page, Spend, Store, StoreError, Window};

/// One of the backends.
pub enum Backend {
    /// On this machine's disk.
    Embedded(EmbeddedStore),
    /// In Redis.
    Redis(RedisStore),
    /// Spends on the disks of several nodes, and entries in Redis.
    NeverTwice(Box<NeverTwiceStore>),
}

impl Backend {
    /// Which node decides about which token, where one node alone does.
    pub(crate) fn owners(&self) -> Option<&Owners> {
        match self {
            Self::NeverTwice(store) => Some(store.owners()),
            Self::Embedded(_) | Self::Redis(_) => None,
        }
    }

    /// What the nodes share in Redis, if there is one.
    pub(crate) fn redis(&self) -> Option<&RedisStore> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis(store) => Some(store),
            Self::NeverTwice(store) => Some(store.shared()),
        }
    }

    /// Looks whether tokens can be redeemed: whether what several nodes share is as
    /// durable as promised, and has all that this node knows of.
    pub(crate) async fn examine(&self) {
        match self {
            Self::Embedded(_) => {}
            Self::Redis(store) => store.examine().await,
            Self::NeverTwice(store) => store.examine().await,
        }
    }

    /// Looks again and again, until `shutdown`.
    pub(crate) async fn watch(&self, readiness: Readiness, shutdown: Shutdown) {
        match self {
            Self::Embedded(store) => store.watch(readiness, shutdown).await,
            Self::Redis(store) => store.clone().watch(readiness, shutdown).await,
            Self::NeverTwice(store) => store.watch(readiness, shutdown).await,
        }
    }
}

impl Store for Backend {
    async fn spend_and_append(&self, spend: Spend, now: UnixTime) -> Result<Outcome, StoreError> {
        match self {
            Self::Embedded(store) => store.spend_and_append(spend, now).await,
            Self::Redis(store) => store.spend_and_append(spend, now).await,
            Self::NeverTwice(store) => store.spend_and_append(spend, now).await,
        }
    }

    async fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        match self {
            Self::Embedded(store) => store.page(mailbox, window, now).await,
            Self::Redis(store) => store.page(mailbox, window, now).await,
            Self::NeverTwice(store) => store.page(mailbox, window, now).await,
        }
    }

    async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.close_epoch(token_key_id).await,
            Self::Redis(store) => store.close_epoch(token_key_id).await,
            Self::NeverTwice(store) => store.close_epoch(token_key_id).await,
        }
    }

    async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(store) => store.spent(token_key_id).await,
            Self::Redis(store) => store.spent(token_key_id).await,
            Self::NeverTwice(store) => store.spent(token_key_id).await,
        }
    }
}
