//! A view of a log as it is remembered between two looks: JSON.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::KeyLogView;
use crate::log_entry::SkippedKinds;
use crate::remembered_position::RememberedPosition;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;

/// What was remembered cannot be read, or could not be read again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RememberedError {
    /// Not what was written.
    #[error("what is remembered of an issuer's log of keys is damaged ({0})")]
    Damaged(String),
    /// Longer than any memory.
    #[error(
        "an issuer's log of keys would be remembered in {0} bytes: at most {max} are read; please \
         report this", max = KeyLogView::MAX_JSON_SIZE
    )]
    TooLong(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    /// The log, and how far it was read.
    #[serde(flatten)]
    position: RememberedPosition,
    /// The ids of the keys, hexadecimal, and when they begin.
    keys: BTreeMap<String, u64>,
    /// How many tokens were signed with those of them that sign no more.
    #[serde(default)]
    issued: BTreeMap<String, u64>,
    /// When the log was read.
    #[serde(default)]
    read_at: Option<UnixTime>,
    /// Keys that were announced too late, and when they were first seen.
    #[serde(default)]
    late: BTreeMap<String, u64>,
    /// Entries of unknown kinds, by kind.
    #[serde(default, skip_serializing_if = "SkippedKinds::is_empty")]
    skipped: SkippedKinds,
}

impl KeyLogView {
    /// Most bytes of what is remembered, when it is written and when it is read: as many
    /// keys as a log may state with their totals, a checkpoint and the roots.
    pub const MAX_JSON_SIZE: usize = 16 * 1024 * 1024;

    /// As it is remembered, if it can be read again.
    ///
    /// # Errors
    /// [`RememberedError`]; then what was remembered before is to stay.
    pub fn to_json(&self) -> Result<String, RememberedError> {
        let remembered = Remembered {
            position: RememberedPosition::of(&self.log, &self.position),
            keys: by_name(self.keys.iter().map(|(id, begin)| (id, begin.0))),
            issued: by_name(self.issued.iter().map(|(id, issued)| (id, *issued))),
            read_at: self.read_at,
            late: by_name(self.late.iter().map(|(id, seen)| (id, seen.0))),
            skipped: self.skipped.clone(),
        };
        let json = serde_json::to_string(&remembered).map_err(damaged)?;
        if json.len() > Self::MAX_JSON_SIZE {
            return Err(RememberedError::TooLong(json.len()));
        }
        Ok(json)
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`RememberedError`].
    pub fn from_json(json: &str) -> Result<Self, RememberedError> {
        if json.len() > Self::MAX_JSON_SIZE {
            return Err(RememberedError::TooLong(json.len()));
        }
        let read: Remembered = serde_json::from_str(json).map_err(damaged)?;
        let (log, position) = read.position.restore().map_err(damaged)?;
        let times = |read: BTreeMap<String, u64>| -> Result<BTreeMap<_, _>, RememberedError> {
            let by_id = by_id(read)?.into_iter();
            Ok(by_id.map(|(id, time)| (id, UnixTime(time))).collect())
        };
        Ok(Self {
            log,
            position,
            keys: times(read.keys)?,
            issued: by_id(read.issued)?,
            read_at: read.read_at,
            late: times(read.late)?,
            skipped: read.skipped,
        })
    }
}

fn damaged(why: impl Display) -> RememberedError {
    RememberedError::Damaged(why.to_string())
}

fn by_name<'a>(numbers: impl Iterator<Item = (&'a TokenKeyId, u64)>) -> BTreeMap<String, u64> {
    numbers
        .map(|(id, number)| (id.to_string(), number))
        .collect()
}

fn by_id(numbers: BTreeMap<String, u64>) -> Result<BTreeMap<TokenKeyId, u64>, RememberedError> {
    let numbers = numbers.into_iter();
    numbers
        .map(|(id, number)| Ok((key_id(&id)?, number)))
        .collect()
}

fn key_id(id: &str) -> Result<TokenKeyId, RememberedError> {
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(id, &mut bytes);
    decoded.map_err(|error| RememberedError::Damaged(format!("{id}: {error}")))?;
    Ok(TokenKeyId(bytes))
}
