//! The CPS's transparency log (docs/protocol.md section 7): double spends with
//! their evidence, and which key epochs it opened and closed. Everything is on
//! disk before it has a consequence, and signed for about a second later. Of several
//! nodes one keeps the log, and the others follow it. Not here: tiles, checkpoints and
//! files, which are in `pennyblack_tlog`.

mod error;
mod lines;
pub(crate) mod reported;
mod shared_tallies;
mod tallies;
mod witnesses;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_base::encoding::sha256;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{EpochTotals, LogEntry, Statement};
use pennyblack_logserver::TransparencyLog;
use pennyblack_logserver::nodes::{Claim, FollowedLog, Keeper, KeptLog, TransparencyLogConfig};
use pennyblack_logserver::routes::PREFIX;
use pennyblack_logserver::statements::StatementLog;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use self::error::{CpsLogError, OpenCpsLogError};
pub use self::lines::LogLine;
pub use self::tallies::{EpochTallies, KeepTalliesError, TalliesError, Tally};
pub(crate) use self::witnesses::Witnesses;
pub use self::witnesses::WitnessesError;
use crate::decoy_secret::DecoySecret;
use crate::store::redis::RedisStore;

/// How long after its end a key epoch is closed in a log that other nodes follow: by
/// then none of them takes its tokens any more, if clocks agree, and all have told what
/// they counted.
const SETTLES_AFTER: Duration = Duration::from_secs(10);

/// How much evidence is remembered of what another node has taken: 32 bytes each.
const REPORTS_REMEMBERED: usize = 16_384;

/// The log, open.
pub struct CpsLog {
    cps: Authority,
    place: Place,
    tallies: EpochTallies,
    /// What the nodes know each other by; none where there is one node.
    secret: Option<Arc<DecoySecret>>,
    /// Evidence that the other node has taken already, so that who repeats a request
    /// that was refused costs it nothing. Locked for a look or a note.
    reported: Mutex<HashSet<[u8; 32]>>,
}

/// Which node keeps the log.
enum Place {
    Here(Arc<KeptLog>),
    Elsewhere(Box<FollowedLog>),
}

impl CpsLog {
    /// Opens the log of a CPS of one node in a directory of its own, or begins one
    /// there. Reads and checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenCpsLogError`].
    pub fn open(directory: &Path, cps: &Authority) -> Result<Self, OpenCpsLogError> {
        let statements = Arc::new(StatementLog::open(directory, cps)?);
        Ok(Self {
            cps: cps.clone(),
            place: Place::Here(Arc::new(KeptLog::alone(statements))),
            tallies: EpochTallies::open(&directory.join("tallies.json"))?,
            secret: None,
            reported: Mutex::default(),
        })
    }

    /// The log of a CPS of several nodes, which share `store` and `secret`: kept here,
    /// or followed. As blocking as [`Self::open`].
    ///
    /// # Errors
    /// [`OpenCpsLogError`].
    pub fn of_several(
        directory: &Path,
        cps: &Authority,
        config: &TransparencyLogConfig,
        store: &RedisStore,
        secret: Arc<DecoySecret>,
    ) -> Result<Self, OpenCpsLogError> {
        let name = format!("{}{{log}}k", store.namespace());
        let claim = Claim::new(store.redis().clone(), name);
        let place = match Keeper::of(config)? {
            None => {
                let statements = Arc::new(StatementLog::open(directory, cps)?);
                Place::Here(Arc::new(KeptLog::among(statements, claim)))
            }
            Some(keeper) => {
                let name = format!("{cps}{PREFIX}").parse()?;
                let memory = directory.with_file_name("log-followed.json");
                let followed = FollowedLog::open(name, keeper, claim, &memory)?;
                Place::Elsewhere(Box::new(followed))
            }
        };
        Ok(Self {
            cps: cps.clone(),
            place,
            tallies: EpochTallies::shared(store.clone()),
            secret: Some(secret),
            reported: Mutex::default(),
        })
    }

