//! Tokens that may be spent: which one goes next. Not here: those that are set aside,
//! because their key is not listed.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::{Token, TokenKeyId};
use pennyblack_protocol::store_request::{SignStoreError, SignedStoreRequest};
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::Serialize;

use super::outbox::{self, AllowedWays, OutboxEntry, StoreTarget};
use super::piles::{self, Pile};
use super::{Wallet, WalletError, from_column, to_column};

/// Why no token was spent. Except after [`SpendError::Wallet`] it is certain
/// that every token is where it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpendError {
    /// There is no token for this CPS of the age that was asked for.
    #[error("no token for {cps} may be spent now: {}", when_again(*younger, *usable_from))]
    NoToken {
        /// The CPS.
        cps: Authority,
        /// Tokens that will be old enough later.
        younger: u64,
        /// When the first of them is old enough.
        usable_from: Option<UnixTime>,
    },
    /// The request was not signed.
    #[error(transparent)]
    Sign(#[from] SignStoreError),
    /// The wallet could not be used.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

/// Those that will be usable, or how to get some.
fn when_again(younger: u64, usable_from: Option<UnixTime>) -> String {
    let advice = "let `pennyblack carrier run` draw well ahead of calls";
    let tokens = match younger {
        1 => "1 token is".to_owned(),
        number => format!("{number} tokens are"),
    };
    match usable_from {
        Some(time) => format!(
            "{tokens} too young, usable from {time} on (--minimum-age says how old they must be); \
             {advice}"
        ),
        None => format!(
            "the wallet holds none; {advice}, and set schedule.class to twice its value if that \
             is not enough"
        ),
    }
}

impl From<rusqlite::Error> for SpendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Wallet(error.into())
    }
}

/// Tokens of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Who signed them.
    pub issuer: String,
    /// Where they can be spent.
    pub cps: String,
    /// With which key, hex.
    pub token_key_id: String,
    /// How many.
    pub tokens: u64,
    /// Of these, how many are old enough to be spent.
    pub ready: u64,
    /// When the last of them was drawn.
    pub youngest: UnixTime,
}

