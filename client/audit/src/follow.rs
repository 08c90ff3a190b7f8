//! Following the logs together: what is new in each is taken into account, and what is
//! wrong with it is found. Not here: reading one log, what the entries say, and where the
//! state is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_evidence::log_entry::LogEntry;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::{KeyName, VerifierKey, WitnessPolicy};
use tokio::time::{Instant, timeout_at};

use super::book::Book;
use super::epochs::Epochs;
use super::misbehaviour::{AuditError, Misbehaviour};
use super::one_log::{Beginning, FollowedLog, Part, follow, last_checkpoint};
use super::place::LogPlace;
use super::record_counts::RecordCounts;
use super::state::{Finding, KeptLog, State, StateError};

/// How long after the limit a run may still prove what it has read by then.
const GRACE: Duration = Duration::from_secs(30);

/// A log to follow.
#[derive(Debug, Clone)]
pub struct Log {
    /// Where its files are.
    pub place: LogPlace,
    /// Its key, had from elsewhere.
    pub key: VerifierKey,
    /// Who must have cosigned.
    pub policy: WitnessPolicy,
}

/// What a run came to.
#[derive(Debug)]
pub struct Followed {
    /// To be kept.
    pub state: State,
    /// The CPS's log.
    pub cps: FollowedLog,
    /// The logs of the issuers that are followed.
    pub issuers: Vec<FollowedLog>,
    /// Other issuers, whose keys the CPS takes or has taken since the last run: that these
    /// announced them is the CPS's word.
    pub unfollowed: Vec<String>,
    /// Issuers whose logs could not be read to their ends: what the CPS says of some of their
    /// keys is compared in the next run.
    pub uncompared: Vec<String>,
    /// Double spends among the new entries.
    pub double_spends: u64,
    /// Keys for oblivious requests among the new entries.
    pub oblivious_keys: u64,
    /// Key records that were published or ended among the new entries.
    pub records: RecordCounts,
    /// What kept it from going on, or is wrong with what was signed. The state is to be kept
    /// all the same: it holds what the logs have signed by now, and the next run finds the
    /// same again.
    pub stopped: Option<AuditError>,
    /// What else is wrong, the gravest first.
    pub also: Vec<AuditError>,
}

impl Followed {
    /// Whether the logs were read to their ends; else the next run goes on.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.cps.is_complete && self.issuers.iter().all(|issuer| issuer.is_complete)
    }
}

/// Reads a CPS's log, and the logs of those of its issuers that are named.
#[derive(Debug)]
pub struct Auditor {
    cps: LogReader<LogPlace>,
    /// By the issuers' authorities.
    issuers: BTreeMap<String, LogReader<LogPlace>>,
}

