//! The OOB-AS's side (docs/protocol.md sections 3 and 5): looking a called
//! number's keys up, sealing one copy of the PASSporT to each, and paying for
//! each with a token. Not here: drawing tokens (`carrier`).

mod block;
mod block_keys;
mod clock_gaps;
mod copy_plan;
mod copying;
mod delivery;
pub(crate) mod keys;
mod passport;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::{STORE_PATH, SpendKey};
use pennyblack_privacypass::token::{Token, TokenKeyId};
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_protocol::store_request::sign_store_request;
use pennyblack_sealing::sealed::{SealError, seal_passport};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

pub use block::{BlockLimits, BlockOfRecords};
pub use clock_gaps::ClockGaps;
pub use copy_plan::{CopyEnd, CopyLimits, CopyPlan};
pub use copying::{CopyFailure, CopyResult, Copying};
pub use delivery::{ResendTotals, StoreDelivery};
pub use keys::{
    DEFAULT_MAX_COPIES, FoundKeys, KeyLookup, RecordRefusals, RefusedRecord, keys_to_seal_to,
};
pub use passport::{PassportInputError, ShakenCall, read_passport};
pub use transport::{SendingStore, SentStore, StoreTransport};

use crate::block_look_ups::BlockFileError;
use crate::certificates::CertificateStores;
use crate::wallet::{OutboxEntry, SpendError, StoreTarget, Wallet, WalletError};
use pennyblack_http::{
    ClockGap, HttpError, HttpOptions, Refused, RetryPolicy, RouteError, ServiceAddress,
};
use pennyblack_passport::{Refusal, UnverifiedPassport};

/// Why a PASSporT was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OobAuthenticationError {
    /// A look-up failed; nothing was sealed or spent.
    #[error("looking up keys: {0}")]
    KeyLookup(HttpError),
    /// The CPS's answer to a look-up is not a list of key records.
    #[error("the CPS's answer is no list of keys ({0}): check that --cps is the address of a CPS")]
    KeyList(serde_json::Error),
    /// What is kept of blocks cannot be used; nothing was sent.
    #[error(transparent)]
    Blocks(#[from] BlockFileError),
    /// The block was not among those that were asked for.
    #[error("the block of the called number was not asked for")]
    NotAsked,
    /// The PASSporT does not fit; nothing was spent.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No token was spent.
    #[error(transparent)]
    Spend(#[from] SpendError),
    /// No verifier would find the PASSporT fresh; nothing was spent.
    #[error(
        "the PASSporT was not stored, and no token spent, since no verifier would accept it: it was {0}"
    )]
    NotFresh(#[from] Refusal),
    /// The wallet could not be used.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The record names another CPS without https.
    #[error("the key record names {0}, which is not https and not the CPS that was configured")]
    PlainCps(String),
    /// There is no way to the CPS that hides this machine's address; nothing was spent.
    #[error("no token was spent: {0}")]
    NoWay(Box<RouteError>),
    /// The CPS must refuse what is signed by this machine's clock; nothing was spent.
    #[error("nothing was sent and no token spent, since the CPS would refuse the request: {0}")]
    Clock(ClockGap),
    /// The CPS refused for good. The token is gone: signing another request
    /// with it could be made to look like a double spend.
    #[error("not stored: {}{}", sentence(error), explain(error))]
    Refused {
        /// What it said.
        error: HttpError,
    },
    /// The CPS, or what stands in front of it, has too much to do and has refused: nothing
    /// is stored. The same request stands in the outbox, and may be sent again.
    #[error(
        "not stored: {} The signed request is kept and can be sent again for a minute.",
        sentence(error)
    )]
    NotNow {
        /// What it said.
        error: HttpError,
    },
    /// It is not known whether it was stored. The same request stands in the
    /// outbox, and is sent again by the next call or on demand.
    #[error(
        "it is not known whether the PASSporT was stored: {}{} The signed request is kept and can be sent again for a minute.",
        sentence(error),
        explain(error)
    )]
    Unknown {
        /// The last failure.
        error: HttpError,
    },
}

impl OobAuthenticationError {
    /// Whether the signed request stands in the outbox, to be sent again.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::NotNow { .. } | Self::Unknown { .. })
    }
}

impl CopyFailure for OobAuthenticationError {
    fn costs_nothing(&self) -> bool {
        !self.is_kept() && !matches!(self, Self::Refused { .. })
    }
}

/// A copy that lies in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Where.
    pub url: String,
}

/// What became of the copies for one key.
#[derive(Debug)]
pub struct StoredCopies {
    /// How many there were to be.
    pub wanted: usize,
    /// Where a copy lies.
    pub stored: Vec<CpsUri>,
    /// CPSs that were asked and have stored none, or were not asked since a request to them
    /// cannot be made.
    pub failed: Vec<(CpsUri, OobAuthenticationError)>,
}

