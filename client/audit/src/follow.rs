//! Following the logs: what is new since the last time is read, proven and taken
//! into account, as far as the time allows. Not here: what the entries say together, and
//! where the state is kept.

use std::time::Duration;

use pennyblack_evidence::log_entry::{LogEntry, SkippedKinds};
use pennyblack_tlog::LogReader;
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::reader::Reached;
use pennyblack_tlog::{KeyName, SignedCheckpoint, VerifierKey, WitnessPolicy};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::book::Book;
use super::epochs::Epochs;
use super::misbehaviour::AuditError;
use super::place::LogPlace;
use super::state::{State, StateError};

/// How long after the limit a run may still prove what it has read by then.
const GRACE: Duration = Duration::from_secs(30);

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
    /// Entries that the log has signed for.
    pub signed: u64,
    /// Whether all of these are known now; else the time was up.
    pub is_complete: bool,
    /// Entries of this run whose kinds this version does not know: nothing follows from them.
    pub skipped: SkippedKinds,
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
    /// What kept it from going on, or is wrong with what was signed. The state is to be kept
    /// all the same: it holds what the logs have signed by now, and the next run finds the
    /// same again.
    pub stopped: Option<AuditError>,
}

impl Followed {
    /// Whether the logs were read to their ends; else the next run goes on.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let issuer = self.issuer.as_ref();
        self.cps.is_complete && issuer.is_none_or(|issuer| issuer.is_complete)
    }
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
        let reader = |log: Log| {
            let reader = LogReader::new(log.place, log.key, log.policy);
            reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE)
        };
        Self {
            cps: reader(cps),
            issuer: issuer.map(reader),
        }
    }

    /// Follows the logs from where the state that `load` gives ended, or from the
    /// beginning, for as long as `limit`. `progress` is told which entry of how many was
    /// checked last. When the time is up, what was read by then is proven and counts, and
    /// the next run goes on from there; so it is with a file that cannot be had or is not
    /// what was signed, which [`Followed::stopped`] names. It also names what is wrong with
    /// what the logs have signed: then nothing of what is new in them counts, except that
    /// they have signed it. After another error the state stays as it was.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::TimeUp`] if not even that proof came soon after.
    pub async fn follow(
        &self,
        load: impl Fn() -> Result<Option<State>, StateError>,
        limit: Duration,
        progress: impl FnMut(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        let end = Instant::now() + limit;
        let followed = timeout_at(end + GRACE, self.follow_until(end, load, progress)).await;
        followed.unwrap_or(Err(AuditError::TimeUp))
    }

    async fn follow_until(
        &self,
        end: Instant,
        load: impl Fn() -> Result<Option<State>, StateError>,
        mut progress: impl FnMut(&KeyName, u64, u64),
    ) -> Result<Followed, AuditError> {
        let (seen, epochs) = EarlierPositions::of(load()?);
        if self.issuer.is_none() && seen.issuer.is_some() {
            return Err(AuditError::IssuerNotNamed);
        }
        let name = self.cps.key().name();
        // A key is announced before the CPS takes its tokens; so whatever is under
        // this checkpoint is in the issuer's log when that is read afterwards.
        let checkpoint = last_checkpoint(&self.cps, end).await?;
        let mut book = Book::new(epochs, self.issuer.is_some())?;
        let mut issuer = match &self.issuer {
            Some(reader) => {
                let from = position(reader, seen.issuer.as_deref())?;
                let to = last_checkpoint(reader, end).await?;
                let name = reader.key().name();
                let take = |index, entry| book.take_of_issuer(name, index, entry);
                Some(follow(reader, (from, to), end, take, &mut progress).await?)
            }
            None => None,
        };
        // Keys at the CPS can be compared only with all of the issuer's log.
        let all_is_known = issuer.as_ref().is_none_or(|issuer| issuer.log.is_complete);
        let from = position(&self.cps, seen.cps.as_deref())?;
        let mut cps = if all_is_known {
            let take = |index, entry| book.take_of_cps(name, index, entry);
            follow(&self.cps, (from, checkpoint), end, take, &mut progress).await?
        } else {
            // What the CPS has signed is remembered even so.
            remember(&self.cps, (from, checkpoint), end).await?
        };
        let is_unproven =
            cps.is_unproven || issuer.as_ref().is_some_and(|issuer| issuer.is_unproven);
        // What is not proven accuses nobody.
        let mut settled = || {
            book.settle(name)
                .and_then(|()| book.reconcile(all_is_known))
        };
        let found = if is_unproven { None } else { settled().err() };
        if is_unproven || found.is_some() {
            // Loaded again, and not held twice all the time. What was taken goes first.
            drop(book);
            let (_, epochs) = EarlierPositions::of(load()?);
            book = Book::new(epochs, self.issuer.is_some())?;
            cps.take_back();
            issuer.iter_mut().for_each(Part::take_back);
        }
        let double_spends = book.double_spends();
        let positions = issuer.as_ref().zip(self.issuer.as_ref());
        let positions =
            positions.map(|(issuer, reader)| (reader.key().to_string(), issuer.position.clone()));
        let state = State::new(
            (self.cps.key().to_string(), cps.position),
            positions,
            book.into_epochs(),
        );
        let (issuer, stopped) = match issuer {
            Some(issuer) => (Some(issuer.log), issuer.stopped),
            None => (None, None),
        };
        Ok(Followed {
            state,
            cps: cps.log,
            issuer,
            double_spends,
            stopped: stopped.or(cps.stopped).or(found),
        })
    }
}

