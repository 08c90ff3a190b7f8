//! The OOB-AS's side (docs/protocol.md sections 3 and 5): looking a called
//! number's keys up, sealing one copy of the PASSporT to each, and paying for
//! each with a token. Not here: drawing tokens (`carrier`).

mod block;
mod clock_gaps;
mod delivery;
pub(crate) mod keys;
mod passport;
mod transport;

use std::sync::Arc;
use std::time::Duration;

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
pub use delivery::{ResendTotals, StoreDelivery};
pub use keys::{DEFAULT_MAX_COPIES, FoundKeys, KeyLookup, RecordRefusals, RefusedRecord};
pub use passport::{PassportInputError, ShakenCall, read_passport};
pub use transport::{SendingStore, SentStore, StoreTransport};

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

/// A copy that lies in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Where.
    pub url: String,
}

/// The one token more that a call may cost, for a copy whose first token the CPS takes for
/// invalid. Each call has one, however many copies it has: else CPSs that lie would get
/// twice as many tokens as copies are allowed.
#[derive(Debug, Default)]
pub struct SecondAttempt {
    is_used: bool,
}

impl SecondAttempt {
    /// None: for the other copies of a call, when one of them has it.
    #[must_use]
    pub const fn used() -> Self {
        Self { is_used: true }
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
    /// Most keys of a number that get a copy, each for a token: the most specific ones.
    pub max_copies: usize,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// How far this machine's clock is from those of CPSs; empty at first.
    pub clock_gaps: ClockGaps,
}

impl OobAuthenticationService {
    /// Seals one copy of `passport` to `key`, spends a token on it, and stores it.
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
    pub async fn store(
        &self,
        wallet: &Wallet,
        passport: &UnverifiedPassport,
        key: &VerifiedKeyRecord,
        second: &mut SecondAttempt,
        now: UnixTime,
    ) -> Result<StoredCopy, OobAuthenticationError> {
        let delivery = self.delivery();
        self.store_by(&delivery, wallet, passport, key, second, now)
            .await
    }

    /// The same, sent by `delivery`.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub async fn store_by(
        &self,
        delivery: &StoreDelivery,
        wallet: &Wallet,
        passport: &UnverifiedPassport,
        key: &VerifiedKeyRecord,
        second: &mut SecondAttempt,
        now: UnixTime,
    ) -> Result<StoredCopy, OobAuthenticationError> {
        passport.check_fresh(now)?;
        let passport = passport.as_str();
        let cps = self.address_of(key)?.authority().clone();
        let (entry, token_key) = self.spend(wallet, passport, key, None, now).await?;
        let error = match delivery.deliver(wallet, entry, Some(&cps)).await {
            Err(OobAuthenticationError::Refused { error })
                if is_about_the_token(&error) && !second.is_used =>
            {
                error
            }
            done => return done,
        };
        second.is_used = true;
        match self.spend(wallet, passport, key, token_key, now).await {
            Ok((entry, _)) => delivery.deliver(wallet, entry, Some(&cps)).await,
            Err(OobAuthenticationError::Spend(SpendError::NoToken { .. })) => {
                Err(OobAuthenticationError::Refused { error })
            }
            Err(other) => Err(other),
        }
    }

    /// Makes a request of a token that the key `refused` has not signed, and
    /// returns it with the token's key. It stands in the outbox.
    async fn spend(
        &self,
        wallet: &Wallet,
        passport: &str,
        key: &VerifiedKeyRecord,
        refused: Option<TokenKeyId>,
        now: UnixTime,
    ) -> Result<(OutboxEntry, Option<TokenKeyId>), OobAuthenticationError> {
        let address = self.address_of(key)?;
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

    /// Where the record's CPS is. Ours may be reached by another URL than its
    /// name says; a stranger's record must not lead to a loopback service.
    fn address_of(
        &self,
        key: &VerifiedKeyRecord,
    ) -> Result<ServiceAddress, OobAuthenticationError> {
        let uri = key.placement().first();
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
