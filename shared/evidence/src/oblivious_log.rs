//! What a client knows of a CPS's log: which key configurations of Oblivious HTTP it
//! announces (docs/protocol.md section 8.4). A configuration that is not there may be shown
//! to one client alone, to know it again. Not here: how a log is read, verified and read on
//! ([`pennyblack_tlog::reader`]), and fetching.

mod error;
mod remembered;

use pennyblack_base::authority::Authority;
use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::reader::EntryPosition;
use pennyblack_tlog::{
    FULL_TILE, LogReader, LogSource, ReadLogError, SignedCheckpoint, TreeHead, WitnessPolicy,
};

use crate::key_log_view::LOG_PATH;
use crate::log_entry::{LogEntry, SkippedKinds, Statement};
use crate::oblivious_keys::{KeyConfigDigest, ObliviousKey, ObliviousKeys, Sight};

pub use self::error::{NotAnnounced, NotFollowed, ObliviousLogError};
pub use self::remembered::RememberedError;

/// The path below a log's prefix of its verifier key.
const KEY: &str = "key";
/// Most bytes of a verifier key with its line feed.
const MAX_KEY: usize = 1024;

/// Most entries that are read at a time. A reader that remembers the log reads on from there
/// the next time: **what it passed over could announce a key that others use**. One that
/// remembers nothing reads the end of the log. An announcement that is good is at most two
/// epochs old; a carrier that spends its whole quota twice, each day, adds 115,000 entries
/// meanwhile.
const MAX_ENTRIES: u64 = 1 << 17;

/// What a reader demands of a CPS's log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpsLogPolicy {
    /// Its key, from elsewhere. Otherwise the first that the CPS shows is trusted, and no other
    /// from then on.
    pub key: Option<VerifierKey>,
    /// Who must have cosigned it.
    pub witnesses: WitnessPolicy,
}

/// A CPS's log as far as it was read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObliviousLogView {
    log: VerifierKey,
    position: EntryPosition,
    keys: ObliviousKeys,
    skipped: SkippedKinds,
    /// When it was last read to its end.
    read: Option<UnixTime>,
}

