//! Following the logs: what is new since the last time is read, proven and taken
//! into account, or nothing of it. Not here: where the state is kept.

use std::collections::HashMap;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::{KeyName, SignedCheckpoint, VerifierKey, WitnessPolicy};

use super::accusation::{Accusation, Accusations};
use super::epochs::{Closed, Epochs, Issued};
use super::misbehaviour::AuditError;
use super::place::LogPlace;
use super::state::State;

/// A log to follow.
#[derive(Debug)]
pub struct Log {
    /// Where its files are.
    pub place: LogPlace,
    /// Its key, had from elsewhere.
    pub key: VerifierKey,
    /// Who must have cosigned.
    pub policy: WitnessPolicy,
}

/// How far one log was followed.
#[derive(Debug, Clone)]
pub struct FollowedLog {
    /// Its name.
    pub name: KeyName,
    /// Entries known before.
    pub before: u64,
    /// Entries known now.
    pub now: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Followed {
    /// To be kept.
    pub state: State,
    /// The CPS's log.
    pub cps: FollowedLog,
    /// The issuer's log, if it is followed.
    pub issuer: Option<FollowedLog>,
    /// Double spends among the new entries.
    pub double_spends: u64,
}

/// Reads a CPS's log, and the log of its issuer if that is named.
#[derive(Debug)]
pub struct Auditor {
    cps: LogReader<LogPlace>,
    issuer: Option<LogReader<LogPlace>>,
}

impl Auditor {
    /// An auditor of these logs.
    #[must_use]
    pub fn new(cps: Log, issuer: Option<Log>) -> Self {
        let reader = |log: Log| LogReader::new(log.place, log.key, log.policy);
        Self {
            cps: reader(cps),
            issuer: issuer.map(reader),
        }
    }