    /// The CPS whose log it is.
    pub(crate) const fn cps(&self) -> &Authority {
        &self.cps
    }

    /// The log as it is published, at the node that keeps it.
    #[must_use]
    pub fn published(&self) -> Option<&Arc<TransparencyLog>> {
        match &self.place {
            Place::Here(kept) => Some(kept.published()),
            Place::Elsewhere(_) => None,
        }
    }

    /// What is counted of the key epochs that are open.
    #[must_use]
    pub const fn tallies(&self) -> &EpochTallies {
        &self.tallies
    }

    /// The log's resources, which are the same at all nodes.
    pub(crate) fn router(&self) -> Router {
        match &self.place {
            Place::Here(kept) => kept.router(),
            Place::Elsewhere(followed) => followed.router(),
        }
    }

    /// Says from the beginning what is not known yet of a log that nodes have in common.
    pub(crate) fn not_known_yet(&self, readiness: &Readiness) {
        match &self.place {
            Place::Here(kept) => kept.not_claimed_yet(readiness),
            Place::Elsewhere(followed) => followed.not_read_yet(readiness),
        }
    }

    /// Keeps in touch with the other nodes, if there are any, until `shutdown`.
    pub(crate) async fn keep_in_touch(&self, readiness: Readiness, shutdown: Shutdown) {
        match &self.place {
            Place::Here(kept) => kept.keep_claimed(readiness, shutdown).await,
            Place::Elsewhere(followed) => followed.follow(readiness, shutdown).await,
        }
    }

