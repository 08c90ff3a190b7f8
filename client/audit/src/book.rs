//! What is known while entries are read, and how each fits those before it. Not here:
//! reading them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::key_calendar::KeyCalendar;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_evidence::oblivious_keys::{ObliviousKeys, Sight};
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use pennyblack_tlog::KeyName;

use super::accusation::{Accusation, Accusations};
use super::announced::{Announced, calendar_of};
use super::epochs::{Closed, Epoch, Epochs, Issued, MAX_DAYS, MAX_EPOCHS};
use super::misbehaviour::AuditError;
use super::record_counts::RecordCounts;

/// Keys that are parsed, for tokens to be verified; many times those that are open at once.
const MAX_VERIFIERS: usize = 256;

/// The epochs as they are known so far, and the double spends that are not verified yet.
pub(super) struct Book {
    epochs: Epochs,
    /// The keys that the CPS takes, by the days on which they begin.
    calendar: KeyCalendar,
    /// The issuers whose logs are followed, by their authorities.
    issuers: BTreeMap<String, Announced>,
    /// Whose each key is that the CPS has opened, by the key's id: a double spend names that
    /// alone.
    opened: HashMap<String, String>,
    /// Issuers that are not followed, of keys that the CPS has opened since.
    unfollowed: BTreeSet<String>,
    /// How many keys `epochs` holds, of all issuers.
    keys: usize,
    /// How many days `epochs` holds, of all keys.
    days: usize,
    verifiers: HashMap<TokenKeyId, Arc<TokenVerifier>>,
    /// Those whose evidence is not verified yet.
    accusations: Accusations,
    /// The oblivious keys that the CPS announced and that have not expired.
    oblivious: ObliviousKeys,
    new: News,
}

/// What is new in the CPS's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct News {
    pub(super) double_spends: u64,
    pub(super) oblivious_keys: u64,
    pub(super) records: RecordCounts,
}

