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

    /// Remembers an issuer's log as it was read now, unless another process has
    /// read more of it meanwhile.
    ///
    /// # Errors
    /// [`WalletError::Database`], or [`WalletError::IssuerLog`]; then no key may be used
    /// because of it.
    pub fn remember_issuer_log(
        &self,
        issuer: &Authority,
        view: &KeyLogView,
    ) -> Result<(), WalletError> {
        let json = view.to_json()?;
        let entries = i64::try_from(view.head().size).unwrap_or(i64::MAX);
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO issuer_log (issuer, entries, view) VALUES (?, ?, ?)
                 ON CONFLICT (issuer) DO UPDATE SET entries = excluded.entries,
                     view = excluded.view
                 WHERE excluded.entries >= issuer_log.entries",
                params![issuer.as_str(), entries, json],
            )?;
            Ok(())
        })
    }
}
