//! What is known while entries are read, and how each fits those before it. Not here:
//! reading them.

use std::collections::HashMap;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::key_calendar::KeyCalendar;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use pennyblack_tlog::KeyName;

use super::accusation::{Accusation, Accusations};
use super::beginnings::Beginnings;
use super::epochs::{Closed, Epoch, Epochs, Issued, MAX_DAYS};
use super::misbehaviour::AuditError;

/// Keys that are parsed, for tokens to be verified; many times those that are open at once.
const MAX_VERIFIERS: usize = 256;

/// The epochs as they are known so far, and the double spends that are not verified yet.
pub(super) struct Book {
    epochs: Epochs,
    /// The keys in `epochs`, by the days on which they begin.
    calendar: KeyCalendar,
    /// Those that the issuer announced.
    beginnings: Beginnings,
    /// How many days `epochs` holds, of all keys.
    days: usize,
    /// Whether keys must be in the issuer's log.
    issuer_is_followed: bool,
    verifiers: HashMap<TokenKeyId, Arc<TokenVerifier>>,
    /// Those whose evidence is not verified yet.
    accusations: Accusations,
    double_spends: u64,
}

impl Book {
    pub(super) fn new(epochs: Epochs, issuer_is_followed: bool) -> Result<Self, AuditError> {
        let begins = epochs.iter().filter_map(|(_, epoch)| epoch.not_before);
        let calendar = KeyCalendar::of(begins).map_err(AuditError::RememberedKeys)?;
        let days = epochs.iter().map(|(_, epoch)| epoch.double_spends.len());
        Ok(Self {
            calendar,
            beginnings: Beginnings::of(&epochs),
            days: days.sum(),
            epochs,
            issuer_is_followed,
            verifiers: HashMap::new(),
            accusations: Accusations::default(),
            double_spends: 0,
        })
    }

    /// The double spends of this run.
    pub(super) const fn double_spends(&self) -> u64 {
        self.double_spends
    }

    /// What is known when all was read.
    pub(super) fn into_epochs(self) -> Epochs {
        self.epochs
    }

    /// What is known of a key that an entry states.
    fn epoch(
        &mut self,
        (log, index): (&KeyName, u64),
        key: &TokenKey,
        not_before: UnixTime,
    ) -> Result<&mut Epoch, AuditError> {
        if self.epochs.get(key.id()).is_none() {
            let added = self.calendar.add(not_before);
            added.map_err(|error| excess((log, index), error.to_string()))?;
        }
        Ok(self.epochs.entry(key, not_before))
    }

    pub(super) fn take_of_issuer(
        &mut self,
        log: &KeyName,
        index: u64,
        entry: LogEntry,
    ) -> Result<(), AuditError> {
        let minute = entry.minute.start();
        let contradicts = |what| AuditError::Contradiction {
            log: log.clone(),
            index,
            what,
        };
        match entry.statement {
            Statement::TokenKeyAnnounced { key, not_before } => {
                let epoch = self.epoch((log, index), &key, not_before)?;
                if epoch.announced.replace(minute).is_some() {
                    return Err(contradicts("this key was announced before"));
                }
                let added = self.beginnings.add(key.id(), not_before);
                added.map_err(|(other, apart)| AuditError::KeysTooClose {
                    log: log.clone(),
                    index,
                    key: key.id(),
                    other,
                    apart,
                })?;
            }
            Statement::IssuanceTotal {
                token_key_id,
                issued: total,
            } => {
                let epoch = self.epochs.get_mut(token_key_id);
                let epoch = epoch.filter(|epoch| epoch.announced.is_some());
                let epoch = epoch.ok_or_else(|| contradicts("this key was never announced"))?;
                if epoch.issued.replace(Issued { minute, total }).is_some() {
                    return Err(contradicts("the total of this key was stated before"));
                }
                if total == 0 {
                    self.beginnings.give_up(token_key_id);
                }
            }
            _ => return Err(contradicts("an issuer's log holds nothing of this kind")),
        }
        Ok(())
    }

