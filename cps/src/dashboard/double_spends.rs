//! The double spends of the log for the browser to check: the last ones first, each
//! with the token key that it takes; and what this server finds when it checks one
//! (docs/protocol.md section 7.3). Not here: how a browser does, which is `check.js`.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pennyblack_base::authority::Authority;
use pennyblack_base::encoding::base64url;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use pennyblack_tlog::LogProof;
use serde::Serialize;

use crate::log::CpsLog;

/// Double spends on a page.
const PAGE: usize = 20;
/// Entries that are read at a time.
const AT_ONCE: u64 = 1_024;

/// The log, as one looks into it for double spends.
pub(super) struct DoubleSpends {
    log: Arc<CpsLog>,
    /// Locked while the disk is read: all that need a key wait for the same entries.
    keys: Mutex<OpenedKeys>,
}

/// The keys whose epochs were opened, as far as the log was read.
#[derive(Default)]
struct OpenedKeys {
    read: u64,
    keys: HashMap<TokenKeyId, (Authority, TokenKey)>,
}

/// Some double spends, the last one first.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) entries: Vec<Listed>,
    /// What to ask with for those before them, if there are any.
    pub(super) before: Option<u64>,
}

/// A double spend, and what its token is checked with.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    /// Its place in the log.
    pub(super) index: u64,
    /// The minute in which the second request came.
    minute: UnixTime,
    /// [`DoubleSpendEvidence`] as it is written.
    evidence: serde_json::Value,
    token_type: u16,
    token_key_id: String,
    /// Whose key it is.
    issuer: Option<Authority>,
    /// The key as the issuer publishes it, in unpadded base64url.
    token_key: Option<String>,
}

/// What this server finds.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Whether the evidence proves the double spend.
    proven: bool,
    /// Whether the issuer's signature on the token was checked: nobody can check that
    /// of the VOPRF types but the issuer.
    token_checked: bool,
    /// What is wrong, if it proves nothing.
    why: Option<String>,
}

impl Verdict {
    fn of<E: std::fmt::Display>(token_checked: bool, checked: Result<(), E>) -> Self {
        Self {
            proven: checked.is_ok(),
            token_checked,
            why: checked.err().map(|error| error.to_string()),
        }
    }
}

impl DoubleSpends {
    pub(super) fn new(log: Arc<CpsLog>) -> Self {
        Self {
            log,
            keys: Mutex::default(),
        }
    }

    /// The last double spends before a place in the log that are under its checkpoint;
    /// none at a follower. Reads the disk.
    pub(super) fn page(&self, before: Option<u64>) -> io::Result<Page> {
        let size = self.log.published();
        let size = size.map_or(0, |log| log.checkpoint().checkpoint().head.size);
        let mut end = size.min(before.unwrap_or(u64::MAX));
        let mut found = Vec::new();
        // One more tells whether there is another page.
        while found.len() <= PAGE
            && let Some(bundle) = self.log.double_spends_before(end)
        {
            let count = bundle.end.min(end) - bundle.start;
            let max = usize::try_from(count).unwrap_or(usize::MAX);
            let entries = self.log.entries(bundle.start, max)?.into_iter().rev();
            found.extend(entries.filter_map(double_spend));
            end = bundle.start;
        }
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let entries = found.into_iter();
        let entries = entries
            .map(|(index, minute, evidence)| self.listed(index, minute, &evidence))
            .collect::<io::Result<Vec<_>>>()?;
        let last = entries.last().map(|entry| entry.index);
        Ok(Page {
            before: last.filter(|_| more),
            entries,
        })
    }

    fn listed(
        &self,
        index: u64,
        minute: UnixTime,
        evidence: &DoubleSpendEvidence,
    ) -> io::Result<Listed> {
        let token = &evidence.token;
        let key = self.key(token.token_key_id)?;
        let (issuer, key) = key.unzip();
        Ok(Listed {
            index,
            minute,
            evidence: serde_json::from_str(&evidence.to_json())?,
            token_type: token.token_type.0,
            token_key_id: token.token_key_id.to_string(),
            issuer,
            token_key: key.map(|key| base64url(key.encoded())),
        })
    }

    /// Checks the double spend at a place in the log; `None` if there is none. Reads
    /// the disk.
    pub(super) fn verdict(&self, index: u64) -> io::Result<Option<Verdict>> {
        let entry = self.log.entries(index, 1)?.pop().and_then(double_spend);
        let Some((_, _, evidence)) = entry else {
            return Ok(None);
        };
        let key = self.key(evidence.token.token_key_id)?;
        Ok(Some(match key {
            Some((_, TokenKey::BlindRsa(key))) => match TokenVerifyingKey::new(key) {
                Ok(key) => {
                    let key = TokenVerifier::BlindRsa(key);
                    Verdict::of(true, evidence.verify(&key).map(|_| ()))
                }
                Err(error) => Verdict::of(true, Err(error)),
            },
            Some((_, TokenKey::Voprf(_))) => Verdict::of(false, evidence.verify_requests()),
            None => Verdict::of(
                false,
                Err("the log does not say that tokens of this key are taken"),
            ),
        }))
    }

    /// The proof that the entry at a place is under the last checkpoint (C2SP
    /// tlog-proof, docs/protocol.md section 7.4); `None` if it is not. Reads the disk.
    pub(super) fn proof(&self, index: u64) -> io::Result<Option<LogProof>> {
        let Some(log) = self.log.published() else {
            return Ok(None);
        };
        let checkpoint = log.checkpoint();
        let size = checkpoint.checkpoint().head.size;
        let entry = log.entries(index, 1)?.pop();
        let Some((_, entry)) = entry.filter(|_| index < size) else {
            return Ok(None);
        };
        Ok(Some(LogProof {
            extra: Some(entry.to_vec()),
            index,
            path: log.prove_inclusion(index, size)?,
            checkpoint: (*checkpoint).clone(),
        }))
    }

    /// The key with this id, if its epoch was ever opened; and whose it is. What was
    /// not read of the log before is read for it.
    fn key(&self, id: TokenKeyId) -> io::Result<Option<(Authority, TokenKey)>> {
        let mut opened = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let at_once = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        while !opened.keys.contains_key(&id) {
            let entries = self.log.entries(opened.read, at_once)?;
            let Some((last, _)) = entries.last() else {
                break;
            };
            opened.read = last + 1;
            for (_, entry) in entries {
                if let Statement::KeyEpochOpened { issuer, key, .. } = entry.statement {
                    opened.keys.insert(key.id(), (issuer, key));
                }
            }
        }
        Ok(opened.keys.get(&id).cloned())
    }
}

fn double_spend((index, entry): (u64, LogEntry)) -> Option<(u64, UnixTime, DoubleSpendEvidence)> {
    match entry.statement {
        Statement::DoubleSpend(evidence) => Some((index, entry.minute.start(), *evidence)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
