//! Spending tokens, and counting those that there are. Not here: which one goes next
//! (`stock`), and those that are set aside, because their key is not listed.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::{Token, TokenScope};
use pennyblack_protocol::store_request::{SignStoreError, SignedStoreRequest};
use rusqlite::types::Type;
use rusqlite::{Row, Transaction};
use serde::Serialize;

use super::copies::{SealedCopy, SharedToken};
use super::outbox::{self, AllowedWays, OutboxEntry, StoreTarget};
use super::piles::{Payment, Pile};
use super::stock::{SpentToken, Stock, Terms, TokenChoice};
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

impl SpendError {
    /// That the stock has no token that may be spent at this CPS.
    fn lack(cps: &Authority, stock: &Stock) -> Self {
        Self::NoToken {
            cps: cps.clone(),
            younger: stock.younger(),
            usable_from: stock.usable_from,
        }
    }
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
    /// Where they can be spent; in JSON the CPS's authority, or null for federation tokens.
    #[serde(rename = "cps")]
    pub scope: TokenScope,
    /// With which key, hex.
    pub token_key_id: String,
    /// How many.
    pub tokens: u64,
    /// Of these, how many are old enough to be spent.
    pub ready: u64,
    /// When the last of them was drawn.
    pub youngest: UnixTime,
}

/// A request that is paid for. It stands in the outbox.
#[derive(Debug)]
pub struct PaidCopy {
    /// The request.
    pub entry: OutboxEntry,
    /// What it was paid with.
    pub token: SpentToken,
}

/// With what a copy is paid.
enum Purse<'a> {
    /// A token of its CPS alone.
    Own(Payment),
    /// The federation token of its fellow copies.
    Shared(&'a Payment),
    /// A federation token that leaves the wallet for it and its fellows.
    New(Payment),
}

impl<'a> Purse<'a> {
    fn open(
        transaction: &Transaction<'_>,
        terms: Terms<'_>,
        shared: Option<&'a mut SharedToken>,
    ) -> Result<Self, SpendError> {
        let stock = Stock::read(transaction, terms)?;
        if let Some(own) = stock.take_own(transaction)? {
            return Ok(Self::Own(own));
        }
        if let Some(shared) = shared.and_then(|token| token.pay(terms.cps, terms.choice)) {
            return Ok(Self::Shared(shared));
        }
        let new = stock.take_federation(transaction)?;
        new.map(Self::New)
            .ok_or_else(|| SpendError::lack(terms.cps, &stock))
    }

    const fn payment(&self) -> &Payment {
        match self {
            Self::Own(payment) | Self::New(payment) => payment,
            Self::Shared(payment) => payment,
        }
    }
}

impl Wallet {
    /// Pays for a copy and writes the request that stores it, in one transaction: with a token
    /// of its CPS alone, if there is one; else with the federation token of the other copies;
    /// else with a federation token that leaves the wallet for these copies. Send the request,
    /// and [`Wallet::settle`] it once it is answered.
    ///
    /// Random order and `minimum_age` part the time of drawing from the time
    /// of spending, for issuer and CPS might compare them.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend_copy(
        &self,
        copy: &SealedCopy,
        choice: &TokenChoice,
        minimum_age: Duration,
        target: StoreTarget<'_>,
        now: UnixTime,
    ) -> Result<PaidCopy, SpendError> {
        let terms = Terms {
            cps: &copy.cps,
            choice,
            minimum_age,
            now,
        };
        let mut shared = copy.copies.token();
        let (paid, new, is_shared) = self.write(|transaction| {
            let purse = Purse::open(transaction, terms, shared.as_mut())?;
            let (token, _) = purse.payment();
            let request = copy.sign(purse.payment(), now)?;
            let paid = PaidCopy {
                entry: outbox::write(transaction, token.nonce, target, &request, now)?,
                token: SpentToken {
                    challenge: token.challenge_digest,
                    token_key: token.token_key_id,
                },
            };
            Ok::<_, SpendError>(match purse {
                Purse::Own(_) => (paid, None, false),
                Purse::Shared(_) => (paid, None, true),
                Purse::New(payment) => (paid, Some(payment), false),
            })
        })?;
        if !is_shared {
            copy.copies.note_spent();
        }
        // After a commit that failed it is in no memory, whatever is on the disk.
        if let Some(payment) = new {
            *shared = Some(SharedToken::new(payment, &copy.cps));
        }
        Ok(paid)
    }

    /// Takes one of a CPS's own tokens out at random and writes the request that `sign`
    /// makes of it, which may leave by any way. It is for trying out what copies of a call
    /// never do.
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
        let terms = Terms {
            cps,
            choice: &TokenChoice::Any,
            minimum_age,
            now,
        };
        let target = StoreTarget {
            url,
            ways: AllowedWays::All,
        };
        self.write(|transaction| {
            let stock = Stock::read(transaction, terms)?;
            let own = stock.take_own(transaction)?;
            let (token, key) = own.ok_or_else(|| SpendError::lack(cps, &stock))?;
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

    /// What the wallet holds, by issuer, CPS and key; federation tokens first.
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
                    scope: read_scope(row, 1)?,
                    token_key_id: hex::encode(row.get::<_, [u8; 32]>(2)?),
                    tokens: pile.tokens(),
                    ready: pile.ready(),
                    youngest: from_column(row.get(3)?),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(holdings)
    }

    /// What tokens were drawn for of keys that are not over, also when all of them
    /// are spent.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn drawn_for(&self) -> Result<Vec<TokenScope>, WalletError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT DISTINCT origin_info FROM pile
             JOIN challenge ON challenge.digest = challenge_digest
             WHERE NOT ended ORDER BY origin_info",
        )?;
        let scopes = statement.query_map([], |row| read_scope(row, 0))?;
        Ok(scopes.collect::<Result<_, _>>()?)
    }

    /// Whether tokens of this issuer and scope were drawn of a key that is not over,
    /// whether or not they are spent.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn was_drawn_for(
        &self,
        issuer: &Authority,
        scope: &TokenScope,
    ) -> Result<bool, WalletError> {
        let was_drawn = self.lock().query_row(
            "SELECT EXISTS (SELECT 1 FROM pile
             JOIN challenge ON challenge.digest = challenge_digest
             WHERE issuer = ? AND origin_info = ? AND NOT ended)",
            [issuer.as_str(), scope.origin_info()],
            |row| row.get(0),
        )?;
        Ok(was_drawn)
    }

    /// How many tokens of this issuer and scope there are, of any age.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn count(
        &self,
        issuer: &Authority,
        scope: impl Into<TokenScope>,
    ) -> Result<u64, WalletError> {
        let count: i64 = self.lock().query_row(
            "SELECT coalesce(sum(next - first), 0) FROM usable_pile
             WHERE issuer = ? AND origin_info = ?",
            [issuer.as_str(), scope.into().origin_info()],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}

/// A challenge's scope; this program writes no other origins.
fn read_scope(row: &Row<'_>, column: usize) -> Result<TokenScope, rusqlite::Error> {
    let scope = TokenScope::of_origin_info(row.get_ref(column)?.as_str()?);
    scope.map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