impl ObliviousLogView {
    /// Follows the log of `cps` to its end, from where `memory` is; `source` has the files, and
    /// `now` is the reader's time before any was read. Its key is the one of
    /// `memory`, or of `policy`, or else the first that the CPS shows. The caller persists the
    /// answer before it uses a key because of it.
    ///
    /// # Errors
    /// [`NotFollowed`], of which the caller persists [`NotFollowed::remembered`]; what was
    /// remembered stays true.
    pub async fn follow<S: LogSource>(
        cps: &Authority,
        policy: &CpsLogPolicy,
        memory: Option<Self>,
        now: UnixTime,
        source: &S,
    ) -> Result<Self, NotFollowed> {
        let view = Self::beginning(cps, policy.key.as_ref(), memory, source).await?;
        let reader = LogReader::new(source, view.log.clone(), policy.witnesses.clone());
        let reader = reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE);
        let checkpoint = reader.checkpoint().await?;
        let advanced = view.advance(&reader, &checkpoint, now).await;
        let advanced = advanced.map_err(|error| {
            // A log that has signed more must show that one day, too.
            let position = view.position.with_unread(&checkpoint);
            let is_known = matches!(error, ObliviousLogError::Contradiction(_));
            let remembered = (!is_known && position != view.position).then(|| {
                let view = view.clone();
                Box::new(Self { position, ..view })
            });
            NotFollowed { error, remembered }
        })?;
        advanced.require_end()
    }

    /// The same, if it was read to its end.
    fn require_end(self) -> Result<Self, NotFollowed> {
        let (read, entries) = (self.head().size, self.position.signed().size);
        if read == entries {
            return Ok(self);
        }
        Err(NotFollowed {
            error: ObliviousLogError::Unfinished { read, entries },
            remembered: Some(Box::new(self)),
        })
    }

    async fn beginning<S: LogSource>(
        cps: &Authority,
        key: Option<&VerifierKey>,
        memory: Option<Self>,
        source: &S,
    ) -> Result<Self, ObliviousLogError> {
        match (memory, key) {
            (Some(memory), Some(key)) if memory.log != *key => Err(ObliviousLogError::OtherKey {
                remembered: Box::new(memory.log),
                configured: Box::new(key.clone()),
            }),
            (Some(memory), _) => Ok(memory),
            (None, Some(key)) => Self::begin(key.clone(), cps),
            (None, None) => {
                let shown = source
                    .read(KEY, MAX_KEY)
                    .await
                    .map_err(ReadLogError::from)?;
                let shown = shown.ok_or_else(|| ObliviousLogError::NoLog(cps.clone()))?;
                Self::begin(String::from_utf8_lossy(&shown).trim_end().parse()?, cps)
            }
        }
    }

    /// The log with this key; nothing was read of it yet.
    fn begin(log: VerifierKey, cps: &Authority) -> Result<Self, ObliviousLogError> {
        let expected = format!("{cps}{LOG_PATH}");
        if log.name().as_str() != expected {
            let actual = log.name().clone();
            return Err(ObliviousLogError::Name { expected, actual });
        }
        Ok(Self {
            log,
            position: EntryPosition::default(),
            keys: ObliviousKeys::default(),
            skipped: SkippedKinds::default(),
            read: None,
        })
    }

    async fn advance<S: LogSource>(
        &self,
        reader: &LogReader<S>,
        checkpoint: &SignedCheckpoint,
        now: UnixTime,
    ) -> Result<Self, ObliviousLogError> {
        let new = checkpoint.checkpoint().head.size;
        let first = new.saturating_sub(MAX_ENTRIES);
        let first = first - first % u64::from(FULL_TILE);
        let is_passed_over = self.read.is_none() && self.head().size < first;
        let (from, mut keys) = match is_passed_over {
            true => {
                let from = self.position_at(first, reader, checkpoint).await?;
                (from, ObliviousKeys::of_a_part())
            }
            false => (self.position.clone(), self.keys.clone()),
        };
        let end = match self.read {
            None => new,
            Some(_) => new.min(from.head().size.saturating_add(MAX_ENTRIES)),
        };
        let (mut skipped, before) = (self.skipped.clone(), self.read);
        let sight = Sight { now, before };
        let visit = |index, entry: &[u8]| {
            let entry = LogEntry::parse(entry)
                .map_err(|error| ObliviousLogError::Entry { index, error })?;
            skipped.record(&entry);
            match entry.statement {
                Statement::ObliviousKeyAnnounced(key) => keys
                    .announce(entry.minute, key, sight)
                    .map_err(|error| ObliviousLogError::Announcement { index, error }),
                _ => Ok(()),
            }
        };
        let position = reader.advance_entries_up_to(end, &from, checkpoint, visit);
        let position = position.await?;
        let read = (position.head().size == new).then_some(now).or(before);
        Ok(Self {
            log: self.log.clone(),
            position,
            keys,
            skipped,
            read,
        })
    }

    /// A position at which reading begins though nothing was read before it: the log continues
    /// what it had signed before.
    async fn position_at<S: LogSource>(
        &self,
        first: u64,
        reader: &LogReader<S>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<EntryPosition, ObliviousLogError> {
        let new = checkpoint.checkpoint().head;
        let signed = self.position.signed();
        reader.require_consistent(&signed, &new).await?;
        Ok(reader.position_at(first, checkpoint).await?)
    }

    /// The log's key.
    #[must_use]
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// How many entries the log had, and their root: to be compared with what others see.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.position.head()
    }

    /// The entries of kinds that this version does not know.
    #[must_use]
    pub const fn skipped(&self) -> &SkippedKinds {
        &self.skipped
    }

    /// The announced keys that had not expired.
    #[must_use]
    pub const fn keys(&self) -> &ObliviousKeys {
        &self.keys
    }

    /// What the log says of a key configuration.
    ///
    /// # Errors
    /// [`NotAnnounced::Missing`].
    pub fn announced(&self, key_config: KeyConfigDigest) -> Result<&ObliviousKey, NotAnnounced> {
        self.keys
            .get(key_config)
            .ok_or_else(|| NotAnnounced::Missing {
                key_config,
                log: self.log.name().clone(),
                entries: self.head().size,
            })
    }

    /// Requires that what a CPS serves `now` has every key that began last of all that its
    /// log announces, of the KEMs that the reader knows: an older one, or one KEM less,
    /// could be for few clients. At the beginning of an epoch the clocks of both sides
    /// decide.
    ///
    /// # Errors
    /// [`NotAnnounced::LeftOut`].
    pub fn require_newest(
        &self,
        served: &[KeyConfigDigest],
        is_known: impl Fn(u16) -> bool,
        now: UnixTime,
    ) -> Result<(), NotAnnounced> {
        let tolerance = clock_tolerance::TOKEN_KEY;
        let (begun, ended) = (now.minus(tolerance), now.plus(tolerance));
        let known = self.keys.of_kems(is_known);
        let mut newest = known.in_use(begun).into_iter().map(|known| &known.key);
        let is_missing =
            |key: &&ObliviousKey| ended < key.not_after && !served.contains(&key.key_config);
        match newest.find(is_missing) {
            Some(missing) => Err(NotAnnounced::LeftOut {
                key_config: missing.key_config,
                since: missing.not_before,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