/// The positions of an earlier run.
#[derive(Default)]
struct EarlierPositions {
    cps: Option<String>,
    issuer: Option<String>,
}

impl EarlierPositions {
    fn of(state: Option<State>) -> (Self, Epochs) {
        let Some(state) = state else {
            return Default::default();
        };
        let cps = Some(state.cps);
        let issuer = state.issuer;
        (Self { cps, issuer }, state.epochs)
    }
}

async fn last_checkpoint(
    reader: &LogReader<LogPlace>,
    end: Instant,
) -> Result<SignedCheckpoint, AuditError> {
    let checkpoint = timeout_at(end, reader.checkpoint()).await;
    let checkpoint = checkpoint.map_err(|_| AuditError::TimeUp)?;
    checkpoint.map_err(|error| AuditError::Log {
        log: reader.key().name().clone(),
        error,
    })
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

/// One log, as far as it was followed.
struct Part {
    log: FollowedLog,
    position: String,
    /// The position with the entries of before.
    unread: String,
    /// Whether entries were taken that could not be proven, or one that is wrong.
    is_unproven: bool,
    stopped: Option<AuditError>,
}

impl Part {
    /// Counts no entry of this run.
    fn take_back(&mut self) {
        self.position = self.unread.clone();
        self.log.now = self.log.before;
        self.log.skipped = SkippedKinds::default();
        self.log.is_complete &= self.log.now == self.log.signed;
    }
}

/// Reads no entries up to a checkpoint, and has it continue what was signed before.
async fn remember(
    reader: &LogReader<LogPlace>,
    (from, to): (Position, SignedCheckpoint),
    end: Instant,
) -> Result<Part, AuditError> {
    let name = reader.key().name();
    let continued = timeout_at(end, reader.continue_to(&from, &to)).await;
    let of_log = |error| AuditError::Log {
        log: name.clone(),
        error,
    };
    let (position, stopped) = match continued {
        Ok(Ok(position)) => (position, None),
        Ok(Err(error @ (ReadLogError::Fork { .. } | ReadLogError::Rollback { .. }))) => {
            return Err(of_log(error));
        }
        Ok(Err(error)) => (from.clone(), Some(of_log(error))),
        Err(_) => (from.clone(), None),
    };
    let (before, signed) = (from.head(), to.checkpoint().head);
    Ok(Part {
        log: FollowedLog {
            name: name.clone(),
            before: before.size,
            now: before.size,
            signed: signed.size,
            is_complete: before == signed,
            skipped: SkippedKinds::default(),
        },
        position: position.to_string(),
        unread: position.to_string(),
        is_unproven: false,
        stopped,
    })
}

async fn follow(
    reader: &LogReader<LogPlace>,
    (from, to): (Position, SignedCheckpoint),
    end: Instant,
    mut take: impl FnMut(u64, LogEntry) -> Result<(), AuditError>,
    progress: &mut impl FnMut(&KeyName, u64, u64),
) -> Result<Part, AuditError> {
    let (name, signed) = (reader.key().name(), to.checkpoint().head.size);
    let (mut visited, mut skipped) = (from.head().size, SkippedKinds::default());
    let visit = |index, bytes: &[u8]| {
        visited = index + 1;
        progress(name, visited, signed);
        let entry = LogEntry::parse(bytes).map_err(|error| AuditError::Entry {
            log: name.clone(),
            index,
            error,
        });
        let taken = entry.and_then(|entry| match skipped.record(&entry) {
            true => Ok(()),
            false => take(index, entry),
        });
        taken.map_err(Stop::Entry)
    };
    let over = async {
        // A timer of the past takes a moment.
        if Instant::now() < end {
            sleep_until(end).await;
        }
    };
    let of_log = |error| AuditError::Log {
        log: name.clone(),
        error,
    };
    let named = |stop| match stop {
        Stop::Entry(error) => error,
        Stop::Reading(error) => of_log(error),
    };
    let reached = reader.advance_until(&from, &to, visit, over).await;
    let Reached { position, stopped } = reached.map_err(named)?;
    Ok(Part {
        log: FollowedLog {
            name: name.clone(),
            before: from.head().size,
            now: position.head().size,
            signed,
            is_complete: stopped.is_none() && position.head() == to.checkpoint().head,
            skipped,
        },
        position: position.to_string(),
        unread: position.with_entries_of(&from).to_string(),
        is_unproven: position.head().size < visited,
        stopped: stopped.map(named),
    })
}
