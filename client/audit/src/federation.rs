//! Following the logs of all CPSs and issuers of a federation. **Each CPS has an audit and a
//! state of its own**: what is wrong with one keeps nothing of the others from being followed,
//! and each state can be reported and compared as that of any CPS. Not here: who belongs to the
//! federation, and how one audit is done (`follow`).

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_tlog::KeyName;
use tokio::time::Instant;

use super::compare::{CompareError, Seen, SeenLog};
use super::follow::{Auditor, Followed, Log, gravest_first};
use super::misbehaviour::AuditError;
use super::one_log::FollowedLog;
use super::place::LogPlace;
use super::state::{State, StateDirectory};
use super::together::SpentTogether;

/// Audits at one time: each has an epoch's worth of logs in memory.
const AT_ONCE: usize = 8;

/// Follows the logs of several CPSs, each with those of all issuers.
#[derive(Debug)]
pub struct FederationAuditor {
    cpss: Vec<CpsAuditor>,
    issuers: Vec<Log>,
}

/// One CPS, with all issuers.
#[derive(Debug)]
struct CpsAuditor {
    log: KeyName,
    auditor: Auditor,
    state: StateDirectory,
}

/// What came of a federation.
#[derive(Debug)]
pub struct FollowedFederation {
    /// CPSs, in the order in which they were named.
    pub cpss: Vec<CpsFollowed>,
    /// Issuers, likewise.
    pub issuers: Vec<IssuerFollowed>,
    /// What all CPSs together have accepted of each key.
    pub together: Vec<SpentTogether>,
}

/// What came of one CPS's log.
#[derive(Debug)]
pub struct CpsFollowed {
    /// Which.
    pub log: KeyName,
    /// How far it was followed; nothing if it never was, or its state could not be used.
    pub followed: Option<FollowedLog>,
    /// As in [`Followed::unfollowed`].
    pub unfollowed: Vec<String>,
    /// As in [`Followed::uncompared`].
    pub uncompared: Vec<String>,
    /// As in [`Followed::double_spends`].
    pub double_spends: u64,
    /// What is wrong with it, the gravest first.
    pub errors: Vec<AuditError>,
}

/// What came of one issuer's log.
#[derive(Debug)]
pub struct IssuerFollowed {
    /// Which.
    pub log: KeyName,
    /// How far it was followed by the audit that came furthest; nothing if by none.
    pub followed: Option<FollowedLog>,
    /// What is wrong with it, the gravest first.
    pub errors: Vec<AuditError>,
}

impl FederationAuditor {
    /// An auditor of these logs, which keeps the state of each CPS in a directory of `state`
    /// that is named by the CPS's authority.
    ///
    /// # Errors
    /// As [`Auditor::new`].
    pub fn new(
        cpss: impl IntoIterator<Item = Log>,
        issuers: Vec<Log>,
        state: &Path,
    ) -> Result<Self, AuditError> {
        let cpss = cpss.into_iter().map(|cps| {
            let log = cps.key.name().clone();
            let authority = log.as_str().strip_suffix(LOG_PATH).unwrap_or(log.as_str());
            Ok(CpsAuditor {
                state: StateDirectory::new(&state.join(authority)),
                auditor: Auditor::new(cps, issuers.clone())?,
                log,
            })
        });
        Ok(Self {
            cpss: cpss.collect::<Result<_, AuditError>>()?,
            issuers,
        })
    }

