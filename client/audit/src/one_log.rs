//! Following one log, as far as the time allows: what is new since the last time is read
//! and proven. Not here: what several logs say together.

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{LogEntry, SkippedKinds};
use pennyblack_tlog::Position;
use pennyblack_tlog::ReadLogError;
use pennyblack_tlog::reader::Reached;
use pennyblack_tlog::{KeyName, LogReader, SignedCheckpoint};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::misbehaviour::AuditError;
use super::place::LogPlace;
use super::state::KeptLog;

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
    /// Entries up to there whose kinds this version does not know: nothing follows from them.
    pub skipped: SkippedKinds,
}

/// From where a log is followed.
pub(super) struct Beginning {
    position: Position,
    /// As an earlier run left it.
    kept: Option<KeptLog>,
    now: UnixTime,
}

impl Beginning {
    /// Where a log was left; its first entry, if it was never read before `now`.
    pub(super) fn of(
        reader: &LogReader<LogPlace>,
        kept: Option<&KeptLog>,
        now: UnixTime,
    ) -> Result<Self, AuditError> {
        let position = kept.map(|kept| Position::parse(&kept.position, reader.key()));
        let position = position.transpose().map_err(|error| AuditError::Position {
            log: reader.key().name().clone(),
            error,
        });
        Ok(Self {
            position: position?.unwrap_or_default(),
            kept: kept.cloned(),
            now,
        })
    }

    fn skipped(&self) -> SkippedKinds {
        let kept = self.kept.as_ref();
        kept.map_or_else(SkippedKinds::default, |kept| kept.skipped.clone())
    }

    /// What is kept once the log has shown a checkpoint.
    fn kept_at(
        &self,
        position: &Position,
        skipped: SkippedKinds,
        reader: &LogReader<LogPlace>,
    ) -> KeptLog {
        let witnesses = reader.policy().witnesses().iter();
        let witnesses = witnesses.map(ToString::to_string);
        KeptLog {
            key: reader.key().to_string(),
            position: position.to_string(),
            since: self.kept.as_ref().map_or(self.now, |kept| kept.since),
            read_at: self.now,
            witnesses_needed: reader.policy().threshold(),
            witnesses: witnesses.collect::<Vec<_>>().join(" "),
            skipped,
        }
    }

    /// A log of which nothing new is taken, and what kept it from that. **What is known of
    /// it stays, and so does what is new in the others.**
    pub(super) fn unchanged(self, name: &KeyName, stopped: Option<AuditError>) -> Part {
        let before = self.position.head().size;
        Part {
            log: FollowedLog {
                name: name.clone(),
                before,
                now: before,
                signed: self.position.signed().size,
                is_complete: false,
                skipped: self.skipped(),
            },
            kept: self.kept.clone(),
            unread: self.kept,
            is_unproven: false,
            stopped,
        }
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
    /// As it is kept for the next run; not even its key, if it has shown nothing so far.
    pub(super) kept: Option<KeptLog>,
    /// The same with the entries of before.
    unread: Option<KeptLog>,
    /// Whether entries were taken that could not be proven, or one that is wrong.
    pub(super) is_unproven: bool,
    pub(super) stopped: Option<AuditError>,
}

impl Part {
    /// Counts no entry of this run.
    pub(super) fn take_back(&mut self) {
        self.kept.clone_from(&self.unread);
        self.log.now = self.log.before;
        if let Some(unread) = &self.unread {
            self.log.skipped = unread.skipped.clone();
        }
        self.log.is_complete &= self.log.now == self.log.signed;
    }
}

/// Reads entries up to a checkpoint, and proves them.
pub(super) async fn follow(
    reader: &LogReader<LogPlace>,
    (mut from, to): (Beginning, SignedCheckpoint),
    end: Instant,
    mut take: impl FnMut(u64, LogEntry) -> Result<(), AuditError>,
    progress: &mut impl FnMut(&KeyName, u64, u64),
) -> Part {
    let (name, signed) = (reader.key().name(), to.checkpoint().head.size);
    if from.position.checkpoint().is_none() {
        // Every log begins with nothing: its first checkpoint counts, however late it is.
        from.position = match reader.continue_to(&from.position, &to).await {
            Ok(position) => position,
            Err(error) => {
                let log = name.clone();
                return from.unchanged(name, Some(AuditError::Log { log, error }));
            }
        };
    }
    let before = from.position.head().size;
    let (mut visited, mut skipped) = (before, from.skipped());
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
    let named = |stop| match stop {
        Stop::Entry(error) => error,
        Stop::Reading(error) => AuditError::Log {
            log: name.clone(),
            error,
        },
    };
    let reached = reader.advance_until(&from.position, &to, visit, over).await;
    let Reached { position, stopped } = match reached {
        Ok(reached) => reached,
        Err(stop) => return from.unchanged(name, Some(named(stop))),
    };
    let unread = position.with_entries_of(&from.position);
    Part {
        log: FollowedLog {
            name: name.clone(),
            before,
            now: position.head().size,
            signed,
            is_complete: stopped.is_none() && position.head() == to.checkpoint().head,
            skipped: skipped.clone(),
        },
        kept: Some(from.kept_at(&position, skipped, reader)),
        unread: Some(from.kept_at(&unread, from.skipped(), reader)),
        is_unproven: position.head().size < visited,
        stopped: stopped.map(named),
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_tlog::edge::Edge;
    use pennyblack_tlog::note_key::SignatureType;
    use pennyblack_tlog::{Checkpoint, Mirror, NoteSigner, WitnessPolicy};

    use super::*;

    #[tokio::test]
    async fn a_first_checkpoint_for_which_no_time_is_left_is_remembered_and_read_on_from() {
        let name: KeyName = "cps.example/log".parse().unwrap();
        let signer = NoteSigner::generate(name.clone(), SignatureType::Ed25519, &mut rand::rng());
        let mut edge = Edge::default();
        edge.push(b"entry", &mut Vec::new()).unwrap();
        let to = Checkpoint::new(&name, edge.head()).sign(&signer).unwrap();
        let home = tempfile::tempdir().unwrap();
        let place = LogPlace::Directory(Mirror::new(home.path()));
        let reader = LogReader::new(place, signer.verifier().clone(), WitnessPolicy::default());
        let from = Beginning::of(&reader, None, UnixTime(1)).unwrap();
        let (end, mut progress) = (Instant::now(), |_: &KeyName, _, _| ());
        let part = follow(&reader, (from, to), end, |_, _| Ok(()), &mut progress).await;
        assert!(!part.log.is_complete && part.stopped.is_none());
        let next = Beginning::of(&reader, part.kept.as_ref(), UnixTime(2)).unwrap();
        assert_eq!(
            (next.position.signed(), next.position.head().size),
            (edge.head(), 0)
        );
    }
}
