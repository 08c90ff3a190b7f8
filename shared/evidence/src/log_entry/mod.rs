//! What the transparency logs of a CPS and of an issuer say, entry by entry
//! (docs/protocol.md section 7): double spends with their evidence, key epochs
//! with their totals, token keys, oblivious keys, hashes of key records. No address, no
//! mailbox, no number, no time finer than a minute. Not here: the log itself, and whether an
//! entry is true.

mod key_record_hash;
mod oblivious_key;
mod skipped;
mod statement;

use pennyblack_base::authority::AuthorityError;
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_privacypass::token::TokenError;
use pennyblack_privacypass::token_key::TokenKeyError;
use pennyblack_tlog::FULL_TILE;

pub use self::key_record_hash::{KeyRecordHash, KeyRecordHashError};
pub use self::oblivious_key::{KeyConfigDigest, ObliviousKey};
pub use self::skipped::SkippedKinds;
pub use self::statement::{Statement, UnknownStatement};

/// The version of the entries' form. **Another version is refused, another kind is
/// skipped**: an entry that no reader may skip has another version.
const VERSION: u8 = 1;

const SECONDS: u64 = 60;

/// Entries in one file of a log.
const BUNDLE: usize = FULL_TILE as usize;

/// A time without its seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(UnixTime);

impl Minute {
    /// The minute in which `time` lies.
    #[must_use]
    pub const fn of(time: UnixTime) -> Self {
        Self(UnixTime(time.0 - time.0 % SECONDS))
    }

    /// When it began.
    #[must_use]
    pub const fn start(self) -> UnixTime {
        self.0
    }
}

/// What a CPS counted of a key epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EpochTotals {
    /// Tokens spent: exact.
    pub spent: u64,
    /// Requests that were answered as repetitions. At least: a crash may lose the
    /// count of a minute.
    pub replayed: u64,
    /// Requests with a token of this epoch that were refused, for whatever reason;
    /// at least, too.
    pub refused: u64,
    /// Those of the refused whose token had been spent on another request and was in
    /// the log for that already: [`Statement::DoubleSpend`] is stated once for a token.
    pub further_double_spends: u64,
}

/// One entry of a log. Encoded:
///
/// ```text
/// struct {
///   uint8 version;                    // 1
///   uint8 kind;
///   uint64 minute;                    // seconds since 1970, a multiple of 60
///   select (kind) {
///     case 1: DoubleSpend;
///     case 2: KeyEpochOpened;
///     case 3: KeyEpochClosed;
///     case 4: TokenKeyAnnounced;
///     case 5: IssuanceTotal;
///     case 6: ObliviousKeyAnnounced;
///     case 7: KeyRecordPublished;
///     case 8: KeyRecordEnded;
///   };
/// } LogEntry;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was made, by the clock of the log's service.
    pub minute: Minute,
    /// What it says.
    pub statement: Statement,
}

/// Bytes that are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogEntryError {
    /// Too short or too long.
    #[error("log entry: {0}")]
    Wire(#[from] WireError),
    /// Another version.
    #[error("log entry of the version {0}: {VERSION} is known; update this program")]
    Version(u8),
    /// Longer than any, of whatever kind.
    #[error("log entry of {0} bytes: at most {max} are read", max = LogEntry::MAX_SIZE)]
    TooLong(usize),
    /// A time within a minute.
    #[error("log entry of the second {0}: only whole minutes are told")]
    Minute(u64),
    /// Not a token.
    #[error("log entry: token: {0}")]
    Token(#[from] TokenError),
    /// Not an authority.
    #[error("log entry: {0}")]
    Authority(#[from] AuthorityError),
    /// An authority in another spelling than the one that it has, or no text.
    #[error("log entry: an authority is in lower-case ASCII, without the port 443")]
    AuthoritySpelling,
    /// Not a token key.
    #[error("log entry: {0}")]
    Key(#[from] TokenKeyError),
    /// An oblivious key that ends before it begins.
    #[error("log entry: an oblivious key is announced for no time")]
    NeverValid,
}

impl LogEntry {
    /// Most bytes of an entry; the longest there is, a double spend at a CPS with a long
    /// name, has 827.
    pub const MAX_SIZE: usize = 1022;
    /// Most bytes of a file of entries (tlog-tiles): each is preceded by its length.
    pub const MAX_BUNDLE_SIZE: usize = BUNDLE * (2 + Self::MAX_SIZE);

    /// The only encoding it has.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.statement.kind()];
        out.extend(self.minute.start().0.to_be_bytes());
        self.statement.put(&mut out);
        out
    }

    /// Reads an encoding; what [`Self::to_bytes`] would not write is refused. A kind that
    /// is not known is a [`Statement::Unknown`].
    ///
    /// # Errors
    /// [`LogEntryError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogEntryError> {
        if bytes.len() > Self::MAX_SIZE {
            return Err(LogEntryError::TooLong(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(LogEntryError::Version(version));
        }
        let (kind, minute) = (reader.u8()?, UnixTime(reader.u64()?));
        if Minute::of(minute).start() != minute {
            return Err(LogEntryError::Minute(minute.0));
        }
        Ok(Self {
            minute: Minute(minute),
            statement: Statement::take(kind, reader)?,
        })
    }
}
