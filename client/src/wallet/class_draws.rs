//! How many tokens were drawn of the issuer's key, whatever became of them: what a
//! schedule of constant draws goes by, also after a restart. Not here: the schedule.

use pennyblack_base::authority::Authority;
use pennyblack_privacypass::token::TokenKeyId;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Wallet, WalletError};

/// What a subject has drawn of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassDraws {
    /// Tokens that were asked for.
    pub tokens: u64,
    /// Whether it is the first key that a schedule draws of into this wallet.
    pub is_first_key: bool,
}

impl Wallet {
    /// What `subject` has drawn of the key. The first key that is asked about is the
    /// schedule's first.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn class_draws(
        &self,
        issuer: &Authority,
        subject: &str,
        key: TokenKeyId,
    ) -> Result<ClassDraws, WalletError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO class_draws (issuer, subject, token_key_id, tokens, first_key)
                 VALUES (?1, ?2, ?3, 0, ?3) ON CONFLICT (issuer, subject) DO UPDATE
                 SET first_key = excluded.first_key WHERE first_key IS NULL",
                params![issuer.as_str(), subject, key.0],
            )?;
            let drawn = transaction
                .query_row(
                    "SELECT iif(token_key_id = ?3, tokens, 0), first_key = ?3 FROM class_draws
                     WHERE issuer = ?1 AND subject = ?2",
                    params![issuer.as_str(), subject, key.0],
                    |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
                )
                .optional()?;
            let (tokens, is_first_key) = drawn.unwrap_or_default();
            Ok(ClassDraws {
                tokens: tokens.unsigned_abs(),
                is_first_key,
            })
        })
    }
}

/// Counts a draw, in the transaction that writes it: **a crash neither draws a batch twice
/// nor leaves one out**.
pub(super) fn count(
    transaction: &Transaction<'_>,
    issuer: &str,
    subject: &str,
    key: TokenKeyId,
    tokens: usize,
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "INSERT INTO class_draws (issuer, subject, token_key_id, tokens) VALUES (?, ?, ?, ?)
         ON CONFLICT (issuer, subject) DO UPDATE SET token_key_id = excluded.token_key_id,
             tokens = excluded.tokens + iif(token_key_id = excluded.token_key_id, tokens, 0)",
        params![
            issuer,
            subject,
            key.0,
            i64::try_from(tokens).unwrap_or(i64::MAX)
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::super::tests::{NOW, Scene, issuer, new_draw, scene};
    use super::*;

    #[test]
    fn a_draw_is_counted_once_it_is_written_whatever_becomes_of_it_and_after_a_restart() {
        let Scene { home, wallet } = scene();
        let mut draw = new_draw(2, &mut StdRng::seed_from_u64(1));
        let (first, second) = (draw.token_key, TokenKeyId([2; 32]));
        let drawn = |wallet: &Wallet, key| {
            let drawn = wallet.class_draws(&issuer(), "683G", key).unwrap();
            (drawn.tokens, drawn.is_first_key)
        };
        assert_eq!(drawn(&wallet, first), (0, true));
        let id = wallet.begin_draw(&draw, NOW).unwrap();
        drop(wallet);
        let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
        assert_eq!(drawn(&wallet, first), (2, true));
        wallet.abandon_draw(id).unwrap();
        wallet.begin_draw(&draw, NOW).unwrap();
        assert_eq!(drawn(&wallet, first), (4, true));
        assert_eq!(drawn(&wallet, second), (0, false));
        draw.token_key = second;
        wallet.begin_draw(&draw, NOW).unwrap();
        assert_eq!(drawn(&wallet, second), (2, false));
    }
}
