//! The OOB-AS's side (docs/protocol.md sections 3 and 5): looking a called
//! number's keys up, sealing one copy of the PASSporT to each, and paying for
//! each with a token. Not here: drawing tokens (`carrier`).

mod block;
mod block_keys;
mod breadth;
mod clock_gaps;
mod copy_plan;
mod copying;
mod delivery;
mod error;
mod key_source;
pub(crate) mod keys;
mod passport;
mod record_chain;
mod refusals;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

pub use block::{BlockLimits, BlockOfRecords};
pub use clock_gaps::ClockGaps;
pub use copy_plan::{CopyEnd, CopyLimits, CopyPlan};
pub use copying::{CopyFailure, CopyResult, Copying};
pub use delivery::{ResendTotals, StoreDelivery};
pub use error::OobAuthenticationError;
pub use key_source::{ChosenKeys, KeySource};
pub use keys::{DEFAULT_MAX_COPIES, FoundKeys, KeyLookup};
pub use passport::{PassportInputError, ShakenCall, read_passport};
pub(crate) use record_chain::chain_of;
pub use refusals::{RecordRefusals, RefusedRecord};
pub use transport::{SendingStore, SentStore, StoreTransport};

use crate::certificates::CertificateStores;
use crate::wallet::{Copies, PaidCopy, StoreTarget, TokenChoice, Wallet};
use error::{is_about_the_token, named_challenges};
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_passport::UnverifiedPassport;

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
    /// Where keys come from, and to which CPSs they may lead.
    pub keys: KeySource,
    /// How a CPS is reached to look keys up.
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
        let limits = CopyLimits::of(&self.keys.placement_to_try(key));
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
        let placement = self.keys.placement_to_try(key);
        let plan = CopyPlan::new(&placement, limits, &mut rand::rng());
        let sealed = Copies::new(Arc::new(passport.clone()), key.key().clone());
        let mut copying = Copying::new(plan, PATIENCE, |cps| {
            let (delivery, sealed) = (&delivery, &sealed);
            Box::pin(async move {
                self.store_at(&cps, delivery, wallet, sealed, second, now)
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

    /// Seals one of the copies for one CPS, pays for it, and has `delivery` send it.
    ///
    /// A token that the CPS takes for invalid is most often one of a key epoch
    /// that has closed since the wallet was last looked after. Then a token of
    /// another key, if there is one, is spent on a copy that is sealed and signed
    /// anew: nothing of the first request is in the second. If the CPS has named
    /// other challenges than the token's, it is a token for one of these. This is done
    /// once for each call, so that a CPS which lies gets one token more and not the wallet.
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
        copies: &Arc<Copies>,
        second: &SecondAttempt,
        now: UnixTime,
    ) -> Result<StoredCopy, OobAuthenticationError> {
        copies.passport().check_fresh(now)?;
        let address = self.keys.address_of(cps)?;
        let name = address.authority().clone();
        let any = TokenChoice::Any;
        let PaidCopy { entry, token } = self.spend(wallet, &address, copies, any, now).await?;
        let error = match delivery.deliver(wallet, entry, Some(&name)).await {
            Err(OobAuthenticationError::Refused { error })
                if is_about_the_token(&error) && second.take() =>
            {
                error
            }
            done => return done,
        };
        let choice = TokenChoice::after_refusal(&token, named_challenges(&error));
        match self.spend(wallet, &address, copies, choice, now).await {
            Ok(paid) => delivery.deliver(wallet, paid.entry, Some(&name)).await,
            // Whatever keeps the second back, the first token is spent.
            Err(_) => Err(OobAuthenticationError::Refused { error }),
        }
    }

    /// Seals a copy and pays for it; its request stands in the outbox.
    async fn spend(
        &self,
        wallet: &Wallet,
        address: &ServiceAddress,
        copies: &Arc<Copies>,
        choice: TokenChoice,
        now: UnixTime,
    ) -> Result<PaidCopy, OobAuthenticationError> {
        let cps = address.authority();
        if let Some(gap) = self.clock_gaps.forbidding(cps) {
            return Err(OobAuthenticationError::Clock(gap));
        }
        let checked = self.transport.check(&address.url(STORE_PATH));
        checked.map_err(|error| OobAuthenticationError::NoWay(Box::new(error)))?;
        let copy = copies.seal(cps)?;
        let (url, ways) = (address.url(STORE_PATH), self.transport.ways());
        let minimum_age = self.minimum_age;
        let spent = wallet
            .off_thread(move |wallet| {
                let target = StoreTarget { url: &url, ways };
                wallet.spend_copy(&copy, &choice, minimum_age, target, now)
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
}

#[cfg(test)]
mod tests;
