//! Following one log, as far as the time allows: what is new since the last time is read
//! and proven. Not here: what several logs say together.

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{LogEntry, SkippedKinds};
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::reader::Reached;
use pennyblack_tlog::{KeyName, LogReader, SignedCheckpoint};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::follow::FollowedLog;
use super::misbehaviour::AuditError;
use super::place::LogPlace;
use super::state::KeptLog;

/// From where a log is followed.
pub(super) struct Beginning {
    position: Position,
    skipped: SkippedKinds,
    since: UnixTime,
    now: UnixTime,
}

impl Beginning {
    /// Where a log was left; its first entry, if it was never read before `now`.
    pub(super) fn of(
        reader: &LogReader<LogPlace>,
        kept: Option<&KeptLog>,
        now: UnixTime,
    ) -> Result<Self, AuditError> {
        let Some(kept) = kept else {
            return Ok(Self {
                position: Position::default(),
                skipped: SkippedKinds::default(),
                since: now,
                now,
            });
        };
        let position = Position::parse(&kept.position, reader.key());
        let position = position.map_err(|error| AuditError::Position {
            log: reader.key().name().clone(),
            error,
        });
        Ok(Self {
            position: position?,
            skipped: kept.skipped.clone(),
            since: kept.since,
            now,
        })
    }
}

/// The checkpoint that the log shows now, with the cosignatures that are demanded.
pub(super) async fn last_checkpoint(
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
pub(super) struct Part {
    pub(super) log: FollowedLog,
    position: String,
    /// The position with the entries of before.
    unread: String,
    /// What was skipped of these.
    skipped_before: SkippedKinds,
    since: UnixTime,
    read_at: UnixTime,
    /// Whether entries were taken that could not be proven, or one that is wrong.
    pub(super) is_unproven: bool,
    pub(super) stopped: Option<AuditError>,
}

impl Part {
    /// Counts no entry of this run.
    pub(super) fn take_back(&mut self) {
        self.position = self.unread.clone();
        self.log.now = self.log.before;
        self.log.skipped = self.skipped_before.clone();
        self.log.is_complete &= self.log.now == self.log.signed;
    }

    /// As it is kept for the next run.
    pub(super) fn kept(&self, reader: &LogReader<LogPlace>) -> KeptLog {
        let witnesses = reader.policy().witnesses().iter();
        let witnesses = witnesses.map(ToString::to_string);
        KeptLog {
            key: reader.key().to_string(),
            position: self.position.clone(),
            since: self.since,
            read_at: self.read_at,
            witnesses_needed: reader.policy().threshold(),
            witnesses: witnesses.collect::<Vec<_>>().join(" "),
            skipped: self.log.skipped.clone(),
        }
    }
}

/// Reads no entries up to a checkpoint, and has it continue what was signed before.
pub(super) async fn remember(
    reader: &LogReader<LogPlace>,
    (from, to): (Beginning, SignedCheckpoint),
    end: Instant,
) -> Result<Part, AuditError> {
    let name = reader.key().name();
    let Beginning {
        position: from,
        skipped,
        since,
        now,
    } = from;
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
            skipped: skipped.clone(),
        },
        position: position.to_string(),
        unread: position.to_string(),
        skipped_before: skipped,
        since,
        read_at: now,
        is_unproven: false,
        stopped,
    })
}

/// Reads entries up to a checkpoint, and proves them.
pub(super) async fn follow(
    reader: &LogReader<LogPlace>,
    (from, to): (Beginning, SignedCheckpoint),
    end: Instant,
    mut take: impl FnMut(u64, LogEntry) -> Result<(), AuditError>,
    progress: &mut impl FnMut(&KeyName, u64, u64),
) -> Result<Part, AuditError> {
    let (name, signed) = (reader.key().name(), to.checkpoint().head.size);
    let Beginning {
        position: from,
        skipped: skipped_before,
        since,
        now,
    } = from;
    let (mut visited, mut skipped) = (from.head().size, skipped_before.clone());
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
        skipped_before,
        since,
        read_at: now,
        is_unproven: position.head().size < visited,
        stopped: stopped.map(named),
    })
}