    pub(super) fn take_of_cps(
        &mut self,
        log: &KeyName,
        index: u64,
        entry: LogEntry,
    ) -> Result<(), AuditError> {
        let minute = entry.minute.start();
        let contradicts = |what| AuditError::Contradiction {
            log: log.clone(),
            index,
            what,
        };
        match entry.statement {
            Statement::KeyEpochOpened {
                issuer,
                key,
                not_before,
            } => {
                let known = self.issuer_is_followed;
                let epoch = self.epoch((log, index), &key, not_before)?;
                if known && epoch.announced.is_none() {
                    return Err(AuditError::UnknownKey {
                        log: log.clone(),
                        index,
                        key: key.id(),
                    });
                }
                epoch.issuer = Some(issuer.to_string());
                if epoch.opened.replace(minute).is_some() {
                    return Err(contradicts("this key epoch was opened before"));
                }
            }
            Statement::KeyEpochClosed {
                token_key_id,
                totals,
            } => {
                let epoch = self.epochs.get_mut(token_key_id);
                let epoch = epoch.filter(|epoch| epoch.opened.is_some());
                let epoch = epoch.ok_or_else(|| contradicts("this key epoch was never opened"))?;
                let closed = Closed::new(minute, totals);
                if epoch.closed.replace(closed).is_some() {
                    return Err(contradicts("this key epoch was closed before"));
                }
                if let Some(what) = epoch.miscounted() {
                    return Err(contradicts(what));
                }
                epoch.forget_key();
            }
            Statement::DoubleSpend(evidence) => {
                return self.take_double_spend(log, index, minute, evidence);
            }
            _ => return Err(contradicts("a CPS's log holds nothing of this kind")),
        }
        Ok(())
    }

    fn take_double_spend(
        &mut self,
        log: &KeyName,
        index: u64,
        minute: UnixTime,
        evidence: Box<DoubleSpendEvidence>,
    ) -> Result<(), AuditError> {
        if format!("{}/log", evidence.cps) != log.as_str() {
            return Err(AuditError::ElsewhereAccusation {
                log: log.clone(),
                index,
                cps: evidence.cps.to_string(),
            });
        }
        let id = evidence.token.token_key_id;
        let unknown = || AuditError::UnknownKey {
            log: log.clone(),
            index,
            key: id,
        };
        let epoch = self.epochs.get_mut(id);
        let epoch = epoch.filter(|epoch| epoch.opened.is_some());
        let epoch = epoch.ok_or_else(unknown)?;
        if epoch.closed.is_some() {
            return Err(AuditError::Contradiction {
                log: log.clone(),
                index,
                what: "a double spend of a key epoch that was closed before",
            });
        }
        let verifier = match self.verifiers.get(&id) {
            Some(known) => Some(Arc::clone(known)),
            None if epoch.token_type == TokenType::BLIND_RSA_2048.0 => {
                let verifier = Arc::new(epoch.verifier().ok_or_else(unknown)?);
                if self.verifiers.len() >= MAX_VERIFIERS {
                    self.verifiers.clear();
                }
                self.verifiers.insert(id, Arc::clone(&verifier));
                Some(verifier)
            }
            None => None,
        };
        if epoch.count(minute, verifier.is_some()) {
            self.days += 1;
        }
        if self.days > MAX_DAYS {
            let what = format!(
                "double spends on more than {MAX_DAYS} days, counted for each token key \
                 (docs/protocol.md section 7.2)"
            );
            return Err(excess((log, index), what));
        }
        self.double_spends += 1;
        let accusation = Accusation {
            index,
            evidence,
            verifier,
        };
        self.accusations.push(accusation).map_err(|(index, error)| {
            let log = log.clone();
            AuditError::FalseAccusation { log, index, error }
        })
    }

    /// Verifies the double spends that are left.
    pub(super) fn settle(&mut self, log: &KeyName) -> Result<(), AuditError> {
        let settled = self.accusations.settle();
        settled.map_err(|(index, error)| AuditError::FalseAccusation {
            log: log.clone(),
            index,
            error,
        })
    }

    /// Every key at the CPS is the issuer's, and no more of it were spent than issued. A key
    /// is missed only when `all_is_known` of the issuer's log: the rest may announce it.
    pub(super) fn reconcile(&self, all_is_known: bool) -> Result<(), AuditError> {
        let announced = self.issuer_is_followed && all_is_known;
        for (id, epoch) in self.epochs.iter() {
            if announced && epoch.opened.is_some() && epoch.announced.is_none() {
                return Err(AuditError::NotAnnounced { key: id.to_owned() });
            }
            if let Some((spent, issued)) = epoch.overspent() {
                return Err(AuditError::MoreSpentThanIssued {
                    key: id.to_owned(),
                    spent,
                    issued,
                });
            }
        }
        Ok(())
    }
}

fn excess((log, index): (&KeyName, u64), what: String) -> AuditError {
    AuditError::Excess {
        log: log.clone(),
        index,
        what,
    }
}

#[cfg(test)]
mod tests;