impl Auditor {
    /// An auditor of these logs.
    ///
    /// # Errors
    /// [`AuditError::IssuerTwice`], [`AuditError::NoIssuersLog`].
    pub fn new(cps: Log, issuers: impl IntoIterator<Item = Log>) -> Result<Self, AuditError> {
        let reader = |log: Log| {
            let reader = LogReader::new(log.place, log.key, log.policy);
            reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE)
        };
        let mut named = BTreeMap::new();
        for log in issuers {
            let name = log.key.name().clone();
            let Some(issuer) = name.as_str().strip_suffix(LOG_PATH) else {
                return Err(AuditError::NoIssuersLog(name));
            };
            if named.insert(issuer.to_owned(), reader(log)).is_some() {
                return Err(AuditError::IssuerTwice(name));
            }
        }
        Ok(Self {
            cps: reader(cps),
            issuers: named,
        })
    }

    /// Follows the logs `now` from where the state that `load` gives ended, or from the
    /// beginning, for as long as `limit`. `progress` is told which entry of how many was
    /// checked last. When the time is up, what was read by then is proven and counts, and
    /// the next run goes on from there; so it is with a file that cannot be had or is not
    /// what was signed, which [`Followed::stopped`] names. It also names what is wrong with
    /// what the logs have signed: then nothing of what is new in them counts, except that
    /// they have signed it. **A log that cannot be followed keeps nothing of the others from
    /// being remembered**; its own position stays.
    ///
    /// # Errors
    /// [`AuditError`] if there is nothing to keep: the state is unusable, or the CPS's log was
    /// never seen and has no checkpoint; [`AuditError::TimeUp`] if no log has shown one in
    /// time, or the proof did not come soon after.
    pub async fn follow(
        &self,
        now: UnixTime,
        load: impl Fn() -> Result<Option<State>, StateError>,
        limit: Duration,
        progress: impl FnMut(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        let end = Instant::now() + limit;
        let followed = timeout_at(end + GRACE, self.follow_until((now, end), load, progress)).await;
        followed.unwrap_or(Err(AuditError::TimeUp))
    }

    async fn follow_until(
        &self,
        (now, end): (UnixTime, Instant),
        load: impl Fn() -> Result<Option<State>, StateError>,
        mut progress: impl FnMut(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        let (seen, mut book) = self.resume(load()?)?;
        let name = self.cps.key().name();
        // A key is announced before the CPS takes its tokens; so whatever is under
        // this checkpoint is in its issuer's log when that is read afterwards.
        let checkpoint = match last_checkpoint(&self.cps, end).await {
            Err(error) if seen.cps.is_none() => return Err(error),
            checkpoint => checkpoint,
        };
        let mut issuers = Vec::new();
        for (issuer, reader) in &self.issuers {
            let name = reader.key().name();
            let from = Beginning::of(reader, seen.of_issuer(name), now)?;
            let take = |index, entry| book.take_of_issuer(issuer, name, index, entry);
            issuers.push(match last_checkpoint(reader, end).await {
                Ok(to) => follow(reader, (from, to), end, take, &mut progress).await,
                Err(error) => from.unchanged(name, Some(error)),
            });
        }
        // **An issuer that is away holds back no CPS.** Its keys are compared once it is back.
        let away = self.issuers.keys().zip(&issuers);
        let away = away.filter(|(_, log)| !log.log.is_complete);
        let away: Vec<_> = away.map(|(issuer, _)| issuer.as_str()).collect();
        away.iter().for_each(|issuer| book.is_not_read(issuer));
        let from = Beginning::of(&self.cps, seen.cps.as_ref(), now)?;
        let mut cps = match checkpoint {
            Ok(to) => {
                let take = |index, entry| book.take_of_cps(name, index, entry);
                follow(&self.cps, (from, to), end, take, &mut progress).await
            }
            Err(error) => from.unchanged(name, Some(error)),
        };
        let is_unproven = cps.is_unproven || issuers.iter().any(|issuer| issuer.is_unproven);
        // What is not proven accuses nobody.
        let mut settled = || book.settle(name).and_then(|()| book.reconcile());
        let found = if is_unproven { None } else { settled().err() };
        if is_unproven || found.is_some() {
            // Loaded again, and not held twice all the time. What was taken goes first.
            drop(book);
            book = self.resume(load()?)?.1;
            away.iter().for_each(|issuer| book.is_not_read(issuer));
            cps.take_back();
            issuers.iter_mut().for_each(Part::take_back);
        }
        let stops = issuers.iter_mut().chain([&mut cps]);
        let stops = stops.map(|log| log.stopped.take()).collect();
        let errors = logs_in_time(stops)?.into_iter().chain(found);
        let mut also = gravest_first(errors);
        let stopped = (!also.is_empty()).then(|| also.remove(0));
        let kept = issuers.iter_mut().filter_map(|issuer| issuer.kept.take());
        let kept = kept.collect();
        // It had a checkpoint, now or before.
        let kept_cps = cps.kept.ok_or(AuditError::TimeUp)?;
        let finding = stopped.as_ref().map(|error| Finding {
            at: now,
            code: error.misbehaviour().map(Misbehaviour::exit_code),
            message: error.to_string(),
        });
        let new = book.new_statements();
        Ok(Followed {
            double_spends: new.double_spends,
            oblivious_keys: new.oblivious_keys,
            records: new.records,
            unfollowed: book.unfollowed(),
            uncompared: book.uncompared(),
            state: State::new(kept_cps, kept, finding, book.into_known()),
            cps: cps.log,
            issuers: issuers.into_iter().map(|issuer| issuer.log).collect(),
            stopped,
            also,
        })
    }

    /// From where an earlier run ended. Each issuer that it followed is followed on.
    fn resume(&self, state: Option<State>) -> Result<(EarlierLogs, Book), AuditError> {
        let issuers = self.issuers.keys().map(String::as_str);
        let Some(State {
            cps,
            issuers: kept,
            epochs,
            oblivious_keys,
            ..
        }) = state
        else {
            return Ok((
                EarlierLogs::default(),
                Book::new(Epochs::default(), issuers),
            ));
        };
        let is_named = |log: &&KeptLog| {
            let issuer = log.name().strip_suffix(LOG_PATH);
            issuer.is_some_and(|issuer| self.issuers.contains_key(issuer))
        };
        if let Some(left) = kept.iter().find(|log| !is_named(log)) {
            return Err(AuditError::IssuerNotNamed(left.name().to_owned()));
        }
        let logs = EarlierLogs {
            cps: Some(cps),
            issuers: kept,
        };
        let book = Book::new(epochs, issuers).with_oblivious_keys(oblivious_keys);
        Ok((logs, book))
    }
}

/// What kept each log from being followed. That the time was up for some says nothing of
/// what the others have shown, unless it was up for all.
fn logs_in_time(stops: Vec<Option<AuditError>>) -> Result<Vec<AuditError>, AuditError> {
    let is_late = |error: &AuditError| matches!(error, AuditError::TimeUp);
    if stops.iter().all(|stop| stop.as_ref().is_some_and(is_late)) {
        return Err(AuditError::TimeUp);
    }
    let in_time = stops.into_iter().flatten().filter(|error| !is_late(error));
    Ok(in_time.collect())
}

/// Errors by what they say of an operator: what was signed and is denied comes before other
/// misbehaviour, and that before what may pass.
pub(super) fn gravest_first(errors: impl Iterator<Item = AuditError>) -> Vec<AuditError> {
    let mut errors: Vec<_> = errors.collect();
    // Those that are equal stay in their order.
    errors.sort_by_key(|error| match error.misbehaviour() {
        Some(Misbehaviour::Fork | Misbehaviour::Rollback) => 0,
        Some(_) => 1,
        None => 2,
    });
    errors
}

/// The logs as an earlier run left them.
#[derive(Default)]
struct EarlierLogs {
    cps: Option<KeptLog>,
    issuers: Vec<KeptLog>,
}

impl EarlierLogs {
    fn of_issuer(&self, name: &KeyName) -> Option<&KeptLog> {
        let mut logs = self.issuers.iter();
        logs.find(|log| log.name() == name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_time_was_up_for_a_log_hides_nothing_of_the_others() {
        let late = || Some(AuditError::TimeUp);
        let twice = |name: &str| AuditError::IssuerTwice(name.parse().unwrap());
        assert!(logs_in_time(vec![late(), None]).unwrap().is_empty());
        let in_time = logs_in_time(vec![late(), Some(twice("one.example/log"))]).unwrap();
        assert!(matches!(in_time[..], [AuditError::IssuerTwice(_)]));
        let all = logs_in_time(vec![late(), late()]).unwrap_err();
        assert!(matches!(all, AuditError::TimeUp));
    }
}
