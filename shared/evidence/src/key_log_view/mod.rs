//! What a reader knows of an issuer's log of token keys (docs/protocol.md section
//! 7.5): read to its end at each look, each time only what is new, and remembered
//! in between, so that the issuer can neither take back nor change what it showed
//! once. Not here: sockets and files; the order of questions is `follow`.

mod follow;
mod remembered;

use std::collections::BTreeMap;

use crate::log_entry::{LogEntry, LogEntryError, Statement};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::{
    BundleError, CheckpointError, EntryBundle, FULL_TILE, Frontier, Hash, KeyName,
    SignedCheckpoint, Tile, TileKind, TreeHead,
};

pub use self::follow::{Demand, FollowError, LogFetch, LogPolicy, follow};
pub use self::remembered::RememberedError;

/// The path below which a service has its log; its name is the service's authority
/// and this.
pub const LOG_PATH: &str = "/log";

/// Most entries of a log of keys: two a key, so for some hundred years of days.
const MOST_ENTRIES: u64 = 100_000;

/// Most bytes of a bundle of such entries, of which each has some 330.
const LARGEST_BUNDLE: usize = 256 * 1024;

/// A log that cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLogViewError {
    /// The checkpoint is not signed by the log's key.
    #[error("the issuer's log of keys: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The key is of another log.
    #[error("the issuer's log of keys has the key of {actual}; that of {expected} is needed")]
    Name {
        /// What the issuer's log is called.
        expected: String,
        /// What the key is for.
        actual: KeyName,
    },
    /// Fewer entries than before.
    #[error(
        "the issuer took entries of its log of keys back: it had {known} and shows {shown}. Keep \
         both checkpoints and ask its operator; its keys are not used meanwhile"
    )]
    TakenBack {
        /// Entries at the last look.
        known: u64,
        /// Entries now.
        shown: u64,
    },
    /// Not the entries of before with others behind them.
    #[error(
        "the issuer shows another log of keys than before: its {shown} entries do not continue \
         the {known} that were seen. Keep both checkpoints and ask its operator; its keys are \
         not used meanwhile"
    )]
    Contradicted {
        /// Entries at the last look.
        known: u64,
        /// Entries now.
        shown: u64,
    },
    /// More entries than keys can have.
    #[error("the issuer's log of keys claims {0} entries: at most {MOST_ENTRIES} are read")]
    TooLong(u64),
    /// A file of entries that is none.
    #[error("the issuer's log of keys: {0}")]
    Bundle(#[from] BundleError),
    /// An entry that is none.
    #[error("entry {index} of the issuer's log of keys: {error}")]
    Entry {
        /// Its place, from 0.
        index: u64,
        /// What is wrong with it.
        error: LogEntryError,
    },
}

/// A key that the issuer has not accounted for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyNotLogged {
    /// It is not in the log.
    #[error(
        "the token key {key} is not in the log of keys of {log}, of which {entries} entries were \
         read: it may be shown to us alone, to mark our tokens. It is not used; ask the issuer's \
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
    /// What the issuer signed last: with another one, the evidence of a fork.
    checkpoint: Option<SignedCheckpoint>,
    edge: Frontier,
    keys: BTreeMap<TokenKeyId, UnixTime>,
}

impl KeyLogView {
    /// A log with this key of which nothing was read yet.
    ///
    /// # Errors
    /// [`KeyLogViewError::Name`] when it is not the log of this issuer.
    pub fn begin(log: VerifierKey, issuer: &Authority) -> Result<Self, KeyLogViewError> {
        let expected = format!("{issuer}{LOG_PATH}");
        if log.name().as_str() != expected {
            return Err(KeyLogViewError::Name {
                expected,
                actual: log.name().clone(),
            });
        }
        Ok(Self {
            log,
            checkpoint: None,
            edge: Frontier::default(),
            keys: BTreeMap::new(),
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
        self.edge.head()
    }

    /// Begins to read up to a checkpoint, which is taken for what it is: the word
    /// of the log's key.
    ///
    /// # Errors
    /// [`KeyLogViewError`]: it is not signed, or takes back what was seen.
    pub fn read(&self, checkpoint: SignedCheckpoint) -> Result<Reading, KeyLogViewError> {
        let head = checkpoint.verify(&self.log)?;
        let known = self.head();
        if head.size < known.size {
            return Err(KeyLogViewError::TakenBack {
                known: known.size,
                shown: head.size,
            });
        }
        if head.size > MOST_ENTRIES {
            return Err(KeyLogViewError::TooLong(head.size));
        }
        Ok(Reading {
            view: self.clone(),
            known: known.size,
            checkpoint,
            head,
        })
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
            entries: self.edge.size(),
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

    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), KeyLogViewError> {
        let entry =
            LogEntry::parse(bytes).map_err(|error| KeyLogViewError::Entry { index, error })?;
        self.edge.push(Hash::of_leaf(bytes));
        if let Statement::TokenKeyAnnounced { key, not_before } = entry.statement {
            // What was said first counts.
            self.keys.entry(key.id()).or_insert(not_before);
        }
        Ok(())
    }
}

/// A log that is being read up to a checkpoint; nothing of it is believed before
/// [`Self::finish`].
#[derive(Debug)]
pub struct Reading {
    view: KeyLogView,
    known: u64,
    checkpoint: SignedCheckpoint,
    head: TreeHead,
}

impl Reading {
    /// The file of entries that is needed next; none when all are read.
    #[must_use]
    pub fn wanted(&self) -> Option<Tile> {
        let read = self.view.edge.size();
        if read >= self.head.size {
            return None;
        }
        Tile::of_tree(
            TileKind::Entries,
            read / u64::from(FULL_TILE),
            self.head.size,
        )
    }

    /// Takes the bytes of the file that is [`Self::wanted`].
    ///
    /// # Errors
    /// [`KeyLogViewError::Bundle`] or [`KeyLogViewError::Entry`].
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<(), KeyLogViewError> {
        let Some(tile) = self.wanted() else {
            return Ok(());
        };
        let bundle = EntryBundle::parse(tile, bytes)?;
        let read = self.view.edge.size();
        let entries = (tile.start()..).zip(bundle.entries());
        for (index, entry) in entries.skip_while(|(index, _)| *index < read) {
            self.view.take(index, entry)?;
        }
        Ok(())
    }

    /// The log as it is now, if what was read is what the checkpoint is for: so it
    /// begins with all that was seen before.
    ///
    /// # Errors
    /// [`KeyLogViewError::Contradicted`].
    pub fn finish(mut self) -> Result<KeyLogView, KeyLogViewError> {
        if self.view.head() != self.head {
            return Err(KeyLogViewError::Contradicted {
                known: self.known,
                shown: self.head.size,
            });
        }
        self.view.checkpoint = Some(self.checkpoint);
        Ok(self.view)
    }
}

#[cfg(test)]
mod tests;
