//! The log follows the key directory: what is listed there and not published by the log gets an
//! entry, and so does what was published and is gone before its end. One comparison does that,
//! whether a record came a moment ago or before a crash. Not here: the log, the directory, and
//! what readers are shown ([`crate::record_feed`]).

mod pace;

use std::cell::LazyCell;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{KeyRecordHash, Statement};
use pennyblack_logserver::nodes::StateError;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::repeated_causes::report;
use tokio::task::spawn_blocking;

use self::pace::Pace;
use crate::key_directory::{KeyDirectory, RecordId, Touched, record_id};
use crate::log::CpsLog;

/// When it is tried again to state what is not stated.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long what has come is waited for by what comes next: one comparison is for both.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// What has the log follow the directory.
pub(crate) struct RecordLog {
    directory: Arc<KeyDirectory>,
    log: Arc<CpsLog>,
    comparison: Comparison,
}

/// What is left to be compared.
#[derive(Default)]
struct Comparison {
    /// Whether everything was compared once.
    has_begun: bool,
    /// Records that have come or gone, with their ends.
    unsettled: Touched,
    pace: Pace,
}

/// What the log is to state.
#[derive(Default)]
struct Due {
    /// Records, with whose they are: the oldest first.
    published: Vec<(KeyRecordHash, RecordId)>,
    ended: Vec<KeyRecordHash>,
}

impl RecordLog {
    pub(crate) fn new(directory: Arc<KeyDirectory>, log: Arc<CpsLog>) -> Self {
        Self {
            directory,
            log,
            comparison: Comparison::default(),
        }
    }

    /// Compares whenever something has come or gone, until `shutdown`.
    pub(crate) async fn follow(mut self, clock: Clock, shutdown: Shutdown) {
        let news = self.directory.news();
        loop {
            let compared = tokio::select! {
                compared = self.compare(clock.now()) => compared,
                () = shutdown.requested() => return,
            };
            let is_settled = compared.unwrap_or_else(|error| {
                if !error.is_early() {
                    report("key records are not in the log", &error);
                }
                false
            });
            tokio::select! {
                () = news.notified() => {}
                () = tokio::time::sleep(AGAIN_AFTER), if !is_settled => {}
                () = shutdown.requested() => return,
            }
            tokio::time::sleep(GATHERED_FOR).await;
        }
    }

    /// Compares what may differ, and states what does; whether nothing differs any more.
    ///
    /// # Errors
    /// [`StateError`]; what is not stated is compared again the next time.
    async fn compare(&mut self, now: UnixTime) -> Result<bool, StateError> {
        if self.directory.check_complete().is_err() {
            return Ok(false);
        }
        let touched = self.directory.take_touched();
        if !self.log.states_records() {
            return Ok(true);
        }
        let mut comparison = mem::take(&mut self.comparison);
        let (directory, log) = (Arc::clone(&self.directory), Arc::clone(&self.log));
        let compared = spawn_blocking(move || {
            comparison.unsettled.extend(touched);
            let due = comparison.due(&directory, &log, now);
            (comparison, due)
        });
        let due = match compared.await {
            Ok((comparison, due)) => {
                self.comparison = comparison;
                due
            }
            Err(error) => {
                tracing::error!(%error, "comparing key records with the log broke off");
                return Ok(false);
            }
        };
        self.state(due, now).await?;
        Ok(self.comparison.is_settled())
    }

    async fn state(&mut self, due: Due, now: UnixTime) -> Result<(), StateError> {
        // One after the other: a reader knows a record before its predecessor goes.
        let published = due.published.iter();
        let published = published.map(|(hash, _)| Statement::KeyRecordPublished(*hash));
        let published: Vec<_> = published.collect();
        self.log.state_records(&published, now).await?;
        let ended = due.ended.iter().copied().map(Statement::KeyRecordEnded);
        let ended: Vec<_> = ended.collect();
        self.log.state_records(&ended, now).await?;
        self.comparison.has_stated(due, now);
        Ok(())
    }
}

impl Comparison {
    /// What of the unsettled records is to be stated. The others are settled, or wait for
    /// their turn.
    fn due(&mut self, directory: &KeyDirectory, log: &CpsLog, now: UnixTime) -> Due {
        if !self.has_begun {
            self.begin(directory, log);
        }
        let waiting = LazyCell::new(|| directory.waiting_hashes());
        let mut published = Vec::new();
        let mut ended = Vec::new();
        self.unsettled.retain(|hash, end| {
            let is_published = log.is_published(hash);
            match directory.of_hash(hash, now) {
                Some(_) if is_published => false,
                Some(record) => {
                    let id = record_id(&record);
                    if self.pace.allows(&id, now) {
                        published.push((record.record().iat, *hash, id));
                    }
                    true
                }
                None if !is_published => false,
                None if *end <= now => {
                    log.forget_record(hash);
                    false
                }
                None if waiting.contains(hash) => false,
                None => {
                    ended.push(*hash);
                    true
                }
            }
        });
        published.sort();
        let published = published.into_iter();
        self.count();
        Due {
            published: published.map(|(_, hash, id)| (hash, id)).collect(),
            ended,
        }
    }

    /// Compares everything: nothing is known of what was touched before. Of a record that the
    /// log has published and nobody has seen since it is only known when all like it have
    /// ended.
    fn begin(&mut self, directory: &KeyDirectory, log: &CpsLog) {
        for record in directory.all() {
            let hash = KeyRecordHash::of(record.as_str());
            self.unsettled.insert(hash, record.exp());
        }
        for (hash, end) in log.published_records() {
            self.unsettled.entry(hash).or_insert(end);
        }
        self.has_begun = true;
    }

    fn has_stated(&mut self, due: Due, now: UnixTime) {
        for (hash, id) in due.published {
            self.unsettled.remove(&hash);
            self.pace.has_stated(id, now);
        }
        for hash in due.ended {
            self.unsettled.remove(&hash);
        }
        self.count();
    }

    fn count(&self) {
        #[allow(clippy::cast_precision_loss, reason = "a count of records")]
        metrics::gauge!("pennyblack_cps_key_records_unlogged").set(self.unsettled.len() as f64);
    }

    fn is_settled(&self) -> bool {
        self.has_begun && self.unsettled.is_empty()
    }
}

#[cfg(test)]
mod tests;