impl Book {
    /// With what is known, and the issuers whose logs are followed.
    pub(super) fn new<'a>(epochs: Epochs, followed: impl Iterator<Item = &'a str>) -> Self {
        let issuers = followed.map(|issuer| (issuer.to_owned(), Announced::of(issuer, &epochs)));
        let issuers = issuers.collect();
        let is_opened = |(.., epoch): &(&str, &str, &Epoch)| epoch.opened.is_some();
        let calendar = calendar_of(epochs.iter().filter(is_opened));
        let opened = epochs.iter().filter(is_opened);
        let opened = opened.map(|(issuer, id, _)| (id.to_owned(), issuer.to_owned()));
        let opened = opened.collect();
        let keys = epochs.iter().count();
        let days = epochs.iter().map(|(.., epoch)| epoch.double_spends.len());
        let days = days.sum();
        Self {
            epochs,
            keys,
            calendar,
            issuers,
            opened,
            unfollowed: BTreeSet::new(),
            days,
            verifiers: HashMap::new(),
            accusations: Accusations::default(),
            oblivious: ObliviousKeys::default(),
            new: News::default(),
        }
    }

    /// With what is known of the CPS's oblivious keys.
    pub(super) fn with_oblivious_keys(self, oblivious: ObliviousKeys) -> Self {
        Self { oblivious, ..self }
    }

    /// What is new in this run.
    pub(super) const fn new_statements(&self) -> News {
        self.new
    }

    /// Issuers whose logs are not followed, and whose keys the CPS takes, or has taken since
    /// the last run: nobody has checked that they announced these.
    pub(super) fn unfollowed(&self) -> Vec<String> {
        let open = self.epochs.iter().filter(|(issuer, _, epoch)| {
            let is_open = epoch.opened.is_some() && epoch.closed.is_none();
            is_open && !self.issuers.contains_key(*issuer)
        });
        let mut all = self.unfollowed.clone();
        all.extend(open.map(|(issuer, ..)| issuer.to_owned()));
        all.into_iter().collect()
    }

    /// An issuer's log was not read to its end. What the CPS opens of its keys waits for the run
    /// in which it is: then all keys are compared.
    pub(super) fn is_not_read(&mut self, issuer: &str) {
        if let Some(known) = self.issuers.get_mut(issuer) {
            known.is_read = false;
        }
    }

    /// Issuers whose logs were not read to their ends, and whose announcements of keys that the
    /// CPS has opened are not known therefore.
    pub(super) fn uncompared(&self) -> Vec<String> {
        let waits = |(issuer, _, epoch): &(&str, &str, &Epoch)| {
            let is_unread = self.issuers.get(*issuer).is_some_and(|one| !one.is_read);
            is_unread && epoch.opened.is_some() && epoch.announced.is_none()
        };
        let issuers = self.epochs.iter().filter(waits);
        let issuers: BTreeSet<_> = issuers.map(|(issuer, ..)| issuer.to_owned()).collect();
        issuers.into_iter().collect()
    }

    /// What is known when all was read.
    pub(super) fn into_known(self) -> (Epochs, ObliviousKeys) {
        (self.epochs, self.oblivious)
    }

    /// What is known of a key that an entry states, as far as there is room for it.
    fn epoch(
        &mut self,
        (log, index): (&KeyName, u64),
        issuer: &str,
        (key, not_before): (&TokenKey, UnixTime),
    ) -> Result<&mut Epoch, AuditError> {
        if self.epochs.get(issuer, key.id()).is_none() {
            if self.keys >= MAX_EPOCHS {
                let log = log.clone();
                return Err(AuditError::TooManyKeys { log, index });
            }
            self.keys += 1;
        }
        Ok(self.epochs.entry(issuer, key, not_before))
    }

    /// An entry of the log of an issuer that is followed.
    pub(super) fn take_of_issuer(
        &mut self,
        issuer: &str,
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
                let epoch = self.epoch((log, index), issuer, (&key, not_before))?;
                if epoch.announced.replace(minute).is_some() {
                    return Err(contradicts("this key was announced before"));
                }
                // Whatever the CPS has said of it.
                epoch.not_before = Some(not_before);
                let Some(known) = self.issuers.get_mut(issuer) else {
                    return Ok(());
                };
                let added = known.calendar.add(not_before);
                added.map_err(|error| excess((log, index), error.to_string()))?;
                let added = known.beginnings.add(key.id(), not_before);
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
                let epoch = self.epochs.get_mut(issuer, token_key_id);
                let epoch = epoch.filter(|epoch| epoch.announced.is_some());
                let epoch = epoch.ok_or_else(|| contradicts("this key was never announced"))?;
                if epoch.issued.replace(Issued { minute, total }).is_some() {
                    return Err(contradicts("the total of this key was stated before"));
                }
                if let Some(known) = self.issuers.get_mut(issuer).filter(|_| total == 0) {
                    known.beginnings.give_up(token_key_id);
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
                if self.opened.contains_key(&key.id().to_string()) {
                    return Err(contradicts("this key epoch was opened before"));
                }
                let followed = self.issuers.get(issuer.as_str());
                let (is_followed, is_read) =
                    (followed.is_some(), followed.is_some_and(|one| one.is_read));
                let announced = self.epochs.get(issuer.as_str(), key.id());
                if is_read && announced.is_none_or(|epoch| epoch.announced.is_none()) {
                    return Err(AuditError::UnknownKey {
                        log: log.clone(),
                        index,
                        key: key.id(),
                        issuer: issuer.to_string(),
                    });
                }
                let added = self.calendar.add(not_before);
                added.map_err(|error| excess((log, index), error.to_string()))?;
                let epoch = self.epoch((log, index), issuer.as_str(), (&key, not_before))?;
                epoch.opened = Some(minute);
                self.opened.insert(key.id().to_string(), issuer.to_string());
                if !is_followed {
                    self.unfollowed.insert(issuer.to_string());
                }
            }
            Statement::KeyEpochClosed {
                token_key_id,
                totals,
            } => {
                let epoch = self.opened_epoch(token_key_id);
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
            Statement::ObliviousKeyAnnounced(key) => {
                let sight = Sight::of_log(entry.minute);
                let announced = self.oblivious.announce(entry.minute, key, sight);
                announced.map_err(|error| excess((log, index), error.to_string()))?;
                self.new.oblivious_keys += 1;
            }
            Statement::KeyRecordPublished(_) => self.new.records.published += 1,
            Statement::KeyRecordEnded(_) => self.new.records.ended += 1,
            _ => return Err(contradicts("a CPS's log holds nothing of this kind")),
        }
        Ok(())
    }

    /// An epoch that the CPS has opened, of whichever issuer it said then.
    fn opened_epoch(&mut self, id: TokenKeyId) -> Option<&mut Epoch> {
        let issuer = self.opened.get(&id.to_string())?;
        self.epochs.get_mut(issuer, id)
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
        let unknown = || AuditError::NeverOpened {
            log: log.clone(),
            index,
            key: id,
        };
        // Not by `opened_epoch`: the verifiers change meanwhile.
        let issuer = self.opened.get(&id.to_string()).ok_or_else(unknown)?;
        let epoch = self.epochs.get_mut(issuer, id).ok_or_else(unknown)?;
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
        self.new.double_spends += 1;
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

    /// Every key at the CPS is its issuer's, and no more of it were spent than issued. A key
    /// is missed only in a log that was read to its end: the rest may announce it.
    pub(super) fn reconcile(&self) -> Result<(), AuditError> {
        for (issuer, id, epoch) in self.epochs.iter() {
            let is_read = self.issuers.get(issuer).is_some_and(|known| known.is_read);
            if is_read && epoch.opened.is_some() && epoch.announced.is_none() {
                return Err(AuditError::NotAnnounced {
                    key: id.to_owned(),
                    issuer: issuer.to_owned(),
                });
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
