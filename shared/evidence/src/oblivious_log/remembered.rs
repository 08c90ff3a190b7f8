//! A view of a log as it is remembered between two looks: JSON.

use std::fmt::Display;

use pennyblack_base::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::ObliviousLogView;
use crate::log_entry::SkippedKinds;
use crate::oblivious_keys::ObliviousKeys;
use crate::remembered_position::RememberedPosition;

/// What was remembered cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is remembered of a CPS's log is damaged ({0})")]
pub struct RememberedError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    /// The log, and how far it was read.
    #[serde(flatten)]
    position: RememberedPosition,
    /// The announced keys that had not expired.
    keys: ObliviousKeys,
    /// Entries of unknown kinds, by kind.
    #[serde(default, skip_serializing_if = "SkippedKinds::is_empty")]
    skipped: SkippedKinds,
    /// When it was last read to its end.
    read: Option<UnixTime>,
}

impl ObliviousLogView {
    /// Most bytes of what is remembered: two checkpoints, 64 roots and few keys.
    pub const MAX_JSON_SIZE: usize = 1024 * 1024;

    /// As it is remembered.
    ///
    /// # Errors
    /// [`RememberedError`]; then what was remembered before is to stay.
    pub fn to_json(&self) -> Result<String, RememberedError> {
        let remembered = Remembered {
            position: RememberedPosition::of(&self.log, &self.position),
            keys: self.keys.clone(),
            skipped: self.skipped.clone(),
            read: self.read,
        };
        let json = serde_json::to_string(&remembered).map_err(damaged)?;
        match json.len() {
            0..=Self::MAX_JSON_SIZE => Ok(json),
            size => Err(damaged(format!("{size} bytes"))),
        }
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`RememberedError`].
    pub fn from_json(json: &str) -> Result<Self, RememberedError> {
        if json.len() > Self::MAX_JSON_SIZE {
            return Err(damaged(format!("{} bytes", json.len())));
        }
        let read: Remembered = serde_json::from_str(json).map_err(damaged)?;
        let (log, position) = read.position.restore().map_err(damaged)?;
        Ok(Self {
            log,
            position,
            keys: read.keys,
            skipped: read.skipped,
            read: read.read,
        })
    }
}

fn damaged(why: impl Display) -> RememberedError {
    RememberedError(why.to_string())
}
