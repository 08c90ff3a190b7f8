//! How many tokens were drawn of the issuer's key, whatever became of them: what a
//! schedule of constant draws goes by, also after a restart. Not here: the schedule.

use pennyblack_base::authority::Authority;
use pennyblack_privacypass::token::TokenKeyId;
use rusqlite::{Transaction, params};

use super::{Wallet, WalletError};

/// Keys of an issuer of which it is remembered how much was drawn.
const KEPT_KEYS: i64 = 16;

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
            let of_key = params![issuer.as_str(), subject, key.0];
            transaction.execute(
                "INSERT INTO class_draws (issuer, subject, token_key_id, is_first)
                 SELECT ?1, ?2, ?3, NOT EXISTS (
                     SELECT 1 FROM class_draws WHERE issuer = ?1 AND subject = ?2 AND is_first)
                 WHERE true ON CONFLICT DO UPDATE SET is_first = 1 WHERE excluded.is_first",
                of_key,
            )?;
            forget_old_keys(transaction, issuer.as_str(), subject)?;
            let drawn = transaction.query_row(
                "SELECT tokens, is_first FROM class_draws
                 WHERE issuer = ?1 AND subject = ?2 AND token_key_id = ?3",
                of_key,
                |row| {
                    Ok(ClassDraws {
                        tokens: row.get::<_, i64>(0)?.unsigned_abs(),
                        is_first_key: row.get(1)?,
                    })
                },
            )?;
            Ok(drawn)
        })
    }
}

/// Counts a draw, in the transaction that writes it: **a crash neither draws a batch twice
/// nor leaves one out**. Returns how many tokens were asked for then.
pub(super) fn count(
    transaction: &Transaction<'_>,
    issuer: &str,
    subject: &str,
    key: TokenKeyId,
    tokens: usize,
) -> Result<u64, rusqlite::Error> {
    let drawn: i64 = transaction.query_row(
        "INSERT INTO class_draws (issuer, subject, token_key_id, tokens) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens RETURNING tokens",
        params![
            issuer,
            subject,
            key.0,
            i64::try_from(tokens).unwrap_or(i64::MAX)
        ],
        |row| row.get(0),
    )?;
    Ok(drawn.unsigned_abs())
}

/// Keys follow one another; nobody goes back to one that was shown long ago.
fn forget_old_keys(
    transaction: &Transaction<'_>,
    issuer: &str,
    subject: &str,
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "DELETE FROM class_draws WHERE issuer = ?1 AND subject = ?2 AND NOT is_first AND id NOT IN
             (SELECT id FROM class_draws WHERE issuer = ?1 AND subject = ?2
              ORDER BY id DESC LIMIT ?3)",
        params![issuer, subject, KEPT_KEYS],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::super::scene::{NOW, Scene, issuer, new_draw, scene};
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
        // The clock is set back.
        assert_eq!(drawn(&wallet, first), (4, true));
        wallet.begin_draw(&draw, NOW).unwrap();
        assert_eq!(drawn(&wallet, second), (4, false));
    }

    #[test]
    fn of_keys_long_ago_only_the_first_is_remembered() {
        let Scene {
            wallet,
            home: _home,
        } = scene();
        for key in 1..=100 {
            let drawn = wallet.class_draws(&issuer(), "683G", TokenKeyId([key; 32]));
            assert_eq!(drawn.unwrap().is_first_key, key == 1);
        }
        let rows = |wallet: &Wallet| -> i64 {
            let query = "SELECT count(*) FROM class_draws";
            wallet
                .lock()
                .query_row(query, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(rows(&wallet), KEPT_KEYS + 1);
        let first = wallet.class_draws(&issuer(), "683G", TokenKeyId([1; 32]));
        assert!(first.unwrap().is_first_key);
    }

    #[test]
    fn of_two_processes_that_find_the_same_due_one_draws() {
        let Scene { home, wallet } = scene();
        let other = Wallet::open(&home.path().join("wallet.db")).unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let mut batch = || new_draw(2, &mut rng);
        let due = 4;
        assert!(wallet.begin_due_draw(&batch(), due, NOW).unwrap().is_some());
        assert!(other.begin_due_draw(&batch(), due, NOW).unwrap().is_some());
        for wallet in [&wallet, &other] {
            assert!(wallet.begin_due_draw(&batch(), due, NOW).unwrap().is_none());
            assert_eq!(wallet.pending_draws().unwrap().len(), 2);
            let key = TokenKeyId([1; 32]);
            let drawn = wallet.class_draws(&issuer(), "683G", key).unwrap();
            assert_eq!(drawn.tokens, due);
        }
    }
}
