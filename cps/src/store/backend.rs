//! The backend that the configuration chooses. Nothing but the choice is here.

use pennyblack_shared::envelope::Cursor;
use pennyblack_shared::mailbox::MailboxId;
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::TokenKeyId;

use super::embedded::EmbeddedStore;
use super::redis::RedisStore;
use super::{Outcome, Page, Spend, Store, StoreError};

/// One of the backends.
pub enum Backend {
    /// On this machine's disk.
    Embedded(EmbeddedStore),
    /// In Redis.
    Redis(RedisStore),
}

impl Backend {
    /// The one in Redis, if that is the one.
    pub(crate) const fn redis(&self) -> Option<&RedisStore> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis(store) => Some(store),
        }
    }
}

impl Store for Backend {
    async fn spend_and_append(&self, spend: Spend, now: UnixTime) -> Result<Outcome, StoreError> {
        match self {
            Self::Embedded(store) => store.spend_and_append(spend, now).await,
            Self::Redis(store) => store.spend_and_append(spend, now).await,
        }
    }

    async fn page(
        &self,
        mailbox: MailboxId,
        after: Cursor,
        most: usize,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        match self {
            Self::Embedded(store) => store.page(mailbox, after, most, now).await,
            Self::Redis(store) => store.page(mailbox, after, most, now).await,
        }
    }

    async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.close_epoch(token_key_id).await,
            Self::Redis(store) => store.close_epoch(token_key_id).await,
        }
    }

    async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(store) => store.spent(token_key_id).await,
            Self::Redis(store) => store.spent(token_key_id).await,
        }
    }
}
