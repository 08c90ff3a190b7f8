//! A view of a log as it is remembered between two looks: JSON, and trusted only if the
//! checkpoint in it is signed and for exactly the rest.

use std::fmt::Display;

use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::reader::EntryPosition;
use pennyblack_tlog::{Hash, SignedCheckpoint};
use serde::{Deserialize, Serialize};

use super::ObliviousLogView;
use crate::log_entry::SkippedKinds;
use crate::oblivious_keys::ObliviousKeys;

/// What was remembered cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is remembered of a CPS's log is damaged ({0})")]
pub struct RememberedError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    /// The verifier key.
    log: String,
    /// The last checkpoint, with its signatures.
    checkpoint: Option<String>,
    /// A later one, whose entries could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<String>,
    /// The roots of the complete subtrees, left to right, base64.
    edge: Vec<String>,
    /// The announced keys that had not expired.
    keys: ObliviousKeys,
    /// Entries of unknown kinds, by kind.
    #[serde(default, skip_serializing_if = "SkippedKinds::is_empty")]
    skipped: SkippedKinds,
}

impl ObliviousLogView {
    /// Most bytes of what is remembered: two checkpoints, 64 roots and few keys.
    pub const MAX_JSON_SIZE: usize = 1024 * 1024;

    /// As it is remembered.
    ///
    /// # Errors
    /// [`RememberedError`]; then what was remembered before is to stay.
    pub fn to_json(&self) -> Result<String, RememberedError> {
        let roots = self.position.roots().iter();
        let remembered = Remembered {
            log: self.log.to_string(),
            checkpoint: self.position.checkpoint().map(ToString::to_string),
            unread: self.position.unread().map(ToString::to_string),
            edge: roots.map(ToString::to_string).collect(),
            keys: self.keys.clone(),
            skipped: self.skipped.clone(),
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
        let log: VerifierKey = read.log.parse().map_err(damaged)?;
        let checkpoint = |text: Option<String>| {
            let parsed = text.map(|text| text.parse::<SignedCheckpoint>());
            parsed.transpose().map_err(damaged)
        };
        let (checkpoint, unread) = (checkpoint(read.checkpoint)?, checkpoint(read.unread)?);
        let roots: Result<Vec<Hash>, _> = read.edge.iter().map(|root| root.parse()).collect();
        let roots = roots.map_err(damaged)?;
        let position = EntryPosition::restore(checkpoint, &roots, unread, &log);
        Ok(Self {
            log,
            position: position.map_err(damaged)?,
            keys: read.keys,
            skipped: read.skipped,
        })
    }
}

fn damaged(why: impl Display) -> RememberedError {
    RememberedError(why.to_string())
}
