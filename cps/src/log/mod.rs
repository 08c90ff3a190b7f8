//! The CPS's transparency log (docs/protocol.md section 7): double spends with
//! their evidence, which key epochs it opened and closed, and key records. Everything is on
//! disk before it has a consequence, and signed for about a second later. Not here: tiles,
//! checkpoints and files, and which of several nodes leads the log; those are in
//! `pennyblack_logserver`.

mod error;
mod lines;
mod records;
pub(crate) mod reported;
mod shared_tallies;
mod tallies;
mod tally;
pub(crate) mod witnesses;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::Response;
use http::HeaderMap;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{
    EpochTotals, KeyConfigDigest, LogEntry, ObliviousKey, Statement,
};
use pennyblack_logserver::TransparencyLog;
use pennyblack_logserver::nodes::{
    LeaderRecord, LogRole, NodeCredential, OpenRoleError, PublishError, Reports, Sharing,
    StateError, TransparencyLogConfig,
};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::public_router::PublicRouter;
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use self::error::{CloseEpochError, OpenCpsLogError};
pub use self::lines::LogLine;
use self::records::Settled;
pub use self::tallies::{EpochTallies, PersistTalliesError, TalliesError};
pub use self::tally::Tally;
pub use self::witnesses::WitnessesError;
pub(crate) use self::witnesses::{Contradictions, Witnesses};
use crate::decoy_secret::DecoySecret;
use crate::store::redis::RedisStore;

/// How long after its end a key epoch is closed in a log that other nodes follow: by
/// then none of them takes its tokens any more, if clocks agree, and all have told what
/// they counted.
const SETTLES_AFTER: Duration = Duration::from_secs(10);

/// The log, open.
pub struct CpsLog {
    cps: Authority,
    role: LogRole,
    tallies: EpochTallies,
    /// What the nodes know each other by; none where there is one node.
    credential: Option<Arc<DecoySecret>>,
    /// What witnesses say of it, once they are asked.
    contradictions: OnceLock<Arc<Contradictions>>,
    /// What is known of key records in it.
    settled: Settled,
}

impl CpsLog {
    /// Opens the log of a CPS of one node in a directory of its own, or begins one
    /// there. Reads and checks all of it: not for an async context.
    ///
    /// # Errors
    /// [`OpenCpsLogError`].
    pub fn open(directory: &Path, cps: &Authority) -> Result<Self, OpenCpsLogError> {
        let role = LogRole::of_one(directory, cps).map_err(OpenRoleError::from)?;
        Ok(Self {
            cps: cps.clone(),
            settled: Settled::of(&role),
            role,
            tallies: EpochTallies::open(&directory.join("tallies.json"))?,
            credential: None,
            contradictions: OnceLock::new(),
        })
    }