    /// Follows all logs `now`, for as long as `limit`, and keeps the state of each CPS.
    /// `progress` is told which entry of how many was checked last.
    pub async fn follow(
        &self,
        now: UnixTime,
        limit: Duration,
        progress: impl Fn(&KeyName, u64, u64),
    ) -> FollowedFederation {
        let (end, progress) = (Instant::now() + limit, &progress);
        let audits = self.cpss.iter().map(|cps| async move {
            let left = end.saturating_duration_since(Instant::now());
            cps.follow(now, left, progress).await
        });
        let audits: Vec<_> = stream::iter(audits).buffered(AT_ONCE).collect().await;
        let mut errors: Vec<_> = self.issuers_disagreements(&audits).await;
        let mut states = Vec::new();
        let (mut cpss, mut logs) = (Vec::new(), Vec::new());
        for (cps, audit) in self.cpss.iter().zip(audits) {
            let mut own = Vec::new();
            let followed = match audit {
                Ok(mut followed) => {
                    let all = followed.stopped.take().into_iter().chain(followed.also);
                    for error in all {
                        match self.is_of_an_issuer(&error) {
                            true => errors.push(error),
                            false => own.push(error),
                        }
                    }
                    states.push(followed.state);
                    logs.extend(followed.issuers);
                    let others = (followed.unfollowed, followed.uncompared);
                    Some((followed.cps, others, followed.double_spends))
                }
                Err(error) => {
                    own.push(error);
                    None
                }
            };
            let (followed, others, double_spends) = match followed {
                Some((log, others, double_spends)) => (Some(log), others, double_spends),
                None => (None, Default::default(), 0),
            };
            let (unfollowed, uncompared) = others;
            cpss.push(CpsFollowed {
                log: cps.log.clone(),
                followed,
                unfollowed,
                uncompared,
                double_spends,
                errors: own,
            });
        }
        FollowedFederation {
            cpss,
            issuers: self.issuers_of(logs, errors),
            together: SpentTogether::of(states.iter().map(|state| &state.epochs)),
        }
    }

    fn is_of_an_issuer(&self, error: &AuditError) -> bool {
        let mut issuers = self.issuers.iter();
        issuers.any(|issuer| error.log() == Some(issuer.key.name()))
    }

    /// What the audits found of each issuer, once.
    fn issuers_of(&self, logs: Vec<FollowedLog>, errors: Vec<AuditError>) -> Vec<IssuerFollowed> {
        let (mut logs, mut errors) = (logs, gravest_first(errors.into_iter()));
        let issuers = self.issuers.iter().map(|issuer| {
            let name = issuer.key.name();
            let own = logs.extract_if(.., |log| log.name == *name);
            let followed = own.max_by_key(|log| (log.is_complete, log.now));
            let own = errors.extract_if(.., |error| error.log() == Some(name));
            let mut own: Vec<_> = own.collect();
            // Each audit has found the same.
            own.dedup_by_key(|error| error.to_string());
            IssuerFollowed {
                log: name.clone(),
                followed,
                errors: own,
            }
        });
        issuers.collect()
    }

    /// **All audits must have been shown one history of an issuer**: an error for each issuer
    /// that has shown two.
    async fn issuers_disagreements(
        &self,
        audits: &[Result<Followed, AuditError>],
    ) -> Vec<AuditError> {
        let audits = audits.iter().filter_map(|audit| audit.as_ref().ok());
        let seen = audits.filter_map(|followed| Seen::of(&followed.state).ok());
        let seen: Vec<SeenLog> = seen.flat_map(|seen| seen.issuers).collect();
        let mut errors = Vec::new();
        for issuer in &self.issuers {
            let name = issuer.key.name();
            let mut own = seen.iter().filter(|log| log.name() == name);
            let Some(first) = own.next() else {
                continue;
            };
            for other in own {
                errors.extend(disagreement(first, other, &issuer.place).await);
            }
        }
        errors
    }
}

/// What is wrong with two views of one log.
async fn disagreement(one: &SeenLog, other: &SeenLog, place: &LogPlace) -> Option<AuditError> {
    match one.compare(other, Some(place.clone()), "--roster").await {
        Err(CompareError::Audit(error)) => Some(error),
        // Both are of one log and one key, and the place is named.
        _ => None,
    }
}

impl CpsAuditor {
    async fn follow(
        &self,
        now: UnixTime,
        limit: Duration,
        progress: &impl Fn(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        let _lock = self.state.lock()?;
        let load = || self.state.load();
        let followed = self.auditor.follow(now, load, limit, progress).await?;
        self.keep(&followed.state)?;
        Ok(followed)
    }

    fn keep(&self, state: &State) -> Result<(), AuditError> {
        Ok(self.state.keep(state)?)
    }
}
