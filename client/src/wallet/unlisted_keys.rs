//! Tokens whose key the issuer's directory does not list: most often no CPS takes them
//! any more. **They are set aside at once, and destroyed only when no directory has listed
//! their key for a day**: one answer, of an issuer gone wrong or of something in between,
//! must not empty a wallet. Not here: fetching the directory.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use rusqlite::{Transaction, params};

use super::{Wallet, WalletError, to_column};

/// How long no directory must list a key before its tokens are destroyed.
const UNLISTED_FOR: Duration = Duration::from_secs(86_400);

impl Wallet {
    /// Takes the issuer's word, given at `now`, that its keys are `listed`: tokens of other
    /// keys are not spent from now on, and those of keys that are listed again are. Returns
    /// how many were set aside now. A directory without keys says nothing of any.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn retain_keys(
        &self,
        issuer: &Authority,
        listed: &[TokenKeyId],
        now: UnixTime,
    ) -> Result<usize, WalletError> {
        if listed.is_empty() {
            return Ok(0);
        }
        self.write(|transaction| {
            let mut statement =
                transaction.prepare("SELECT DISTINCT token_key_id FROM token WHERE issuer = ?")?;
            let held: Vec<[u8; 32]> = statement
                .query_map([issuer.as_str()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut set_aside = 0;
            for key in held {
                if listed.contains(&TokenKeyId(key)) {
                    transaction.execute(
                        "DELETE FROM unlisted_key WHERE issuer = ? AND token_key_id = ?",
                        params![issuer.as_str(), key],
                    )?;
                } else {
                    set_aside += set_aside_or_destroy(transaction, issuer, &key, now)?;
                }
            }
            // Of a key without tokens there is nothing to remember.
            transaction.execute(
                "DELETE FROM unlisted_key WHERE issuer = ? AND token_key_id NOT IN
                     (SELECT token_key_id FROM token WHERE token.issuer = unlisted_key.issuer)",
                [issuer.as_str()],
            )?;
            Ok(set_aside)
        })
    }
}

fn set_aside_or_destroy(
    transaction: &Transaction<'_>,
    issuer: &Authority,
    key: &[u8; 32],
    now: UnixTime,
) -> Result<usize, rusqlite::Error> {
    let is_news = transaction.execute(
        "INSERT OR IGNORE INTO unlisted_key (issuer, token_key_id, since) VALUES (?, ?, ?)",
        params![issuer.as_str(), key, to_column(now)],
    )?;
    if is_news > 0 {
        let tokens: i64 = transaction.query_row(
            "SELECT count(*) FROM token WHERE issuer = ? AND token_key_id = ?",
            params![issuer.as_str(), key],
            |row| row.get(0),
        )?;
        return Ok(usize::try_from(tokens).unwrap_or(0));
    }
    transaction.execute(
        "DELETE FROM token WHERE issuer = ?1 AND token_key_id = ?2 AND EXISTS (
             SELECT 1 FROM unlisted_key
             WHERE issuer = ?1 AND token_key_id = ?2 AND since <= ?3)",
        params![issuer.as_str(), key, to_column(now.minus(UNLISTED_FOR))],
    )?;
    Ok(0)
}
