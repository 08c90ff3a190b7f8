//! Piles: the tokens of one challenge that one key has signed, in the order of drawing and
//! without a gap. **Adding, counting and taking a random token cost the same however many
//! there are**, and a pile whose key has ended is destroyed a few tokens at a time. Not
//! here: which piles may be spent from.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::{ChallengeDigest, Token, TokenKeyId};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::{BUSY_TIMEOUT, Wallet, WalletError, to_column};

/// Positions of a pile: more than anybody draws of one key.
const POSITION_BITS: u32 = 40;

/// Tokens that are destroyed in one transaction. It takes less than a millisecond;
/// nobody can spend meanwhile.
pub(super) const DESTROYED_AT_ONCE: i64 = 256;

/// After so many of them, what they wrote is moved into the database.
const PIECES_TO_CHECKPOINT: u32 = 32;

/// How long others have the wallet for themselves between two such transactions.
const PAUSE: Duration = Duration::from_millis(2);

/// A token with the private half of its nonce.
pub(super) type Payment = (Token, SpendKey);

/// A token whose secrets are in `draw_token`, to be put on a pile.
pub(super) struct NewToken<'a> {
    pub(super) token: &'a Token,
    pub(super) draw: i64,
    pub(super) position: i64,
}

/// A pile, as far as it may be spent from at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pile {
    id: i64,
    first: i64,
    tokens: u64,
    /// Of these, how many are old enough: the first ones.
    ready: u64,
}

impl Pile {
    /// Reads the columns `id, first, next, unready_from` from `column` on.
    pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Self, rusqlite::Error> {
        let first: i64 = row.get(column + 1)?;
        let next: i64 = row.get(column + 2)?;
        let unready_from: Option<i64> = row.get(column + 3)?;
        let out_of_range = |_| rusqlite::Error::IntegralValueOutOfRange(column + 2, next);
        let tokens = u64::try_from(next - first).map_err(out_of_range)?;
        // A clock that was set back may make tokens too young that come before `first`.
        let of_age = |unready: i64| (unready - first).max(0).unsigned_abs().min(tokens);
        Ok(Self {
            id: row.get(column)?,
            first,
            tokens,
            ready: unready_from.map_or(tokens, of_age),
        })
    }

    pub(super) const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Tokens that are old enough.
    pub(super) const fn ready(&self) -> u64 {
        self.ready
    }
}

/// Puts tokens of one challenge on the pile of the key that signed each.
pub(super) fn add(
    transaction: &Transaction<'_>,
    challenge: ChallengeDigest,
    tokens: &[NewToken<'_>],
    drawn_at: UnixTime,
) -> Result<(), WalletError> {
    for new in tokens {
        let (pile, position) = next_position(transaction, challenge, new.token.token_key_id)?;
        note_arrival(transaction, pile, position, drawn_at)?;
        let moved = transaction
            .prepare_cached(
                "INSERT INTO token (id, token, spend_key)
                 SELECT ?, ?, spend_key FROM draw_token WHERE draw = ? AND position = ?",
            )?
            .execute(params![
                token_id(pile, position),
                new.token.to_bytes(),
                new.draw,
                new.position
            ])?;
        if moved != 1 {
            return Err(WalletError::Damaged {
                what: "draw_token.position",
            });
        }
    }
    Ok(())
}

/// Opens the pile if there is none, and reserves its next position.
fn next_position(
    transaction: &Transaction<'_>,
    challenge: ChallengeDigest,
    key: TokenKeyId,
) -> Result<(i64, i64), WalletError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO pile (challenge_digest, token_key_id, next) VALUES (?, ?, 1)
         ON CONFLICT (challenge_digest, token_key_id) WHERE NOT ended DO UPDATE SET next = next + 1
         RETURNING id, next - 1",
    )?;
    let reserved = statement.query_row(params![challenge.0, key.0], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(reserved)
}

/// A clock that was set back makes tokens look younger than they are, never older.
fn note_arrival(
    transaction: &Transaction<'_>,
    pile: i64,
    position: i64,
    drawn_at: UnixTime,
) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO arrival (pile, position, drawn_at) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
             SELECT 1 FROM arrival WHERE pile = ?1 AND drawn_at >= ?3)",
    )?;
    statement.execute(params![pile, position, to_column(drawn_at)])?;
    Ok(())
}

/// Takes a random token out of those of `piles` that are ready; `None` if none is.
///
/// The choice is the system's randomness alone: a CPS that sees nonces learns nothing of
/// the order. The first token of the pile moves to the position that becomes free. There
/// it counts as drawn later than it was, so no token is ever spent too young.
pub(super) fn take_random(
    transaction: &Transaction<'_>,
    piles: &[Pile],
) -> Result<Option<(Token, SpendKey)>, WalletError> {
    let ready: u64 = piles.iter().map(Pile::ready).sum();
    if ready == 0 {
        return Ok(None);
    }
    let mut chosen = rand::random_range(0..ready);
    for pile in piles {
        if chosen < pile.ready() {
            let position = pile.first.saturating_add_unsigned(chosen);
            return take(transaction, *pile, position).map(Some);
        }
        chosen -= pile.ready();
    }
    Err(DAMAGED)
}