/// How long a CPS that is asked for a copy may be silent before another is asked as well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The one token more that a call may cost, for a copy whose first token the CPS takes for
/// invalid. Each call has one, however many copies it has: else CPSs that lie would get
/// twice as many tokens as copies are allowed.
#[derive(Debug, Default)]
pub struct SecondAttempt {
    is_used: AtomicBool,
}

impl SecondAttempt {
    /// Whether it was there to be used; it is not any more.
    fn take(&self) -> bool {
        !self.is_used.swap(true, Ordering::Relaxed)
    }
}

/// Stores PASSporTs.
#[derive(Clone)]
pub struct OobAuthenticationService {
    /// Where keys are looked up. Copies go to the CPS that each key record
    /// names, which is usually this one.
    pub cps: ServiceAddress,
    /// How CPSs are reached to look keys up.
    pub http: HttpOptions,
    /// How store requests reach their CPSs. Nothing links two of them.
    pub transport: Arc<dyn StoreTransport>,
    /// What key records' certificates are verified with.
    pub trust: TrustPolicy,
    /// Which numbers an SPC holds; without it only records of certificates that
    /// hold the numbers themselves are trusted.
    pub numbering: Option<NumberingTable>,
    /// The certificates of records that have `x5u`.
    pub certificates: CertificateStores,
    /// How old a token must be.
    pub minimum_age: Duration,
    /// Most copies of a call, each for a token: those of the most specific keys. What is asked
    /// in place of a CPS that does not answer counts as one.
    pub max_copies: usize,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// How far this machine's clock is from those of CPSs; empty at first.
    pub clock_gaps: ClockGaps,
}

impl OobAuthenticationService {
    /// Stores the copies of `passport` that `key` asks for, as many as it says at the CPSs that
    /// it names. Those that are under way when enough are stored stay in the outbox.
    ///
    /// # Errors
    /// The first failure, if there is no copy at all.
    pub async fn store(
        &self,
        wallet: &Wallet,
        passport: &UnverifiedPassport,
        key: &VerifiedKeyRecord,
        second: &SecondAttempt,
        now: UnixTime,
    ) -> Result<StoredCopies, OobAuthenticationError> {
        let limits = CopyLimits::of(key.placement());
        let mut copies = self
            .store_copies(wallet, passport, (key, limits), second, now)
            .await;
        match copies.stored.is_empty() && !copies.failed.is_empty() {
            true => Err(copies.failed.swap_remove(0).1),
            false => Ok(copies),
        }
    }

    /// Stores the copies for all keys that were found, **side by side**: a CPS of one key that
    /// does not answer takes no time from the others. What became of each key's, in their order.
    pub async fn store_all(
        &self,
        wallet: &Wallet,
        passport: &UnverifiedPassport,
        found: &FoundKeys,
        now: UnixTime,
    ) -> Vec<StoredCopies> {
        let second = SecondAttempt::default();
        let keys = found.keys.iter().zip(&found.limits);
        let copies = keys
            .map(|(key, limits)| self.store_copies(wallet, passport, (key, *limits), &second, now));
        join_all(copies).await
    }

    /// The same for one key within these limits, with what became of each copy.
    pub async fn store_copies(
        &self,
        wallet: &Wallet,
        passport: &UnverifiedPassport,
        (key, limits): (&VerifiedKeyRecord, CopyLimits),
        second: &SecondAttempt,
        now: UnixTime,
    ) -> StoredCopies {
        let delivery = self.delivery();
        let plan = CopyPlan::new(key.placement(), limits, &mut rand::rng());
        let mut copying = Copying::new(plan, PATIENCE, |cps| {
            let (delivery, copy) = (&delivery, (passport, key));
            Box::pin(async move {
                self.store_at(&cps, delivery, wallet, copy, second, now)
                    .await
            })
        });
        let mut copies = StoredCopies {
            wanted: limits.copies,
            stored: Vec::new(),
            failed: Vec::new(),
        };
        while let Some((cps, result)) = copying.next().await {
            match result {
                Ok(_) => copies.stored.push(cps),
                Err(error) => copies.failed.push((cps, error)),
            }
            if copying.plan().is_fulfilled() {
                break;
            }
        }
        copies
    }

