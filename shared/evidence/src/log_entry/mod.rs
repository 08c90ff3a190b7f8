//! What the transparency logs of a CPS and of an issuer say, entry by entry
//! (docs/protocol.md section 7): double spends with their evidence, key epochs
//! with their totals, token keys. No address, no mailbox, no time finer than a
//! minute. Not here: the log itself, and whether an entry is true.

mod unknown;

use crate::double_spend::{DoubleSpendEvidence, SpendRecord};
use pennyblack_base::authority::{Authority, AuthorityError};
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError, put_vec_u16};
use pennyblack_privacypass::token::{Token, TokenError, TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenKeyError};
use pennyblack_tlog::FULL_TILE;

pub use self::unknown::{SkippedKinds, UnknownStatement};

/// The version of the entries' form. **Another version is refused, another kind is
/// skipped**: an entry that no reader may skip has another version.
const VERSION: u8 = 1;

const DOUBLE_SPEND: u8 = 1;
const KEY_EPOCH_OPENED: u8 = 2;
const KEY_EPOCH_CLOSED: u8 = 3;
const TOKEN_KEY: u8 = 4;
const ISSUANCE_TOTAL: u8 = 5;

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

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// A token was spent on two requests; once for a token.
    ///
    /// ```text
    /// struct {
    ///   opaque token<0..2^16-1>;        // RFC 9577, with the issuer's signature
    ///   opaque cps<1..2^16-1>;          // the authority
    ///   SpendRecord requests[2];        // docs/protocol.md section 3, 100 bytes each
    /// } DoubleSpend;
    /// ```
    DoubleSpend(Box<DoubleSpendEvidence>),
    /// The CPS takes the tokens of a key from now on.
    ///
    /// ```text
    /// struct {
    ///   opaque issuer<1..2^16-1>;       // the authority
    ///   uint16 token_type;
    ///   opaque token_key<0..2^16-1>;    // as the issuer's directory has it
    ///   uint64 not_before;
    /// } KeyEpochOpened;
    /// ```
    KeyEpochOpened {
        /// Whose key it is.
        issuer: Authority,
        /// The key.
        key: TokenKey,
        /// Since when the issuer says it signs.
        not_before: UnixTime,
    },
    /// The CPS permanently refuses tokens of that key.
    ///
    /// ```text
    /// struct {
    ///   opaque token_key_id[32];
    ///   uint64 spent, replayed, refused, further_double_spends;
    /// } KeyEpochClosed;
    /// ```
    KeyEpochClosed {
        /// Which key.
        token_key_id: TokenKeyId,
        /// What was counted.
        totals: EpochTotals,
    },
    /// The issuer will sign with a key; in its log before `not_before`.
    ///
    /// ```text
    /// struct {
    ///   uint16 token_type;
    ///   opaque token_key<0..2^16-1>;
    ///   uint64 not_before;
    /// } TokenKeyAnnounced;
    /// ```
    TokenKeyAnnounced {
        /// The key.
        key: TokenKey,
        /// From when on it signs.
        not_before: UnixTime,
    },
    /// The issuer has signed so many tokens with a key, which signs no more.
    ///
    /// ```text
    /// struct {
    ///   opaque token_key_id[32];
    ///   uint64 issued;
    /// } IssuanceTotal;
    /// ```
    IssuanceTotal {
        /// Which key.
        token_key_id: TokenKeyId,
        /// How many.
        issued: u64,
    },
    /// What a later version says.
    ///
    /// ```text
    /// opaque body[the rest of the entry];
    /// ```
    Unknown(UnknownStatement),
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
    /// An authority that is not text.
    #[error("log entry: an authority is ASCII text")]
    AuthorityText,
    /// Not a token key.
    #[error("log entry: {0}")]
    Key(#[from] TokenKeyError),
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

impl Statement {
    const fn kind(&self) -> u8 {
        match self {
            Self::DoubleSpend(_) => DOUBLE_SPEND,
            Self::KeyEpochOpened { .. } => KEY_EPOCH_OPENED,
            Self::KeyEpochClosed { .. } => KEY_EPOCH_CLOSED,
            Self::TokenKeyAnnounced { .. } => TOKEN_KEY,
            Self::IssuanceTotal { .. } => ISSUANCE_TOTAL,
            Self::Unknown(unknown) => unknown.kind(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::DoubleSpend(evidence) => {
                put_vec_u16(out, &evidence.token.to_bytes());
                put_vec_u16(out, evidence.cps.as_bytes());
                for request in &evidence.requests {
                    out.extend(request.to_bytes());
                }
            }
            Self::KeyEpochOpened {
                issuer,
                key,
                not_before,
            } => {
                put_vec_u16(out, issuer.as_bytes());
                put_key(out, key, *not_before);
            }
            Self::KeyEpochClosed {
                token_key_id,
                totals,
            } => {
                out.extend(token_key_id.0);
                put_totals(out, *totals);
            }
            Self::TokenKeyAnnounced { key, not_before } => put_key(out, key, *not_before),
            Self::IssuanceTotal {
                token_key_id,
                issued,
            } => {
                out.extend(token_key_id.0);
                out.extend(issued.to_be_bytes());
            }
            Self::Unknown(unknown) => out.extend(unknown.body()),
        }
    }

    fn take(kind: u8, mut reader: Reader<'_>) -> Result<Self, LogEntryError> {
        let statement = match kind {
            DOUBLE_SPEND => Self::DoubleSpend(Box::new(DoubleSpendEvidence {
                token: Token::parse(reader.vec_u16()?)?,
                cps: take_authority(&mut reader)?,
                requests: [take_request(&mut reader)?, take_request(&mut reader)?],
            })),
            KEY_EPOCH_OPENED => {
                let issuer = take_authority(&mut reader)?;
                let (key, not_before) = take_key(&mut reader)?;
                Self::KeyEpochOpened {
                    issuer,
                    key,
                    not_before,
                }
            }
            KEY_EPOCH_CLOSED => Self::KeyEpochClosed {
                token_key_id: TokenKeyId(reader.array()?),
                totals: take_totals(&mut reader)?,
            },
            TOKEN_KEY => {
                let (key, not_before) = take_key(&mut reader)?;
                Self::TokenKeyAnnounced { key, not_before }
            }
            ISSUANCE_TOTAL => Self::IssuanceTotal {
                token_key_id: TokenKeyId(reader.array()?),
                issued: reader.u64()?,
            },
            kind => {
                let body = reader.rest().to_vec();
                return Ok(Self::Unknown(UnknownStatement::new(kind, body)));
            }
        };
        reader.finish()?;
        Ok(statement)
    }
}

fn put_totals(out: &mut Vec<u8>, totals: EpochTotals) {
    let EpochTotals {
        spent,
        replayed,
        refused,
        further_double_spends,
    } = totals;
    for total in [spent, replayed, refused, further_double_spends] {
        out.extend(total.to_be_bytes());
    }
}

fn take_totals(reader: &mut Reader<'_>) -> Result<EpochTotals, LogEntryError> {
    Ok(EpochTotals {
        spent: reader.u64()?,
        replayed: reader.u64()?,
        refused: reader.u64()?,
        further_double_spends: reader.u64()?,
    })
}

fn put_key(out: &mut Vec<u8>, key: &TokenKey, not_before: UnixTime) {
    out.extend(key.token_type().0.to_be_bytes());
    put_vec_u16(out, key.encoded());
    out.extend(not_before.0.to_be_bytes());
}

fn take_key(reader: &mut Reader<'_>) -> Result<(TokenKey, UnixTime), LogEntryError> {
    let token_type = TokenType(reader.u16()?);
    let key = TokenKey::parse(token_type, reader.vec_u16()?)?;
    Ok((key, UnixTime(reader.u64()?)))
}

fn take_authority(reader: &mut Reader<'_>) -> Result<Authority, LogEntryError> {
    let text = str::from_utf8(reader.vec_u16()?).map_err(|_| LogEntryError::AuthorityText)?;
    Ok(text.parse()?)
}

fn take_request(reader: &mut Reader<'_>) -> Result<SpendRecord, LogEntryError> {
    Ok(SpendRecord::from_bytes(reader.take(SpendRecord::SIZE)?)?)
}
