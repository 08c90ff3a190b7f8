//! What is remembered of CPSs' keys of Oblivious HTTP and of the logs that announce them, so
//! that a call has a key at hand, and a CPS cannot take back what its log has shown. Not
//! here: fetching and verifying them (`oblivious`).

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::oblivious_log::ObliviousLogView;
use pennyblack_ohttp::key_config::KeyConfig;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Wallet, WalletError};

/// Most characters of a reason that are kept.
const MAX_REASON: usize = 1_000;

/// What is remembered of one CPS's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RememberedKeys {
    /// The log as far as it was read; none before that.
    pub view: Option<ObliviousLogView>,
    /// The configurations that were served and that the log announces.
    pub configs: Vec<KeyConfig>,
    /// When an answer and the log were last good.
    pub read: Option<UnixTime>,
    /// Why the last answer was not trusted, if it was not.
    pub refused: Option<String>,
}

impl Wallet {
    /// What is remembered of a CPS's keys.
    ///
    /// # Errors
    /// [`WalletError::Database`], or [`WalletError::Damaged`].
    pub fn oblivious_keys(&self, cps: &Authority) -> Result<RememberedKeys, WalletError> {
        Ok(read(&self.lock(), cps)?.unwrap_or_default())
    }

    /// Remembers a CPS's keys as they were read now, on from a log that was `before`. Whether
    /// they are remembered: they are not if another process has read on in the log meanwhile,
    /// since it may have been shown another history. Then the log is to be read from there.
    ///
    /// # Errors
    /// [`WalletError`]; then no key may be used because of it.
    pub fn remember_oblivious_keys(
        &self,
        cps: &Authority,
        before: Option<&ObliviousLogView>,
        keys: &RememberedKeys,
    ) -> Result<bool, WalletError> {
        let view = keys.view.as_ref().map(ObliviousLogView::to_json);
        let view = view.transpose().map_err(|_| VIEW)?;
        let configs = KeyConfig::encode_list(&keys.configs);
        if configs.len() > KeyConfig::MAX_LIST_SIZE {
            return Err(CONFIGS);
        }
        let read_at = keys.read.and_then(|read| i64::try_from(read.0).ok());
        let refused = keys.refused.as_ref();
        let refused: Option<String> = refused.map(|why| why.chars().take(MAX_REASON).collect());
        self.write(|transaction| {
            let kept = read(transaction, cps)?.unwrap_or_default().view;
            if kept.as_ref() != before && kept != keys.view {
                return Ok(false);
            }
            transaction.execute(
                "INSERT OR REPLACE INTO oblivious_keys (cps, view, configs, read_at, refused)
                 VALUES (?, ?, ?, ?, ?)",
                params![cps.as_str(), view, configs, read_at, refused],
            )?;
            Ok(true)
        })
    }
}

fn read(connection: &Connection, cps: &Authority) -> Result<Option<RememberedKeys>, WalletError> {
    type Row = (Option<String>, Vec<u8>, Option<i64>, Option<String>);
    let row: Option<Row> = connection
        .query_row(
            "SELECT view, configs, read_at, refused FROM oblivious_keys WHERE cps = ?",
            [cps.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((view, configs, read_at, refused)) = row else {
        return Ok(None);
    };
    let view = view.map(|json| ObliviousLogView::from_json(&json));
    let configs = KeyConfig::parse_list(&configs).map_err(|_| CONFIGS)?;
    Ok(Some(RememberedKeys {
        view: view.transpose().map_err(|_| VIEW)?,
        configs,
        read: read_at.and_then(|at| u64::try_from(at).ok()).map(UnixTime),
        refused,
    }))
}

const CONFIGS: WalletError = WalletError::Damaged {
    what: "oblivious_keys.configs",
};

const VIEW: WalletError = WalletError::Damaged {
    what: "oblivious_keys.view",
};
