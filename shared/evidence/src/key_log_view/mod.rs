//! What a reader knows of an issuer's log of token keys (docs/protocol.md section
//! 7.5): which keys it announces, and since when they may be used. Not here: how a log
//! is read, verified and read on, which is [`pennyblack_tlog::reader`]; what is demanded
//! of a log is `follow`.

mod follow;
mod newest_key;
mod remembered;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::key_calendar::{KeyCalendar, MAX_KEYS, SHORTEST_EPOCH};
use crate::log_entry::{LogEntry, SkippedKinds, Statement};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::reader::EntryPosition;
use pennyblack_tlog::{KeyName, LogReader, LogSource, SignedCheckpoint, TreeHead, WitnessPolicy};

pub use self::follow::{Demand, FollowError, LogPolicy, NotFollowed, follow};
pub use self::newest_key::{CLOCK_TOLERANCE, KeyNotNewest};
pub use self::remembered::RememberedError;

/// The path below which a service has its log; its name is the service's authority
/// and this.
pub const LOG_PATH: &str = "/log";

/// Most entries of a log of keys: two a key, and as many of kinds that are yet to come.
const MOST_ENTRIES: u64 = 4 * MAX_KEYS as u64;

/// A key that the issuer has not accounted for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyNotLogged {
    /// It is not in the log.
    #[error(
        "the token key {key} is not in the log of keys of {log} ({entries} entries \
         read): it may be shown to us alone, to mark our tokens. It is not used; ask the issuer's \
         operator"
    )]
    Missing {
        /// Which key.
        key: TokenKeyId,
        /// The log.
        log: KeyName,
        /// How many entries it has.
        entries: u64,
    },
    /// The log says that nothing was signed with it, and nothing will be.
    #[error(
        "the issuer's directory offers the token key {0}, and its log says that it was given up \
         before anything was signed with it: its tokens would mark their owners, and are not \
         taken; ask the issuer's operator"
    )]
    GivenUp(TokenKeyId),
    /// It is in the log for another time.
    #[error(
        "the token key {key} begins at {listed} by the issuer's directory and at {logged} by its \
         log of keys: it is not used; ask the issuer's operator"
    )]
    Moved {
        /// Which key.
        key: TokenKeyId,
        /// When it begins by the directory.
        listed: UnixTime,
        /// When it begins by the log.
        logged: UnixTime,
    },
}

/// A log of keys as far as it was read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLogView {
    log: VerifierKey,
    /// With the checkpoint that the issuer signed last: with another one, the evidence
    /// of a fork.
    position: EntryPosition,
    /// When each key begins.
    keys: BTreeMap<TokenKeyId, UnixTime>,
    /// How many tokens were signed with those that sign no more.
    issued: BTreeMap<TokenKeyId, u64>,
    /// When it was read, by the reader's clock.
    read_at: Option<UnixTime>,
    /// Keys that should have been there at the time before, and when they were first seen.
    late: BTreeMap<TokenKeyId, UnixTime>,
    /// Entries that a later version has to read.
    skipped: SkippedKinds,
}

impl KeyLogView {
    /// A log with this key; nothing was read of it yet.
    ///
    /// # Errors
    /// [`FollowError::Name`] when it is not the log of this issuer.
    pub fn begin(log: VerifierKey, issuer: &Authority) -> Result<Self, FollowError> {
        let expected = format!("{issuer}{LOG_PATH}");
        if log.name().as_str() != expected {
            return Err(FollowError::Name {
                expected,
                actual: log.name().clone(),
            });
        }
        Ok(Self {
            log,
            position: EntryPosition::default(),
            keys: BTreeMap::new(),
            issued: BTreeMap::new(),
            read_at: None,
            late: BTreeMap::new(),
            skipped: SkippedKinds::default(),
        })
    }

