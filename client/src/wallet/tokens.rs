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

use super::outbox::{self, OutboxEntry};
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
    let advice = "draw well ahead of calls, or let `pennyblack carrier run` keep the wallet filled";
    let tokens = match younger {
        1 => "1 token is".to_owned(),
        number => format!("{number} tokens are"),
    };
    match usable_from {
        Some(time) => format!(
            "{tokens} too young, usable from {time} on (--minimum-age says how old they must be); \
             {advice}"
        ),
        None => format!("the wallet holds none; run `pennyblack carrier draw`: {advice}"),
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
        self.spend_except(None, cps, minimum_age, url, now, sign)
    }

    /// The same, but takes none that the key `refused` signed.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend_except(
        &self,
        refused: Option<TokenKeyId>,
        cps: &Authority,
        minimum_age: Duration,
        url: &str,
        now: UnixTime,
        sign: impl FnOnce(&Token, &SpendKey) -> Result<SignedStoreRequest, SignStoreError>,
    ) -> Result<OutboxEntry, SpendError> {
        self.write(|transaction| {
            let (token, key) = take_one(transaction, refused, cps, minimum_age, now)?;
            let request = sign(&token, &key)?;
            Ok(outbox::write(transaction, token.nonce, url, &request, now)?)
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
            "SELECT issuer, cps, token_key_id, count(*), sum(drawn_at <= ?), max(drawn_at)
             FROM usable_token GROUP BY issuer, cps, token_key_id ORDER BY issuer, cps, min(drawn_at)",
        )?;
        let oldest_ready = to_column(now.minus(minimum_age));
        let holdings = statement
            .query_map([oldest_ready], |row| {
                Ok(Holding {
                    issuer: row.get(0)?,
                    cps: row.get(1)?,
                    token_key_id: hex::encode(row.get::<_, [u8; 32]>(2)?),
                    tokens: row.get::<_, i64>(3)?.unsigned_abs(),
                    ready: row.get::<_, i64>(4)?.unsigned_abs(),
                    youngest: from_column(row.get(5)?),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(holdings)
    }

    /// How many tokens of this issuer for this CPS there are, of any age.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn count(&self, issuer: &Authority, cps: &Authority) -> Result<u64, WalletError> {
        let count: i64 = self.lock().query_row(
            "SELECT count(*) FROM usable_token WHERE issuer = ? AND cps = ?",
            [issuer.as_str(), cps.as_str()],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// How many of these the issuer's key `key` signed.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn count_of_key(
        &self,
        issuer: &Authority,
        cps: &Authority,
        key: TokenKeyId,
    ) -> Result<u64, WalletError> {
        let count: i64 = self.lock().query_row(
            "SELECT count(*) FROM usable_token WHERE issuer = ? AND cps = ? AND token_key_id = ?",
            params![issuer.as_str(), cps.as_str(), key.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}

/// Chooses with the system's randomness, not by nonce: a CPS sees nonces, and
/// would see that they come in order.
fn take_one(
    transaction: &Transaction<'_>,
    refused: Option<TokenKeyId>,
    cps: &Authority,
    minimum_age: Duration,
    now: UnixTime,
) -> Result<(Token, SpendKey), SpendError> {
    let oldest_ready = to_column(now.minus(minimum_age));
    let refused = refused.map(|key| key.0);
    let (ready, all, oldest): (i64, i64, Option<i64>) = transaction.query_row(
        "SELECT coalesce(sum(drawn_at <= ?), 0), count(*), min(drawn_at) FROM usable_token
         WHERE cps = ? AND token_key_id IS NOT ?",
        params![oldest_ready, cps.as_str(), refused],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    if ready == 0 {
        return Err(SpendError::NoToken {
            cps: cps.clone(),
            younger: all.unsigned_abs(),
            usable_from: oldest.map(|drawn_at| from_column(drawn_at).plus(minimum_age)),
        });
    }
    let chosen = rand::random_range(0..ready);
    let mut statement = transaction.prepare_cached(
        "DELETE FROM token WHERE nonce = (
             SELECT nonce FROM usable_token WHERE cps = ? AND token_key_id IS NOT ? AND drawn_at <= ?
             LIMIT 1 OFFSET ?
         ) RETURNING token, spend_key",
    )?;
    let taken = statement
        .query_row(
            params![cps.as_str(), refused, oldest_ready, chosen],
            |row| {
                let token = row
                    .get_ref(0)?
                    .as_blob()
                    .ok()
                    .and_then(|b| Token::parse(b).ok());
                let seed = row
                    .get_ref(1)?
                    .as_blob()
                    .ok()
                    .and_then(|b| b.try_into().ok());
                Ok(token.zip(seed.map(SpendKey::from_bytes)))
            },
        )
        .optional()?
        .flatten();
    taken.ok_or(SpendError::Wallet(WalletError::Damaged { what: "token" }))
}