    /// Seals one copy of a PASSporT to a key for one CPS, spends a token on it, and has
    /// `delivery` send it.
    ///
    /// A token that the CPS takes for invalid is most often one of a key epoch
    /// that has closed since the wallet was last looked after. Then a token of
    /// another key, if there is one, is spent on a copy that is sealed and signed
    /// anew: nothing of the first request is in the second. This is done once for
    /// each call, so that a CPS which lies gets one token more and not the wallet.
    ///
    /// **A PASSporT that no verifier would find fresh costs no token.**
    ///
    /// # Errors
    /// [`OobAuthenticationError`]; only [`Refused`](OobAuthenticationError::Refused),
    /// [`NotNow`](OobAuthenticationError::NotNow) and
    /// [`Unknown`](OobAuthenticationError::Unknown) cost tokens, one or two.
    pub async fn store_at(
        &self,
        cps: &CpsUri,
        delivery: &StoreDelivery,
        wallet: &Wallet,
        (passport, key): (&UnverifiedPassport, &VerifiedKeyRecord),
        second: &SecondAttempt,
        now: UnixTime,
    ) -> Result<StoredCopy, OobAuthenticationError> {
        passport.check_fresh(now)?;
        let passport = passport.as_str();
        let address = self.address_of(cps)?;
        let name = address.authority().clone();
        let copy = (passport, key);
        let (entry, token_key) = self.spend(wallet, &address, copy, None, now).await?;
        let error = match delivery.deliver(wallet, entry, Some(&name)).await {
            Err(OobAuthenticationError::Refused { error })
                if is_about_the_token(&error) && second.take() =>
            {
                error
            }
            done => return done,
        };
        match self.spend(wallet, &address, copy, token_key, now).await {
            Ok((entry, _)) => delivery.deliver(wallet, entry, Some(&name)).await,
            // Whatever keeps the second back, the first token is spent.
            Err(_) => Err(OobAuthenticationError::Refused { error }),
        }
    }

    /// Makes a request of a token that the key `refused` has not signed, and
    /// returns it with the token's key. It stands in the outbox.
    async fn spend(
        &self,
        wallet: &Wallet,
        address: &ServiceAddress,
        (passport, key): (&str, &VerifiedKeyRecord),
        refused: Option<TokenKeyId>,
        now: UnixTime,
    ) -> Result<(OutboxEntry, Option<TokenKeyId>), OobAuthenticationError> {
        let cps = address.authority().clone();
        if let Some(gap) = self.clock_gaps.forbidding(&cps) {
            return Err(OobAuthenticationError::Clock(gap));
        }
        let checked = self.transport.check(&address.url(STORE_PATH));
        checked.map_err(|error| OobAuthenticationError::NoWay(Box::new(error)))?;
        let sealed = seal_passport(key.key(), &cps, passport, &mut rand::rng())?;
        let (url, ways) = (address.url(STORE_PATH), self.transport.ways());
        let (mailbox, minimum_age) = (key.mailbox(), self.minimum_age);
        let spent = wallet
            .off_thread(move |wallet| {
                let mut token_key = None;
                let sign = |token: &Token, spend_key: &SpendKey| {
                    token_key = Some(token.token_key_id);
                    sign_store_request(token, spend_key, &cps, mailbox, &sealed, now)
                };
                let target = StoreTarget { url: &url, ways };
                let entry = wallet.spend_except(refused, &cps, minimum_age, target, now, sign)?;
                Ok::<_, SpendError>((entry, token_key))
            })
            .await?;
        Ok(spent)
    }

    /// How requests are sent that are signed.
    #[must_use]
    pub fn delivery(&self) -> StoreDelivery {
        StoreDelivery {
            transport: Arc::clone(&self.transport),
            retry: self.retry,
            clock_gaps: self.clock_gaps.clone(),
        }
    }

    /// Where a CPS is that a record names. Ours may be reached by another URL than its
    /// name says; a stranger's record must not lead to a loopback service.
    fn address_of(&self, uri: &CpsUri) -> Result<ServiceAddress, OobAuthenticationError> {
        if uri.authority() == self.cps.authority() {
            return Ok(self.cps.clone());
        }
        if uri.to_string().starts_with("https://") {
            return Ok(uri.clone().into());
        }
        Err(OobAuthenticationError::PlainCps(uri.to_string()))
    }
}

fn is_about_the_token(error: &HttpError) -> bool {
    error.refused().and_then(Refused::kind) == Some(ProblemType::TokenInvalid)
}

fn sentence(error: &HttpError) -> String {
    let text = error.to_string();
    format!("{}.", text.trim_end_matches('.'))
}

/// What a status means for an OOB-AS, in words, whatever the answer said.
fn explain(error: &HttpError) -> &'static str {
    let Some(refused) = error.refused() else {
        return "";
    };
    match refused.status.as_u16() {
        401 if !is_about_the_token(error) => "",
        401 => {
            " The CPS does not take this token: its key epoch may have ended, or it was drawn from another issuer or for another CPS. `pennyblack carrier status` shows what else the wallet holds, and `pennyblack carrier run` draws more."
        }
        404 => " The recipient's mailbox is gone: look its keys up again.",
        409 => {
            " The token was spent before, with another request: has this wallet been copied or restored from a backup? Start a new one."
        }
        413 => {
            " The sealed PASSporT does not have the size of that mailbox: look the keys up again."
        }
        503 => " The CPS is busy or its store is down.",
        _ => " Check that --cps is the address of a CPS.",
    }
}

#[cfg(test)]
mod tests;
