//! The tokens that may pay for a request to a CPS: its own, and federation tokens. Not here:
//! piles, and what a token pays for.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::{ChallengeDigest, TokenKeyId};
use rusqlite::{Row, Transaction, params};

use super::piles::{self, Payment, Pile};
use super::{WalletError, from_column, to_column};

/// Which tokens a CPS takes, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenChoice {
    /// Any of its own, and any federation token.
    Any,
    /// None of this key: it has refused one.
    NotOf(TokenKeyId),
    /// Those of these challenges: it has refused one of another, and named them.
    For(Vec<ChallengeDigest>),
}

impl TokenChoice {
    /// What to choose after a CPS has refused a token and named these challenges: tokens for
    /// one of them, or of another key if the token was for one of them.
    #[must_use]
    pub fn after_refusal(refused: &SpentToken, named: Vec<ChallengeDigest>) -> Self {
        match named.is_empty() || named.contains(&refused.challenge) {
            true => Self::NotOf(refused.token_key),
            false => Self::For(named),
        }
    }

    pub(super) fn allows(&self, challenge: ChallengeDigest, key: TokenKeyId) -> bool {
        match self {
            Self::Any => true,
            Self::NotOf(refused) => *refused != key,
            Self::For(challenges) => challenges.contains(&challenge),
        }
    }
}

/// What a token was that paid for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentToken {
    /// What it was good for.
    pub challenge: ChallengeDigest,
    /// The key that signed it.
    pub token_key: TokenKeyId,
}

/// When a token may be spent, and at which CPS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) cps: &'a Authority,
    pub(super) choice: &'a TokenChoice,
    pub(super) minimum_age: Duration,
    pub(super) now: UnixTime,
}

/// The piles from which a request to a CPS may be paid.
pub(super) struct Stock {
    own: Vec<Pile>,
    federation: Vec<Pile>,
    /// When the first token becomes old enough that is too young now.
    pub(super) usable_from: Option<UnixTime>,
}

impl Stock {
    pub(super) fn read(
        transaction: &Transaction<'_>,
        terms: Terms<'_>,
    ) -> Result<Self, WalletError> {
        let oldest_ready = to_column(terms.now.minus(terms.minimum_age));
        let mut statement = transaction.prepare_cached(
            "SELECT id, first, next,
                 (SELECT position FROM arrival WHERE pile = usable_pile.id AND drawn_at > ?1
                  ORDER BY drawn_at LIMIT 1),
                 (SELECT min(drawn_at) FROM arrival WHERE pile = usable_pile.id AND drawn_at > ?1),
                 challenge_digest, token_key_id, origin_info
             FROM usable_pile WHERE origin_info IN (?2, '')",
        )?;
        let mut rows = statement.query(params![oldest_ready, terms.cps.as_str()])?;
        let (mut own, mut federation, mut ripens) = (Vec::new(), Vec::new(), None::<i64>);
        while let Some(row) = rows.next()? {
            if !is_chosen(row, terms.choice)? {
                continue;
            }
            let first: Option<i64> = row.get(4)?;
            ripens = ripens.into_iter().chain(first).min();
            let is_own = row.get_ref(7)?.as_str().is_ok_and(|name| !name.is_empty());
            let piles = if is_own { &mut own } else { &mut federation };
            piles.push(Pile::read(row, 0)?);
        }
        Ok(Self {
            own,
            federation,
            usable_from: ripens.map(|drawn_at| from_column(drawn_at).plus(terms.minimum_age)),
        })
    }

    /// Takes one of the CPS's own tokens at random; `None` if none is ready.
    pub(super) fn take_own(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Option<Payment>, WalletError> {
        piles::take_random(transaction, &self.own)
    }

    /// The same of federation tokens.
    pub(super) fn take_federation(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Option<Payment>, WalletError> {
        piles::take_random(transaction, &self.federation)
    }

    /// How many tokens will be old enough later.
    pub(super) fn younger(&self) -> u64 {
        let piles = self.own.iter().chain(&self.federation);
        piles.map(|pile| pile.tokens() - pile.ready()).sum()
    }
}

fn is_chosen(row: &Row<'_>, choice: &TokenChoice) -> Result<bool, rusqlite::Error> {
    let (challenge, key) = (ChallengeDigest(row.get(5)?), TokenKeyId(row.get(6)?));
    Ok(choice.allows(challenge, key))
}