impl Wallet {
    /// Takes one token out at random and writes the request that `sign` makes
    /// of it, in one transaction: from here on the token exists only inside
    /// that request. Send it, and [`Wallet::settle`] it once it is answered.
    ///
    /// Random order and `minimum_age` part the time of drawing from the time
    /// of spending, for issuer and CPS might compare them.
    ///
    /// The request may leave by any way, also directly.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend(
        &self,
        cps: &Authority,
        minimum_age: Duration,
        url: &str,
        now: UnixTime,
        sign: impl FnOnce(&Token, &SpendKey) -> Result<SignedStoreRequest, SignStoreError>,
    ) -> Result<OutboxEntry, SpendError> {
        let ways = AllowedWays::All;
        let target = StoreTarget { url, ways };
        self.spend_except(None, cps, minimum_age, target, now, sign)
    }

    /// The same for a request that may leave as `target` says, but takes none that the key
    /// `refused` signed.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend_except(
        &self,
        refused: Option<TokenKeyId>,
        cps: &Authority,
        minimum_age: Duration,
        target: StoreTarget<'_>,
        now: UnixTime,
        sign: impl FnOnce(&Token, &SpendKey) -> Result<SignedStoreRequest, SignStoreError>,
    ) -> Result<OutboxEntry, SpendError> {
        self.write(|transaction| {
            let (token, key) = take_one(transaction, refused, cps, minimum_age, now)?;
            let request = sign(&token, &key)?;
            Ok(outbox::write(
                transaction,
                token.nonce,
                target,
                &request,
                now,
            )?)
        })
    }

    /// What the wallet holds, by issuer, CPS and key.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn holdings(
        &self,
        minimum_age: Duration,
        now: UnixTime,
    ) -> Result<Vec<Holding>, WalletError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT issuer, origin_info, token_key_id,
                 (SELECT max(drawn_at) FROM arrival WHERE pile = usable_pile.id),
                 id, first, next,
                 (SELECT position FROM arrival WHERE pile = usable_pile.id AND drawn_at > ?
                  ORDER BY drawn_at LIMIT 1)
             FROM usable_pile ORDER BY issuer, origin_info, id",
        )?;
        let oldest_ready = to_column(now.minus(minimum_age));
        let holdings = statement
            .query_map([oldest_ready], |row| {
                let pile = Pile::read(row, 4)?;
                Ok(Holding {
                    issuer: row.get(0)?,
                    cps: row.get(1)?,
                    token_key_id: hex::encode(row.get::<_, [u8; 32]>(2)?),
                    tokens: pile.tokens(),
                    ready: pile.ready(),
                    youngest: from_column(row.get(3)?),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(holdings)
    }

    /// The CPSs that tokens were drawn for of keys that are not over, also when all of them
    /// are spent.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn drawn_for(&self) -> Result<Vec<String>, WalletError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT DISTINCT origin_info FROM pile
             JOIN challenge ON challenge.digest = challenge_digest
             WHERE NOT ended ORDER BY origin_info",
        )?;
        let cpss = statement.query_map([], |row| row.get(0))?;
        Ok(cpss.collect::<Result<_, _>>()?)
    }

    /// Whether tokens of this issuer were drawn for this CPS of a key that is not over,
    /// whether or not they are spent.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn was_drawn_for(&self, issuer: &Authority, cps: &Authority) -> Result<bool, WalletError> {
        let was_drawn = self.lock().query_row(
            "SELECT EXISTS (SELECT 1 FROM pile
             JOIN challenge ON challenge.digest = challenge_digest
             WHERE issuer = ? AND origin_info = ? AND NOT ended)",
            [issuer.as_str(), cps.as_str()],
            |row| row.get(0),
        )?;
        Ok(was_drawn)
    }

    /// How many tokens of this issuer for this CPS there are, of any age.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn count(&self, issuer: &Authority, cps: &Authority) -> Result<u64, WalletError> {
        let count: i64 = self.lock().query_row(
            "SELECT coalesce(sum(next - first), 0) FROM usable_pile
             WHERE issuer = ? AND origin_info = ?",
            [issuer.as_str(), cps.as_str()],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}

/// Takes one of the tokens whose challenge `cps` accepts: today those with this CPS as
/// their only origin.
fn take_one(
    transaction: &Transaction<'_>,
    refused: Option<TokenKeyId>,
    cps: &Authority,
    minimum_age: Duration,
    now: UnixTime,
) -> Result<(Token, SpendKey), SpendError> {
    let oldest_ready = to_column(now.minus(minimum_age));
    let mut statement = transaction.prepare_cached(
        "SELECT id, first, next,
             (SELECT position FROM arrival WHERE pile = usable_pile.id AND drawn_at > ?1
              ORDER BY drawn_at LIMIT 1)
         FROM usable_pile WHERE origin_info = ?2 AND token_key_id IS NOT ?3",
    )?;
    let accepted = params![oldest_ready, cps.as_str(), refused.map(|key| key.0)];
    let piles: Vec<_> = statement
        .query_map(accepted, |row| Pile::read(row, 0))?
        .collect::<Result<_, _>>()?;
    if let Some(taken) = piles::take_random(transaction, &piles)? {
        return Ok(taken);
    }
    let ripens: Option<i64> = transaction
        .query_row(
            "SELECT min(drawn_at) FROM arrival JOIN usable_pile ON usable_pile.id = arrival.pile
             WHERE drawn_at > ?1 AND origin_info = ?2 AND token_key_id IS NOT ?3",
            accepted,
            |row| row.get(0),
        )
        .optional()?
        .flatten();
    Err(SpendError::NoToken {
        cps: cps.clone(),
        younger: piles.iter().map(Pile::tokens).sum(),
        usable_from: ripens.map(|drawn_at| from_column(drawn_at).plus(minimum_age)),
    })
}