    /// Word of each time that something may be in the log, or may be stated, that could
    /// not before and was another node's to say.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        match &self.place {
            Place::Here(kept) => kept.moves(),
            Place::Elsewhere(followed) => followed.moves(),
        }
    }

    /// How long after its end a key epoch is closed here.
    pub(crate) fn settles_after(&self) -> Duration {
        match &self.place {
            Place::Here(kept) if kept.is_shared() => SETTLES_AFTER,
            _ => Duration::ZERO,
        }
    }

    /// What other nodes show when they report a double spend; `None` where nobody does,
    /// or while it is not known.
    pub(crate) fn credential(&self) -> Option<Zeroizing<String>> {
        match (&self.place, &self.secret) {
            (Place::Here(_), Some(secret)) => Some(secret.keys().ok()?.node_credential()),
            _ => None,
        }
    }

    /// Logs a double spend, once for each pair of requests and a few times for
    /// each token; whether this was such a time. It is on disk when this returns, here or
    /// at the node that keeps the log.
    ///
    /// # Errors
    /// [`CpsLogError`]; then the double spend must not be answered as one.
    pub async fn double_spend(
        &self,
        evidence: DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<bool, CpsLogError> {
        match &self.place {
            Place::Here(kept) => {
                let statement = Statement::DoubleSpend(Box::new(evidence));
                Ok(kept.state(statement, now).await?)
            }
            Place::Elsewhere(followed) => self.report(followed, &evidence).await,
        }
    }

    async fn report(
        &self,
        keeper: &FollowedLog,
        evidence: &DoubleSpendEvidence,
    ) -> Result<bool, CpsLogError> {
        let secret = self.secret.as_ref().ok_or(CpsLogError::NotYet)?;
        let credential = secret.keys()?.node_credential();
        let body = evidence.to_json().into_bytes();
        let digest = sha256(&body);
        if self.reported().contains(&digest) {
            return Ok(false);
        }
        let answer = keeper
            .tell(reported::REPORT_PATH, &credential, body)
            .await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                let mut reported = self.reported();
                if reported.len() >= REPORTS_REMEMBERED {
                    reported.clear();
                }
                reported.insert(digest);
                Ok(answer.status == StatusCode::CREATED)
            }
            other => Err(CpsLogError::Refused(other)),
        }
    }

    fn reported(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs that tokens of a key are taken from now on; once for each key.
    ///
    /// # Errors
    /// [`CpsLogError`]; [`CpsLogError::NotYet`] until the node that keeps the log has.
    pub async fn key_epoch_opened(
        &self,
        issuer: &Authority,
        key: &TokenKey,
        not_before: UnixTime,
        now: UnixTime,
    ) -> Result<(), CpsLogError> {
        match &self.place {
            Place::Here(kept) => {
                let statement = Statement::KeyEpochOpened {
                    issuer: issuer.clone(),
                    key: key.clone(),
                    not_before,
                };
                kept.state(statement, now).await?;
                Ok(())
            }
            Place::Elsewhere(followed) => stated(followed.is_open(key.id())),
        }
    }

    /// Whether it is in the log, durably, that tokens of a key are taken.
    #[must_use]
    pub fn is_open(&self, id: TokenKeyId) -> bool {
        match &self.place {
            Place::Here(kept) => !kept.is_refused() && kept.statements().is_open(id),
            Place::Elsewhere(followed) => followed.is_open(id),
        }
    }

    /// Whether it is in the log that no token of a key is taken any more.
    #[must_use]
    pub fn is_closed(&self, id: TokenKeyId) -> bool {
        match &self.place {
            Place::Here(kept) => kept.statements().is_closed(id),
            Place::Elsewhere(followed) => followed.is_closed(id),
        }
    }

    /// Logs that no token of a key is taken any more, and how many were spent;
    /// once for each key.
    ///
    /// # Errors
    /// [`CpsLogError`]; then the epoch must not be closed yet.
    pub async fn key_epoch_closed(
        &self,
        token_key_id: TokenKeyId,
        spent: u64,
        now: UnixTime,
    ) -> Result<(), CpsLogError> {
        let kept = match &self.place {
            Place::Here(kept) => kept,
            Place::Elsewhere(followed) if followed.is_closed(token_key_id) => {
                self.tallies.drop_unkept(token_key_id);
                return Ok(());
            }
            Place::Elsewhere(_) => {
                // For the node that closes it, which waits a little.
                self.tallies.of(token_key_id).await?;
                return Err(CpsLogError::NotYet);
            }
        };
        let tally = self.tallies.of(token_key_id).await?;
        let statement = Statement::KeyEpochClosed {
            token_key_id,
            totals: EpochTotals {
                spent,
                replayed: tally.replayed,
                refused: tally.refused,
            },
        };
        kept.state(statement, now).await?;
        Ok(self.tallies.forget(token_key_id).await?)
    }

    /// The entries from a place in the log on, at most `most`; none where another node
    /// keeps it. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn entries(&self, first: u64, most: usize) -> io::Result<Vec<(u64, LogEntry)>> {
        match &self.place {
            Place::Here(kept) => kept.statements().entries(first, most),
            Place::Elsewhere(_) => Ok(Vec::new()),
        }
    }

    /// The double spends from a place in the log on, oldest first: all of those
    /// among the next `most` entries. Reads the disk; `None` where another node keeps
    /// the log, which is to be asked.
    ///
    /// # Errors
    /// What the disk says.
    pub fn double_spends(&self, first: u64, most: usize) -> Option<io::Result<Vec<LogLine>>> {
        match &self.place {
            Place::Here(kept) => Some(lines::read(kept.statements(), first, most)),
            Place::Elsewhere(_) => None,
        }
    }

    /// What the node that keeps the log answers at `path`; 404 if that is this one.
    pub(crate) async fn pass_on(&self, path: &str, asked: &HeaderMap) -> Response {
        match &self.place {
            Place::Here(_) => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
            Place::Elsewhere(followed) => followed.pass_on(path, asked).await,
        }
    }
}

const fn stated(is_stated: bool) -> Result<(), CpsLogError> {
    if is_stated {
        Ok(())
    } else {
        Err(CpsLogError::NotYet)
    }
}

#[cfg(test)]
mod tests;
