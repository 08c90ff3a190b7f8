//! What a reader knows of a CPS's log about key records: which were published, and which have
//! ended (docs/protocol.md section 5.2). Not here: how a log is read, verified and read on
//! ([`pennyblack_tlog::reader`]), and the records.

use std::fmt::Display;

use pennyblack_tlog::cosignature::PolicyError;
use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::reader::EntryPosition;
use pennyblack_tlog::{LogReader, LogSource, ReadLogError, TreeHead, WitnessPolicy};
use serde::{Deserialize, Serialize};

use crate::log_entry::{KeyRecordHash, LogEntry, LogEntryError, Minute, Statement};
use crate::remembered_position::RememberedPosition;

/// What a log says of a key record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRecordEvent {
    /// It was published.
    Published,
    /// It ended before its time.
    Ended,
}

/// One entry of a log about a key record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedKeyRecord {
    /// Its place in the log, from 0.
    pub index: u64,
    /// When it was made, by the CPS's clock.
    pub minute: Minute,
    /// What it says.
    pub event: KeyRecordEvent,
    /// Of which record.
    pub hash: KeyRecordHash,
}

impl LoggedKeyRecord {
    /// What an entry says of a key record, if it does.
    #[must_use]
    pub const fn of(index: u64, entry: &LogEntry) -> Option<Self> {
        let (event, hash) = match &entry.statement {
            Statement::KeyRecordPublished(hash) => (KeyRecordEvent::Published, *hash),
            Statement::KeyRecordEnded(hash) => (KeyRecordEvent::Ended, *hash),
            _ => return None,
        };
        Some(Self {
            index,
            minute: entry.minute,
            event,
            hash,
        })
    }
}

/// A CPS's log that could not be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRecordLogError {
    /// Not read, or not what was signed.
    #[error("{log}: {error}")]
    Log {
        /// Which.
        log: String,
        /// What is wrong.
        error: ReadLogError,
    },
    /// An entry that is none.
    #[error("{log}: entry {index}: {error}")]
    Entry {
        /// Which log.
        log: String,
        /// Its place, from 0.
        index: u64,
        /// What is wrong with it.
        error: LogEntryError,
    },
}

impl KeyRecordLogError {
    /// What is wrong with the log as such, if that is it.
    #[must_use]
    pub const fn log_error(&self) -> Option<&ReadLogError> {
        match self {
            Self::Log { error, .. } => Some(error),
            Self::Entry { .. } => None,
        }
    }

    /// Whether too few witnesses have cosigned it yet.
    #[must_use]
    pub const fn is_not_cosigned(&self) -> bool {
        let error = self.log_error();
        matches!(
            error,
            Some(ReadLogError::Witnesses(PolicyError::TooFew { .. }))
        )
    }

    /// Whether two checkpoints prove it, which the log has signed.
    const fn is_proven(&self) -> bool {
        matches!(
            self.log_error(),
            Some(ReadLogError::Rollback { .. } | ReadLogError::Fork { .. })
        )
    }
}

/// A log that could not be read on, and what is to be remembered of it all the same.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct KeyRecordLogNotRead {
    /// What is wrong.
    pub error: KeyRecordLogError,
    /// What was known before, and that the log has signed more.
    pub remembered: Option<Box<KeyRecordLogView>>,
}

/// What a reading has brought.
#[derive(Debug)]
pub struct KeyRecordLogRead {
    /// The log as far as it is read now. To be persisted together with the entries.
    pub view: KeyRecordLogView,
    /// The new entries about key records, first to last.
    pub entries: Vec<LoggedKeyRecord>,
}

/// A CPS's log as far as it was read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecordLogView {
    log: VerifierKey,
    position: EntryPosition,
}

impl KeyRecordLogView {
    /// The log with this key, of which nothing was read yet.
    #[must_use]
    pub fn begin(log: VerifierKey) -> Self {
        Self {
            log,
            position: EntryPosition::default(),
        }
    }

    /// Reads on, at most about `max_entries` entries, up to what the log has signed last.
    ///
    /// # Errors
    /// [`KeyRecordLogNotRead`], of which the caller persists
    /// [`KeyRecordLogNotRead::remembered`]; what was remembered stays true.
    pub async fn read_on<S: LogSource>(
        &self,
        source: &S,
        witnesses: &WitnessPolicy,
        max_entries: u64,
    ) -> Result<KeyRecordLogRead, KeyRecordLogNotRead> {
        let reader = LogReader::new(source, self.log.clone(), witnesses.clone());
        let reader = reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE);
        let checkpoint = reader.checkpoint().await;
        let checkpoint = checkpoint.map_err(|error| self.not_read(error.into(), None))?;
        let end = self.position.head().size.saturating_add(max_entries);
        let mut entries = Vec::new();
        let visit = |index, entry: &[u8]| {
            let parsed = LogEntry::parse(entry);
            let entry = parsed.map_err(|error| Unread::Entry { index, error })?;
            entries.extend(LoggedKeyRecord::of(index, &entry));
            Ok(())
        };
        let read = reader.advance_entries_up_to(end, &self.position, &checkpoint, visit);
        match read.await {
            Ok(position) => Ok(KeyRecordLogRead {
                view: Self {
                    log: self.log.clone(),
                    position,
                },
                entries,
            }),
            Err(error) => {
                let signed = self.position.with_unread(&checkpoint);
                Err(self.not_read(error, Some(signed)))
            }
        }
    }

    /// A log that has signed more must show that one day, too.
    fn not_read(&self, error: Unread, signed: Option<EntryPosition>) -> KeyRecordLogNotRead {
        let log = self.log.name().to_string();
        let error = match error {
            Unread::Log(error) => KeyRecordLogError::Log { log, error },
            Unread::Entry { index, error } => KeyRecordLogError::Entry { log, index, error },
        };
        let signed = signed.filter(|signed| !error.is_proven() && *signed != self.position);
        KeyRecordLogNotRead {
            remembered: signed.map(|position| {
                let log = self.log.clone();
                Box::new(Self { log, position })
            }),
            error,
        }
    }

    /// The log's key.
    #[must_use]
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// How many entries are read, and their root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.position.head()
    }

    /// Whether all that the log is known to have signed is read.
    #[must_use]
    pub fn is_at_the_end(&self) -> bool {
        self.position.head() == self.position.signed()
    }
}

/// What ends a reading.
enum Unread {
    Log(ReadLogError),
    Entry { index: u64, error: LogEntryError },
}

impl From<ReadLogError> for Unread {
    fn from(error: ReadLogError) -> Self {
        Self::Log(error)
    }
}

/// What was remembered cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is remembered of a CPS's log is damaged ({0})")]
pub struct DamagedKeyRecordLog(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    #[serde(flatten)]
    position: RememberedPosition,
}

impl KeyRecordLogView {
    /// As it is remembered.
    ///
    /// # Errors
    /// [`DamagedKeyRecordLog`]; then what was remembered before is to stay.
    pub fn to_json(&self) -> Result<String, DamagedKeyRecordLog> {
        let position = RememberedPosition::of(&self.log, &self.position);
        serde_json::to_string(&Remembered { position }).map_err(damaged)
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`DamagedKeyRecordLog`].
    pub fn from_json(json: &str) -> Result<Self, DamagedKeyRecordLog> {
        let read: Remembered = serde_json::from_str(json).map_err(damaged)?;
        let (log, position) = read.position.restore().map_err(damaged)?;
        Ok(Self { log, position })
    }
}

fn damaged(why: impl Display) -> DamagedKeyRecordLog {
    DamagedKeyRecordLog(why.to_string())
}