    /// The log of a CPS of several nodes, which share `store` and `secret`. As
    /// blocking as [`Self::open`].
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
        let credential: Arc<dyn NodeCredential> = Arc::<DecoySecret>::clone(&secret);
        let sharing = Sharing {
            leader_record: LeaderRecord::new(store.redis().clone(), name),
            reports: Some(Reports::new(reported::REPORT_PATH, credential)),
        };
        let role = LogRole::of_several(directory, cps, config, sharing)?;
        Ok(Self {
            cps: cps.clone(),
            settled: Settled::of(&role),
            role,
            tallies: EpochTallies::shared(store.clone()),
            credential: Some(secret),
            contradictions: OnceLock::new(),
        })
    }

    /// The CPS whose log it is.
    pub(crate) const fn cps(&self) -> &Authority {
        &self.cps
    }

    /// The log as it is published, at its leader.
    #[must_use]
    pub fn published(&self) -> Option<&Arc<TransparencyLog>> {
        self.role.published()
    }

    /// Heeds what witnesses show.
    pub(crate) fn heed(&self, contradictions: &Arc<Contradictions>) {
        self.contradictions
            .get_or_init(|| Arc::clone(contradictions));
    }

    /// Why no token may be redeemed, if what witnesses have seen of this log forbids it.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.contradictions.get()?.why()
    }

    /// What is counted of the key epochs that are open.
    #[must_use]
    pub const fn tallies(&self) -> &EpochTallies {
        &self.tallies
    }

    /// The log's resources, which are the same at all nodes.
    pub(crate) fn router(&self) -> PublicRouter {
        self.role.router()
    }

    /// Reports from the beginning what is not known yet of a log that nodes share.
    pub(crate) fn not_known_yet(&self, readiness: &Readiness) {
        self.role.not_known_yet(readiness);
    }

    /// Keeps in touch with the other nodes, if there are any, until `shutdown`.
    pub(crate) async fn keep_in_touch(&self, readiness: Readiness, shutdown: Shutdown) {
        self.role.keep_in_touch(readiness, shutdown).await;
    }

    /// Word of each time that something may be in the log, or may be stated, that could
    /// not before and was for another node to say.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.role.moves()
    }

    /// How long after its end a key epoch is closed here.
    pub(crate) fn settles_after(&self) -> Duration {
        match self.role.has_followers() {
            true => SETTLES_AFTER,
            false => Duration::ZERO,
        }
    }

    /// What followers show when they report a double spend; `None` where no node does, or
    /// while it is not known.
    pub(crate) fn credential(&self) -> Option<Zeroizing<String>> {
        let shared = self.credential.as_ref();
        let shared = shared.filter(|_| self.role.has_followers());
        shared.and_then(|secret| secret.credential().ok())
    }

    /// Logs a double spend, once for each token; whether this was that time. It is on
    /// the leader's disk when this returns.
    ///
    /// # Errors
    /// [`StateError`]; then the double spend must not be answered as one.
    pub async fn double_spend(
        &self,
        evidence: DoubleSpendEvidence,
        now: UnixTime,
    ) -> Result<bool, StateError> {
        let statement = Statement::DoubleSpend(Box::new(evidence));
        self.role.state(statement, now).await
    }

    /// Logs that tokens of a key are taken from now on; once for each key.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotYet`] until the leader has.
    pub async fn key_epoch_opened(
        &self,
        issuer: &Authority,
        key: &TokenKey,
        not_before: UnixTime,
        now: UnixTime,
    ) -> Result<(), StateError> {
        let statement = Statement::KeyEpochOpened {
            issuer: issuer.clone(),
            key: key.clone(),
            not_before,
        };
        self.role.state(statement, now).await.map(|_| ())
    }

    /// Whether it announces an oblivious key.
    pub(crate) fn is_oblivious_key(&self, key_config: KeyConfigDigest) -> bool {
        self.role.is_oblivious_key(key_config)
    }

    /// When the oblivious keys begin that it announces.
    pub(crate) fn oblivious_begins(&self) -> BTreeSet<UnixTime> {
        self.role.oblivious_begins()
    }

    /// What it says of an oblivious key, or what it is to say.
    pub(crate) fn oblivious_key(&self, key: ObliviousKey) -> ObliviousKey {
        self.role.oblivious_key(key)
    }

    /// Has statements in the log and under a checkpoint, where every reader finds them.
    ///
    /// # Errors
    /// [`PublishError`].
    pub(crate) async fn publish(
        &self,
        statements: Vec<Statement>,
        now: UnixTime,
    ) -> Result<(), PublishError> {
        self.role.publish(statements, now).await
    }

    /// Whether it is in the log, durably, that tokens of a key are taken.
    #[must_use]
    pub fn is_open(&self, id: TokenKeyId) -> bool {
        self.role.is_open(id)
    }

    /// Whether it is in the log that no token of a key is taken any more.
    #[must_use]
    pub fn is_closed(&self, id: TokenKeyId) -> bool {
        self.role.is_closed(id)
    }

    /// Logs that no token of a key is taken any more, and how many were spent;
    /// once for each key.
    ///
    /// # Errors
    /// [`CloseEpochError`]; then the epoch must not be closed yet.
    pub async fn key_epoch_closed(
        &self,
        token_key_id: TokenKeyId,
        spent: u64,
        now: UnixTime,
    ) -> Result<(), CloseEpochError> {
        let tally = match self.is_closed(token_key_id) {
            true => Tally::default(),
            // This adds what a follower has counted, for the leader, which waits a little.
            false => self.tallies.of(token_key_id).await?,
        };
        let statement = Statement::KeyEpochClosed {
            token_key_id,
            totals: EpochTotals {
                spent,
                replayed: tally.replayed,
                refused: tally.refused,
                further_double_spends: tally.further_double_spends,
            },
        };
        self.role.state(statement, now).await?;
        Ok(self.tallies.forget(token_key_id).await?)
    }

    /// The entries from an index on, at most `max`; none at a follower. Reads the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn entries(&self, first: u64, max: usize) -> io::Result<Vec<(u64, LogEntry)>> {
        self.role.entries(first, max)
    }

    /// The double spends from an index on, oldest first, at most `max`. Reads the disk;
    /// `None` at a follower, which passes on what the leader answers.
    ///
    /// # Errors
    /// What the disk says.
    pub fn double_spends(&self, first: u64, max: usize) -> Option<io::Result<Vec<LogLine>>> {
        let log = self.role.statements()?;
        let bundles = |from| log.double_spends_from(from);
        let entries = |from, max| log.entries(from, max);
        Some(lines::read(bundles, entries, first, max))
    }

    /// The places of the last entries before `end` that have double spends among them; none
    /// at a follower.
    pub(crate) fn double_spends_before(&self, end: u64) -> Option<Range<u64>> {
        self.role.statements()?.double_spends_before(end)
    }

    /// What the leader answers at `path`; 404 if that is this node.
    pub(crate) async fn pass_on(&self, path: &str, asked: &HeaderMap) -> Response {
        self.role.pass_on(path, asked).await
    }
}

#[cfg(test)]
mod tests;
