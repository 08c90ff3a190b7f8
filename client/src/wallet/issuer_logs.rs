//! What is remembered of issuers' logs of token keys, so that an issuer cannot
//! take back tomorrow what it shows today. Not here: reading the logs.

use pennyblack_base::authority::Authority;
use pennyblack_evidence::key_log_view::KeyLogView;
use rusqlite::{OptionalExtension as _, params};

use super::{Wallet, WalletError};

impl Wallet {
    /// What is remembered of an issuer's log.
    ///
    /// # Errors
    /// [`WalletError::Database`], or [`WalletError::Damaged`].
    pub fn issuer_log(&self, issuer: &Authority) -> Result<Option<KeyLogView>, WalletError> {
        let view: Option<String> = self
            .lock()
            .query_row(
                "SELECT view FROM issuer_log WHERE issuer = ?",
                [issuer.as_str()],
                |row| row.get(0),
            )
            .optional()?;
        let damaged = |_| WalletError::Damaged {
            what: "issuer_log.view",
        };
        view.map(|json| KeyLogView::from_json(&json).map_err(damaged))
            .transpose()
    }

    /// Remembers an issuer's log as it was read now, on from what was remembered `before`.
    /// Whether it is remembered: it is not if another process has read the log meanwhile
    /// and seen something else, since it may have been shown another history. Then the log
    /// is to be read on from there.
    ///
    /// # Errors
    /// [`WalletError::Database`], or [`WalletError::IssuerLog`]; then no key may be used
    /// because of it.
    pub fn remember_issuer_log(
        &self,
        issuer: &Authority,
        before: Option<&KeyLogView>,
        view: &KeyLogView,
    ) -> Result<bool, WalletError> {
        let json = view.to_json()?;
        let entries = i64::try_from(view.head().size).unwrap_or(i64::MAX);
        self.write(|transaction| {
            let kept: Option<String> = transaction
                .query_row(
                    "SELECT view FROM issuer_log WHERE issuer = ?",
                    [issuer.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            let kept = kept.and_then(|json| KeyLogView::from_json(&json).ok());
            if kept.as_ref() == Some(view) {
                return Ok(true);
            }
            if kept.as_ref() != before {
                return Ok(false);
            }
            transaction.execute(
                "INSERT OR REPLACE INTO issuer_log (issuer, entries, view) VALUES (?, ?, ?)",
                params![issuer.as_str(), entries, json],
            )?;
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_tlog::NoteSigner;
    use pennyblack_tlog::note_key::SignatureType;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn of_two_processes_that_were_shown_two_logs_the_later_does_not_replace_the_other() {
        let home = tempfile::tempdir().unwrap();
        let open = || Wallet::open(&home.path().join("wallet.db")).unwrap();
        let (one, other) = (open(), open());
        let issuer: Authority = "issuer.example".parse().unwrap();
        // As long, and signed with different keys.
        let [first, second] = [1, 2].map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let name = "issuer.example/log".parse().unwrap();
            let signer = NoteSigner::generate(name, SignatureType::Ed25519, &mut rng);
            KeyLogView::begin(signer.verifier().clone(), &issuer).unwrap()
        });
        // Both have read nothing before.
        assert!(one.remember_issuer_log(&issuer, None, &first).unwrap());
        assert!(!other.remember_issuer_log(&issuer, None, &second).unwrap());
        assert_eq!(other.issuer_log(&issuer).unwrap().as_ref(), Some(&first));
        // One that was shown the same is content, and one that has read on from there is.
        assert!(other.remember_issuer_log(&issuer, None, &first).unwrap());
        let read_on = other.remember_issuer_log(&issuer, Some(&first), &second);
        assert!(read_on.unwrap());
        assert_eq!(one.issuer_log(&issuer).unwrap(), Some(second));
    }
}
