//! Tokens whose key the issuer's directory does not list: most often no CPS takes them
//! any more. **They are set aside at once, and destroyed only when the issuer's log says
//! that the key has ended**; without a log, when many directories in a row have not listed it,
//! over a day at least: a few answers, of an issuer gone wrong or of something in between,
//! must not empty a wallet, and neither must a clock that jumps or a carrier that was off.
//! Not here: fetching the directory and the log.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use rusqlite::{Transaction, params};

use super::{Wallet, WalletError, to_column};

/// So many directories in a row must not list a key before its tokens are destroyed.
const DIRECTORIES: i64 = 5;
/// Each counts that was fetched so long after the one that counted before: five span a day.
const APART: Duration = Duration::from_secs(6 * 3_600);

/// What is known of a key whose tokens a wallet may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// Its tokens may be spent.
    Good,
    /// The directory does not list it: its tokens wait for what the log will say.
    Unlisted,
    /// The same, and the issuer keeps no log: directories decide.
    UnlistedWithoutLog,
    /// No CPS takes its tokens any more, by the issuer's log.
    Over,
}

impl Wallet {
    /// Goes by the `standing` of the issuer's keys at `now`: tokens of some are not spent
    /// from now on, those of others are again, and those of some are ended, to be destroyed
    /// by [`Wallet::destroy_ended`]. Returns how many were set aside now. It takes the same
    /// time however many tokens there are.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn sort_keys(
        &self,
        issuer: &Authority,
        standing: impl Fn(TokenKeyId) -> KeyStanding,
        now: UnixTime,
    ) -> Result<usize, WalletError> {
        self.write(|transaction| {
            let mut statement = transaction.prepare(
                "SELECT DISTINCT token_key_id FROM pile
                 JOIN challenge ON challenge.digest = challenge_digest
                 WHERE issuer = ? AND NOT ended",
            )?;
            let held: Vec<[u8; 32]> = statement
                .query_map([issuer.as_str()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut set_aside = 0;
            for key in held {
                match standing(TokenKeyId(key)) {
                    KeyStanding::Good => {
                        transaction.execute(
                            "DELETE FROM unlisted_key WHERE issuer = ? AND token_key_id = ?",
                            params![issuer.as_str(), key],
                        )?;
                    }
                    KeyStanding::Over => {
                        end_piles(transaction, issuer, &key)?;
                    }
                    KeyStanding::Unlisted => {
                        set_aside += set_key_aside(transaction, issuer, &key, now)?.unwrap_or(0);
                    }
                    KeyStanding::UnlistedWithoutLog => {
                        set_aside += set_aside_or_destroy(transaction, issuer, &key, now)?;
                    }
                }
            }
            // Of a key without tokens there is nothing to remember.
            transaction.execute(
                "DELETE FROM unlisted_key WHERE issuer = ? AND token_key_id NOT IN
                     (SELECT token_key_id FROM pile
                      JOIN challenge ON challenge.digest = challenge_digest
                      WHERE challenge.issuer = unlisted_key.issuer)",
                [issuer.as_str()],
            )?;
            Ok(set_aside)
        })
    }
}

/// Nothing is spent of a key's piles from now on; their tokens are destroyed bit by bit.
fn end_piles(
    transaction: &Transaction<'_>,
    issuer: &Authority,
    key: &[u8; 32],
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "UPDATE pile SET ended = 1 WHERE token_key_id = ? AND challenge_digest IN
             (SELECT digest FROM challenge WHERE issuer = ?)",
        params![key, issuer.as_str()],
    )?;
    Ok(())
}

/// Sets a key's tokens aside and counts them; `None` if they were before.
fn set_key_aside(
    transaction: &Transaction<'_>,
    issuer: &Authority,
    key: &[u8; 32],
    now: UnixTime,
) -> Result<Option<usize>, rusqlite::Error> {
    let is_news = transaction.execute(
        "INSERT OR IGNORE INTO unlisted_key (issuer, token_key_id, directories, counted_at)
         VALUES (?, ?, 1, ?)",
        params![issuer.as_str(), key, to_column(now)],
    )?;
    if is_news == 0 {
        return Ok(None);
    }
    let tokens: i64 = transaction.query_row(
        "SELECT coalesce(sum(next - first), 0) FROM pile
         JOIN challenge ON challenge.digest = challenge_digest
         WHERE issuer = ? AND token_key_id = ?",
        params![issuer.as_str(), key],
        |row| row.get(0),
    )?;
    Ok(Some(usize::try_from(tokens).unwrap_or(0)))
}

fn set_aside_or_destroy(
    transaction: &Transaction<'_>,
    issuer: &Authority,
    key: &[u8; 32],
    now: UnixTime,
) -> Result<usize, rusqlite::Error> {
    if let Some(tokens) = set_key_aside(transaction, issuer, key, now)? {
        return Ok(tokens);
    }
    transaction.execute(
        "UPDATE unlisted_key SET directories = directories + 1, counted_at = ?
         WHERE counted_at <= ? AND issuer = ? AND token_key_id = ?",
        params![
            to_column(now),
            to_column(now.minus(APART)),
            issuer.as_str(),
            key
        ],
    )?;
    let are_enough = transaction.query_row(
        "SELECT directories >= ? FROM unlisted_key WHERE issuer = ? AND token_key_id = ?",
        params![DIRECTORIES, issuer.as_str(), key],
        |row| row.get(0),
    )?;
    if are_enough {
        end_piles(transaction, issuer, key)?;
    }
    Ok(0)
}