fn take(
    transaction: &Transaction<'_>,
    pile: Pile,
    position: i64,
) -> Result<(Token, SpendKey), WalletError> {
    let (first, taken) = (token_id(pile.id, pile.first), token_id(pile.id, position));
    let mut statement =
        transaction.prepare_cached("SELECT token, spend_key FROM token WHERE id = ?")?;
    let token = statement.query_row([taken], read_token).optional()?;
    let token = token.flatten().ok_or(DAMAGED)?;
    if first != taken {
        transaction
            .prepare_cached(
                "UPDATE token SET (token, spend_key) =
                     (SELECT token, spend_key FROM token WHERE id = ?) WHERE id = ?",
            )?
            .execute([first, taken])?;
    }
    transaction
        .prepare_cached("DELETE FROM token WHERE id = ?")?
        .execute([first])?;
    transaction
        .prepare_cached("UPDATE pile SET first = first + 1 WHERE id = ?")?
        .execute([pile.id])?;
    Ok(token)
}

/// Secrets are read in place and never copied into memory that is not wiped.
fn read_token(row: &Row<'_>) -> Result<Option<(Token, SpendKey)>, rusqlite::Error> {
    let token = row.get_ref(0)?.as_blob().ok();
    let token = token.and_then(|bytes| Token::parse(bytes).ok());
    let seed = row.get_ref(1)?.as_blob().ok();
    let seed = seed.and_then(|bytes| bytes.try_into().ok());
    Ok(token.zip(seed.map(SpendKey::from_bytes)))
}

impl Wallet {
    /// Destroys the tokens of piles that have ended, in many short transactions: a spend
    /// never waits for more than one of them. A crash leaves the rest for the next time.
    ///
    /// **It takes longer the fewer tokens were spent**: nothing that is sent to an issuer
    /// may wait for it.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn destroy_ended(&self) -> Result<(), WalletError> {
        while self.destroy_some_ended()? {}
        Ok(())
    }

    /// The same, but no more than takes about a tenth of a second; whether some are left.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn destroy_some_ended(&self) -> Result<bool, WalletError> {
        if !self.has_ended()? {
            return Ok(false);
        }
        let mut cleaner = self.cleaner()?;
        let mut is_left = true;
        for _ in 0..PIECES_TO_CHECKPOINT {
            is_left = self.destroy_piece(&mut cleaner)?;
            if !is_left {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        checkpoint(&cleaner)?;
        Ok(is_left)
    }

    fn has_ended(&self) -> Result<bool, WalletError> {
        let query = "SELECT EXISTS (SELECT 1 FROM pile WHERE ended)";
        Ok(self.lock().query_row(query, [], |row| row.get(0))?)
    }

    /// A second connection, which does not wait for the disk: a power failure may bring
    /// back destroyed tokens, of a pile that has ended all the same.
    pub(super) fn cleaner(&self) -> Result<Connection, WalletError> {
        let path = self.lock().path().map(str::to_owned);
        let path = path.ok_or_else(|| rusqlite::Error::InvalidPath(PathBuf::new()))?;
        let cleaner = Connection::open(path)?;
        cleaner.busy_timeout(BUSY_TIMEOUT)?;
        cleaner.pragma_update(None, "synchronous", "NORMAL")?;
        cleaner.pragma_update(None, "wal_autocheckpoint", 0)?;
        cleaner.pragma_update(None, "secure_delete", true)?;
        Ok(cleaner)
    }

    /// Destroys a few tokens; whether there were any. Others wait meanwhile: in this
    /// process at the lock, so that they go on as soon as it is free.
    pub(super) fn destroy_piece(&self, cleaner: &mut Connection) -> Result<bool, WalletError> {
        let _held = self.lock();
        let transaction = cleaner.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let was_some = destroy_some(&transaction)?;
        transaction.commit()?;
        Ok(was_some)
    }
}

/// Moves what was written from the `-wal` file into the database, while others go on.
fn checkpoint(cleaner: &Connection) -> Result<(), WalletError> {
    cleaner.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

/// Destroys the first tokens of a pile that has ended; whether there was one.
fn destroy_some(transaction: &Transaction<'_>) -> Result<bool, WalletError> {
    let ended = transaction
        .query_row(
            "SELECT id, first, next FROM pile WHERE ended LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((pile, first, next)): Option<(i64, i64, i64)> = ended else {
        return Ok(false);
    };
    let end = next.min(first + DESTROYED_AT_ONCE);
    transaction.execute(
        "DELETE FROM token WHERE id >= ? AND id < ?",
        [token_id(pile, first), token_id(pile, end)],
    )?;
    transaction.execute(
        "DELETE FROM arrival WHERE pile = ? AND position < ?",
        [pile, end],
    )?;
    if end < next {
        transaction.execute("UPDATE pile SET first = ? WHERE id = ?", [end, pile])?;
    } else {
        transaction.execute("DELETE FROM pile WHERE id = ?", [pile])?;
    }
    Ok(true)
}

const fn token_id(pile: i64, position: i64) -> i64 {
    (pile << POSITION_BITS) + position
}

const DAMAGED: WalletError = WalletError::Damaged { what: "token" };
