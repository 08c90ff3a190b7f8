//! What a CPS keeps: which tokens are spent, and the sealed PASSporTs of the
//! last minute. Here is the contract; each backend has a file of its own, and
//! passes the same suite, `conformance`.

mod backend;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod embedded;
pub mod never_twice;
mod page;
pub mod redis;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_protocol::store_request::VerifiedStore;
use pennyblack_sealing::mailbox::MailboxId;
use zeroize::Zeroizing;

pub use self::backend::Backend;
pub use self::page::{Page, Window};

/// How long and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long an entry lives; at most 60 s by RFC 8816 and RFC 9888.
    pub entry_lifetime: Duration,
    /// Most unexpired entries of one mailbox: it keeps the newest.
    pub mailbox_capacity: usize,
}

impl Limits {
    /// Whether an entry stored at `stored` is alive at `now`. One that seems to
    /// come from more than a lifetime ahead was stored before the clock was set
    /// back, and is dead too: no clock makes an entry immortal.
    #[must_use]
    pub fn is_alive(&self, stored: UnixTime, now: UnixTime) -> bool {
        now < stored.plus(self.entry_lifetime) && stored <= now.plus(self.entry_lifetime)
    }
}

/// A verified request to store: a token spent for an entry. Only [`Spend::of`] makes one
/// from a request, and only of a request that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The key epoch of the token.
    token_key_id: TokenKeyId,
    /// The token, within its epoch.
    nonce: Nonce,
    /// What proves the spend later.
    record: SpendRecord,
    /// Where the entry goes.
    mailbox: MailboxId,
    /// The entry.
    sealed: Box<[u8]>,
}

impl Spend {
    /// What a verified request spends and stores.
    #[must_use]
    pub fn of(verified: &VerifiedStore) -> Self {
        let token = verified.token();
        Self {
            token_key_id: token.token_key_id(),
            nonce: token.nonce(),
            record: *verified.record(),
            mailbox: verified.mailbox(),
            sealed: verified.sealed().into(),
        }
    }

    /// The spend alone, for a journal beside which another store has the entries.
    fn without_entry(&self) -> Self {
        Self {
            token_key_id: self.token_key_id,
            nonce: self.nonce,
            record: self.record,
            mailbox: self.mailbox,
            sealed: Box::default(),
        }
    }

    /// A spend that nobody has verified, for tests and benchmarks of stores.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub const fn unverified(
        token: (TokenKeyId, Nonce),
        record: SpendRecord,
        mailbox: MailboxId,
        sealed: Box<[u8]>,
    ) -> Self {
        let (token_key_id, nonce) = token;
        Self {
            token_key_id,
            nonce,
            record,
            mailbox,
            sealed,
        }
    }

    /// The same for another mailbox or epoch, for tests and benchmarks of stores.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn moved(self, mailbox: Option<MailboxId>, epoch: Option<TokenKeyId>) -> Self {
        Self {
            mailbox: mailbox.unwrap_or(self.mailbox),
            token_key_id: epoch.unwrap_or(self.token_key_id),
            ..self
        }
    }
}

/// What became of a [`Spend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The token is spent and the entry stored, both durably.
    Stored,
    /// The same request was stored before; nothing was stored twice.
    AlreadyStored,
    /// The token was spent on another request; this is its record.
    Conflict(SpendRecord),
}

/// Why a spend was not carried out. The token is unspent, unless it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The token's key epoch was closed permanently.
    #[error("the token's key epoch is closed: draw new tokens")]
    EpochClosed,
    /// Too much is waiting; nothing was done.
    #[error("too many requests are waiting: try again shortly")]
    Busy,
    /// The store cannot be reached or cannot make anything durable. The same
    /// request may be sent again and ends well whichever way this one went.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// Counts entries that were dropped for newer ones, for the operator: how many, never
/// where.
fn count_dropped(entries: u64) {
    if entries > 0 {
        metrics::counter!("pennyblack_cps_entries_dropped_total").increment(entries);
    }
}

/// One entry. Its bytes are wiped when the last reader has dropped it.
#[derive(Debug, Clone)]
pub struct Entry(Arc<Zeroizing<Vec<u8>>>);

impl Entry {
    /// Takes the bytes over, without copying them.
    #[must_use]
    pub fn new(sealed: Box<[u8]>) -> Self {
        Self(Arc::new(Zeroizing::new(sealed.into_vec())))
    }
}

impl AsRef<[u8]> for Entry {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The storage of a CPS.
///
/// *Atomic*: a token is either unspent, or spent with exactly one entry stored,
/// after a crash at any instant too. *Idempotent*: the same spend again ends in
/// [`Outcome::AlreadyStored`]. *Durable*: what was answered with an [`Outcome`]
/// survives whatever the backend's documentation says it survives.
///
/// *Blind to the fill*: a mailbox keeps its newest entries. A spend for a full one ends as
/// any other, and the oldest entry is dropped, which only its recipient hears of
/// ([`Page::dropped`]). So a spend tells nobody how many entries others have stored.
pub trait Store: Send + Sync + 'static {
    /// Spends the token and stores the entry, or does neither.
    fn spend_and_append(
        &self,
        spend: Spend,
        now: UnixTime,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// The unexpired entries of a mailbox that are in a window. A mailbox that nothing
    /// was ever stored in is an empty one.
    ///
    /// **Reading takes the same steps and copies as many bytes whatever there is.**
    fn page(
        &self,
        mailbox: MailboxId,
        window: Window,
        now: UnixTime,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Closes a key epoch permanently and forgets its spends, which no token can
    /// contradict any more. Idempotent.
    fn close_epoch(
        &self,
        token_key_id: TokenKeyId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many tokens of an epoch are spent; 0 once it is closed.
    fn spent(
        &self,
        token_key_id: TokenKeyId,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