    /// Follows the logs from where `state` ended, or from the beginning. `progress`
    /// is told which entry of how many was checked last. All or nothing: after an
    /// error the state stays as it was, and the next run finds the same again.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn follow(
        &self,
        state: Option<&State>,
        mut progress: impl FnMut(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        if self.issuer.is_none() && state.is_some_and(|state| state.issuer.is_some()) {
            return Err(AuditError::IssuerNotNamed);
        }
        let name = self.cps.key().name().clone();
        // A key is announced before the CPS takes its tokens; so whatever is under
        // this checkpoint is in the issuer's log when that is read afterwards.
        let checkpoint = last_checkpoint(&self.cps).await?;
        let mut book = Book::new(state, self.issuer.is_some());
        let issuer = match &self.issuer {
            Some(reader) => Some(follow_issuer(reader, state, &mut book, &mut progress).await?),
            None => None,
        };
        let from = position(&self.cps, state.map(|state| state.cps.as_str()))?;
        let take = |index, entry| book.take_of_cps(&name, index, entry);
        let cps = follow(&self.cps, &from, &checkpoint, take, &mut progress).await?;
        book.accusations.settle().map_err(|(index, error)| {
            let log = name.clone();
            AuditError::FalseAccusation { log, index, error }
        })?;
        book.reconcile()?;
        let issued = issuer.as_ref().zip(self.issuer.as_ref());
        let issued = issued.map(|((_, to), reader)| (reader.key().to_string(), to.to_string()));
        let state = State::new(
            (self.cps.key().to_string(), cps.to_string()),
            issued,
            book.epochs,
        );
        Ok(Followed {
            state,
            cps: followed(&self.cps, &from, &cps),
            issuer: issuer
                .zip(self.issuer.as_ref())
                .map(|((from, to), reader)| followed(reader, &from, &to)),
            double_spends: book.double_spends,
        })
    }
}

async fn follow_issuer(
    reader: &LogReader<LogPlace>,
    state: Option<&State>,
    book: &mut Book,
    progress: &mut impl FnMut(&KeyName, u64, u64),
) -> Result<(Position, Position), AuditError> {
    let name = reader.key().name();
    let from = position(reader, state.and_then(|state| state.issuer.as_deref()))?;
    let checkpoint = last_checkpoint(reader).await?;
    let take = |index, entry| book.take_of_issuer(name, index, entry);
    let to = follow(reader, &from, &checkpoint, take, progress).await?;
    Ok((from, to))
}

async fn last_checkpoint(reader: &LogReader<LogPlace>) -> Result<SignedCheckpoint, AuditError> {
    let checkpoint = reader.checkpoint().await;
    checkpoint.map_err(|error| AuditError::Log {
        log: reader.key().name().clone(),
        error,
    })
}

fn followed(reader: &LogReader<LogPlace>, from: &Position, to: &Position) -> FollowedLog {
    FollowedLog {
        name: reader.key().name().clone(),
        before: from.head().size,
        now: to.head().size,
    }
}

/// Where the log with this key was left; the beginning, if it was never read.
fn position(reader: &LogReader<LogPlace>, kept: Option<&str>) -> Result<Position, AuditError> {
    match kept {
        None => Ok(Position::default()),
        Some(text) => Position::parse(text, reader.key()).map_err(|error| AuditError::Position {
            log: reader.key().name().clone(),
            error,
        }),
    }
}

/// What `visit` of a reader may say.
enum Stop {
    Reading(ReadLogError),
    Entry(AuditError),
}

impl From<ReadLogError> for Stop {
    fn from(error: ReadLogError) -> Self {
        Self::Reading(error)
    }
}

async fn follow(
    reader: &LogReader<LogPlace>,
    from: &Position,
    to: &SignedCheckpoint,
    mut take: impl FnMut(u64, LogEntry) -> Result<(), AuditError>,
    progress: &mut impl FnMut(&KeyName, u64, u64),
) -> Result<Position, AuditError> {
    let (name, size) = (reader.key().name(), to.checkpoint().head.size);
    let visit = |index, bytes: &[u8]| {
        progress(name, index + 1, size);
        let entry = LogEntry::parse(bytes).map_err(|error| AuditError::Entry {
            log: name.clone(),
            index,
            error,
        });
        entry
            .and_then(|entry| take(index, entry))
            .map_err(Stop::Entry)
    };
    let end = reader.advance(from, to, visit).await;
    end.map_err(|stop| match stop {
        Stop::Entry(error) => error,
        Stop::Reading(error) => AuditError::Log {
            log: name.clone(),
            error,
        },
    })
}

/// What is known while entries are read.
struct Book {
    epochs: Epochs,
    /// Whether keys must be in the issuer's log.
    issuer_is_followed: bool,
    verifiers: HashMap<TokenKeyId, Arc<TokenVerifier>>,
    /// Those whose evidence is not verified yet.
    accusations: Accusations,
    double_spends: u64,
}

impl Book {
    fn new(state: Option<&State>, issuer_is_followed: bool) -> Self {
        Self {
            epochs: state.map(|state| state.epochs.clone()).unwrap_or_default(),
            issuer_is_followed,
            verifiers: HashMap::new(),
            accusations: Accusations::default(),
            double_spends: 0,
        }
    }

    fn take_of_issuer(
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
                let epoch = self.epochs.entry(&key, not_before);
                if epoch.announced.replace(minute).is_some() {
                    return Err(contradicts("this key was announced before"));
                }
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
            }
            _ => return Err(contradicts("an issuer's log holds nothing of this kind")),
        }
        Ok(())
    }

    fn take_of_cps(
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
                let epoch = self.epochs.entry(&key, not_before);
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
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.verifiers.entry(id)
            && epoch.token_type == TokenType::BLIND_RSA_2048.0
        {
            let key = pennyblack_base::encoding::from_base64url(&epoch.token_key);
            let key = key
                .ok()
                .and_then(|key| TokenVerifyingKey::from_spki(&key).ok());
            vacant.insert(Arc::new(TokenVerifier::BlindRsa(key.ok_or_else(unknown)?)));
        }
        let verifier = self.verifiers.get(&id).map(Arc::clone);
        epoch.count(minute, verifier.is_some());
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

    /// Every key at the CPS is the issuer's, and no more of it were spent than issued.
    fn reconcile(&self) -> Result<(), AuditError> {
        for (id, epoch) in self.epochs.iter() {
            if self.issuer_is_followed && epoch.opened.is_some() && epoch.announced.is_none() {
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