    /// The log's key.
    #[must_use]
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// How many entries were read, and their root: to be compared with what others
    /// see.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.position.head()
    }

    /// The entries of kinds that this version does not know. Nothing follows from them.
    #[must_use]
    pub const fn skipped(&self) -> &SkippedKinds {
        &self.skipped
    }

    /// The same, if there are more of them than an earlier reading has seen.
    #[must_use]
    pub fn newly_skipped(&self, before: Option<&Self>) -> Option<&SkippedKinds> {
        let before = before.map_or(0, |before| before.skipped.total());
        (self.skipped.total() > before).then_some(&self.skipped)
    }

    /// The log as it is `now`, read from here to its last checkpoint; `source` has the
    /// files. Only what is proven is trusted, and what is signed is not forgotten.
    ///
    /// # Errors
    /// [`NotFollowed`].
    async fn advance<S: LogSource>(&self, source: S, now: UnixTime) -> Result<Self, NotFollowed> {
        let reader = LogReader::new(source, self.log.clone(), WitnessPolicy::default());
        let reader = reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE);
        let checkpoint = reader.checkpoint().await?;
        match self.read_to(&reader, &checkpoint, now).await {
            Err(error) => {
                let is_known = matches!(error, FollowError::Contradiction(_));
                let position = self.position.with_unread(&checkpoint);
                let signed = (!is_known && position != self.position).then(|| {
                    let view = self.clone();
                    Box::new(Self { position, ..view })
                });
                Err(NotFollowed { error, signed })
            }
            Ok(view) => Ok(view),
        }
    }

    async fn read_to<S: LogSource>(
        &self,
        reader: &LogReader<S>,
        checkpoint: &SignedCheckpoint,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let size = checkpoint.checkpoint().head.size;
        if size > MOST_ENTRIES {
            return Err(FollowError::TooLong(size));
        }
        let mut keys = Keys::of(self)?;
        let visit = |index, entry: &[u8]| keys.visit(index, entry);
        let advanced = reader.advance_entries(&self.position, checkpoint, visit);
        let position = advanced.await?;
        let mut late = self.late_among(&keys.known, now);
        late.retain(|_, seen| seen.plus(SHORTEST_EPOCH) > now);
        Ok(Self {
            log: self.log.clone(),
            position,
            late,
            keys: keys.known,
            issued: keys.issued,
            skipped: keys.skipped,
            read_at: Some(now),
        })
    }

    /// Those of the keys seen `now` that were announced too late: they should have been
    /// there when the log was read last. One that was not read meanwhile says nothing, nor
    /// does one that had no key.
    fn late_among(
        &self,
        seen: &BTreeMap<TokenKeyId, UnixTime>,
        now: UnixTime,
    ) -> BTreeMap<TokenKeyId, UnixTime> {
        // A time that is yet to come is of a clock that was set back since.
        let mut late = self.late.clone();
        late.values_mut().for_each(|seen| *seen = now.min(*seen));
        if let Some(before) = self.read_at.filter(|_| !self.keys.is_empty()) {
            // Both clocks may be off, and a checkpoint takes a moment.
            let announced = before.plus(SHORTEST_EPOCH).minus(2 * CLOCK_TOLERANCE);
            let new = seen.iter().filter(|(key, _)| !self.keys.contains_key(key));
            let new = new.filter(|(_, begins)| **begins < announced);
            late.extend(new.map(|(key, _)| (*key, now)));
        }
        late
    }

    /// Requires that a key of the directory is in the log, for the same time.
    ///
    /// # Errors
    /// [`KeyNotLogged`].
    pub fn require(&self, listed: &DirectoryKey) -> Result<(), KeyNotLogged> {
        let key = listed.id();
        let logged = self.keys.get(&key).ok_or_else(|| KeyNotLogged::Missing {
            key,
            log: self.log.name().clone(),
            entries: self.head().size,
        })?;
        let listed = listed.not_before.unwrap_or(UnixTime(0));
        if *logged == listed {
            return Ok(());
        }
        Err(KeyNotLogged::Moved {
            key,
            listed,
            logged: *logged,
        })
    }
}

/// The keys while entries are read.
struct Keys {
    known: BTreeMap<TokenKeyId, UnixTime>,
    issued: BTreeMap<TokenKeyId, u64>,
    calendar: KeyCalendar,
    skipped: SkippedKinds,
}

impl Keys {
    fn of(view: &KeyLogView) -> Result<Self, FollowError> {
        Ok(Self {
            calendar: KeyCalendar::of(view.keys.values().copied())?,
            known: view.keys.clone(),
            issued: view.issued.clone(),
            skipped: view.skipped.clone(),
        })
    }

    /// Adds what an entry says of keys.
    fn visit(&mut self, index: u64, entry: &[u8]) -> Result<(), FollowError> {
        let entry = LogEntry::parse(entry).map_err(|error| FollowError::Entry { index, error })?;
        self.skipped.record(&entry);
        // The first statement about a key counts.
        match entry.statement {
            Statement::TokenKeyAnnounced { key, not_before } => {
                if let Entry::Vacant(new) = self.known.entry(key.id()) {
                    let added = self.calendar.add(not_before);
                    added.map_err(|error| FollowError::TooManyKeys { index, error })?;
                    new.insert(not_before);
                }
            }
            Statement::IssuanceTotal {
                token_key_id,
                issued,
            } if self.known.contains_key(&token_key_id) => {
                self.issued.entry(token_key_id).or_insert(issued);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
