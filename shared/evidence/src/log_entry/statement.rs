//! What an entry says, kind by kind, and its encoding. Not here: what all entries have in
//! common.

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, put_vec_u16};
use pennyblack_privacypass::token::{Token, TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::TokenKey;

use super::key_record_hash::KeyRecordHash;
use super::oblivious_key::{KeyConfigDigest, ObliviousKey};
use super::{EpochTotals, LogEntryError};
use crate::double_spend::{DoubleSpendEvidence, SpendRecord};

const DOUBLE_SPEND: u8 = 1;
const KEY_EPOCH_OPENED: u8 = 2;
const KEY_EPOCH_CLOSED: u8 = 3;
const TOKEN_KEY: u8 = 4;
const ISSUANCE_TOTAL: u8 = 5;
const OBLIVIOUS_KEY: u8 = 6;
const KEY_RECORD_PUBLISHED: u8 = 7;
const KEY_RECORD_ENDED: u8 = 8;

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
    /// The CPS opens oblivious requests with a key; in its log before it is served.
    ///
    /// ```text
    /// struct {
    ///   opaque key_config_digest[32];   // SHA-256 of the key configuration
    ///   uint16 kem_id;
    ///   uint64 not_before;
    ///   uint64 not_after;               // later than not_before
    /// } ObliviousKeyAnnounced;
    /// ```
    ObliviousKeyAnnounced(ObliviousKey),
    /// The CPS shows a key record to everybody.
    ///
    /// ```text
    /// struct {
    ///   opaque key_record_hash[32];     // SHA-256 of the compact JWS
    /// } KeyRecordPublished;
    /// ```
    KeyRecordPublished(KeyRecordHash),
    /// The CPS shows a key record no longer, and not because its `exp` has passed. It may be
    /// published again.
    ///
    /// ```text
    /// struct {
    ///   opaque key_record_hash[32];
    /// } KeyRecordEnded;
    /// ```
    KeyRecordEnded(KeyRecordHash),
    /// What a later version says.
    ///
    /// ```text
    /// opaque body[the rest of the entry];
    /// ```
    Unknown(UnknownStatement),
}

/// What an entry of a kind says that this version does not know, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatement {
    kind: u8,
    body: Vec<u8>,
}

impl UnknownStatement {
    /// Only an entry that was read has one: a kind that is known is never this.
    const fn new(kind: u8, body: Vec<u8>) -> Self {
        Self { kind, body }
    }

    /// The number of the kind.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// What follows the entry's minute.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl Statement {
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::DoubleSpend(_) => DOUBLE_SPEND,
            Self::KeyEpochOpened { .. } => KEY_EPOCH_OPENED,
            Self::KeyEpochClosed { .. } => KEY_EPOCH_CLOSED,
            Self::TokenKeyAnnounced { .. } => TOKEN_KEY,
            Self::IssuanceTotal { .. } => ISSUANCE_TOTAL,
            Self::ObliviousKeyAnnounced(_) => OBLIVIOUS_KEY,
            Self::KeyRecordPublished(_) => KEY_RECORD_PUBLISHED,
            Self::KeyRecordEnded(_) => KEY_RECORD_ENDED,
            Self::Unknown(unknown) => unknown.kind(),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
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
            Self::ObliviousKeyAnnounced(key) => {
                out.extend(key.key_config.0);
                out.extend(key.kem_id.to_be_bytes());
                out.extend(key.not_before.0.to_be_bytes());
                out.extend(key.not_after.0.to_be_bytes());
            }
            Self::KeyRecordPublished(hash) | Self::KeyRecordEnded(hash) => out.extend(hash.0),
            Self::Unknown(unknown) => out.extend(unknown.body()),
        }
    }

    pub(super) fn take(kind: u8, mut reader: Reader<'_>) -> Result<Self, LogEntryError> {
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
            OBLIVIOUS_KEY => Self::ObliviousKeyAnnounced(take_oblivious_key(&mut reader)?),
            KEY_RECORD_PUBLISHED => Self::KeyRecordPublished(KeyRecordHash(reader.array()?)),
            KEY_RECORD_ENDED => Self::KeyRecordEnded(KeyRecordHash(reader.array()?)),
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

fn take_oblivious_key(reader: &mut Reader<'_>) -> Result<ObliviousKey, LogEntryError> {
    let key = ObliviousKey {
        key_config: KeyConfigDigest(reader.array()?),
        kem_id: reader.u16()?,
        not_before: UnixTime(reader.u64()?),
        not_after: UnixTime(reader.u64()?),
    };
    if key.not_before < key.not_after {
        Ok(key)
    } else {
        Err(LogEntryError::NeverValid)
    }
}

fn take_authority(reader: &mut Reader<'_>) -> Result<Authority, LogEntryError> {
    let text = str::from_utf8(reader.vec_u16()?).map_err(|_| LogEntryError::AuthoritySpelling)?;
    let authority: Authority = text.parse()?;
    if authority.as_str() != text {
        return Err(LogEntryError::AuthoritySpelling);
    }
    Ok(authority)
}

fn take_request(reader: &mut Reader<'_>) -> Result<SpendRecord, LogEntryError> {
    Ok(SpendRecord::from_bytes(reader.take(SpendRecord::SIZE)?)?)
}
