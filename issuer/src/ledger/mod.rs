//! Quota accounts that outlive the process: each drawing of tokens is durable
//! before its answer leaves. Here is the contract; each backend has a room of its
//! own and passes the same suite, `conformance`. The counting itself is `quota`.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod embedded;
pub mod redis;

use std::future::Future;
use std::path::PathBuf;

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::RedisError;
use pennyblack_storage::group_commit::CommitError;

use self::embedded::EmbeddedLedger;
use self::redis::RedisLedger;
use crate::quota::{Charge, Exhausted, MAX_OVERLAPS, Uncounted};

/// Why a charge was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChargeError {
    /// Not so many tokens left; nothing was charged.
    #[error("{} of {} tokens are drawn", .0.drawn, .0.allowed)]
    Exhausted(Exhausted),
    /// Too much to look through; nothing was charged.
    #[error(
        "the accounts of this key epoch hold too many SPCs and blocks of numbers: more than \
         {MAX_OVERLAPS} for this subject, or as many as they may in all"
    )]
    Crowded,
    /// What accounts cover cannot be compared with the subject; nothing was charged.
    #[error("the quota accounts hold bounds that no SPC and no block of numbers has")]
    Incomparable,
    /// It should have been a repetition and is none; nothing was charged.
    #[error("this drawing was not made before")]
    NotRepeated,
    /// The key has signed as much as a key may; nothing was charged.
    #[error("the token key has signed {max} tokens, as many as it may: its successor is announced")]
    KeyUsedUp {
        /// How many that are.
        max: u64,
    },
    /// The epoch has no accounts here: its key is not live.
    #[error("the key epoch {0} has no accounts")]
    NoSuchEpoch(TokenKeyId),
    /// Not durable; the same charge may be made again.
    #[error("{0}")]
    Commit(#[from] CommitError),
    /// Not known to be durable; the same charge may be made again.
    #[error("quota accounts: {0}")]
    Redis(#[from] RedisError),
    /// The shared store has forgotten charges that it acknowledged: a backup was
    /// restored, it was emptied, or a failover lost writes. Nothing is charged
    /// until the operator decides or the epoch has ended.
    #[error(
        "Redis lost charges of the key epoch {epoch}: it has {found} of this node, which made \
         {seen}. Was a backup restored, or did a failover lose writes? Bring them back; or, to \
         let what was lost be drawn again, stop this node, run it once with --accept-older-store, and \
         start it (it remembers in {})",
        memory.display()
    )]
    Lost {
        /// Which epoch.
        epoch: TokenKeyId,
        /// How many charges of this node were acknowledged, at least.
        seen: u64,
        /// How many there are.
        found: u64,
        /// The file in which the node remembers that.
        memory: PathBuf,
    },
    /// What the node remembers of the shared store cannot be written.
    #[error("{0}")]
    Memory(String),
}

impl From<Uncounted> for ChargeError {
    fn from(uncounted: Uncounted) -> Self {
        match uncounted {
            Uncounted::Exhausted(exhausted) => Self::Exhausted(exhausted),
            Uncounted::Crowded => Self::Crowded,
            Uncounted::Incomparable => Self::Incomparable,
        }
    }
}

/// Whether a charge may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeKind {
    /// It may: it is counted if it was not before.
    NewOrRepeated,
    /// It may not: only what was counted before is let through.
    RepeatedOnly,
}

/// The accounts of the key epochs that an issuer follows.
///
/// *Atomic*: a charge is counted in all accounts that its subject overlaps and for its
/// key, or nowhere, after a crash at any instant too. *Idempotent*: the same charge again,
/// of the same subject and with the same body digest, is counted once; with more tokens
/// than before (more of the batch can be signed now) for the difference.
/// *Durable*: what was answered with `Ok` survives whatever the backend's
/// documentation says it survives. All issuer nodes over one store count together.
pub trait Ledger: Send + Sync + 'static {
    /// Charges once, however often the same is asked, unless the key would have
    /// signed more than `max` tokens then. Returns how many it has signed, for all
    /// subjects together.
    ///
    /// An error leaves open whether anything was charged, unless it says that nothing was;
    /// the same charge may be made again and ends well either way.
    fn charge(
        &self,
        epoch: TokenKeyId,
        charge: Charge,
        kind: ChargeKind,
        max: Option<u64>,
    ) -> impl Future<Output = Result<u64, ChargeError>> + Send;

    /// From now on takes charges of these epochs too. To be called before their
    /// keys are listed.
    fn admit(
        &self,
        epochs: Vec<TokenKeyId>,
    ) -> impl Future<Output = Result<(), ChargeError>> + Send;

    /// From now on takes charges of the `live` epochs and of no others.
    fn follow(&self, live: Vec<TokenKeyId>)
    -> impl Future<Output = Result<(), ChargeError>> + Send;

    /// Forgets the accounts of an epoch that is followed no more and whose key will
    /// sign nothing again, anywhere. Idempotent: called again after a crash, it
    /// forgets what is left.
    fn forget(&self, epoch: TokenKeyId) -> impl Future<Output = Result<(), ChargeError>> + Send;
}

/// The ledger that the configuration asks for.
#[derive(Debug)]
pub enum ChosenLedger {
    /// On the disk of the only node.
    Embedded(EmbeddedLedger),
    /// In a Redis that nodes share.
    Redis(Box<RedisLedger>),
}

impl ChosenLedger {
    /// How many tokens the key of an epoch has signed. On the disk of the only node a key
    /// without accounts was withdrawn before it had signed anything. In a store that
    /// several nodes share accounts are opened before there is a key: without them it
    /// lost them, or never had them.
    ///
    /// # Errors
    /// [`ChargeError::NoSuchEpoch`] when that is not known.
    pub async fn total(&self, epoch: TokenKeyId) -> Result<u64, ChargeError> {
        match self {
            Self::Embedded(ledger) => match ledger.total(epoch).await {
                Err(ChargeError::NoSuchEpoch(_)) => Ok(0),
                total => total,
            },
            Self::Redis(ledger) => ledger.total(epoch).await,
        }
    }

    /// Why nothing can be charged now, if nothing can.
    pub(crate) async fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(ledger) => ledger.trouble(),
            Self::Redis(ledger) => ledger.trouble().await,
        }
    }
}

impl Ledger for ChosenLedger {
    async fn charge(
        &self,
        epoch: TokenKeyId,
        charge: Charge,
        kind: ChargeKind,
        max: Option<u64>,
    ) -> Result<u64, ChargeError> {
        match self {
            Self::Embedded(ledger) => ledger.charge(epoch, charge, kind, max).await,
            Self::Redis(ledger) => ledger.charge(epoch, charge, kind, max).await,
        }
    }

    async fn admit(&self, epochs: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        match self {
            Self::Embedded(ledger) => ledger.admit(epochs).await,
            Self::Redis(ledger) => ledger.admit(epochs).await,
        }
    }

    async fn follow(&self, live: Vec<TokenKeyId>) -> Result<(), ChargeError> {
        match self {
            Self::Embedded(ledger) => ledger.follow(live).await,
            Self::Redis(ledger) => ledger.follow(live).await,
        }
    }

    async fn forget(&self, epoch: TokenKeyId) -> Result<(), ChargeError> {
        match self {
            Self::Embedded(ledger) => ledger.forget(epoch).await,
            Self::Redis(ledger) => ledger.forget(epoch).await,
        }
    }
}
