//! A view of a log as it is remembered between two looks: JSON, and believed only
//! if the checkpoint in it is signed and for exactly the rest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::KeyLogView;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::{Frontier, Hash, SignedCheckpoint, TreeHead};

/// What was remembered cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is remembered of an issuer's log of keys is damaged ({0})")]
pub struct RememberedError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    /// The verifier key.
    log: String,
    /// The last checkpoint, with its signatures.
    checkpoint: Option<String>,
    /// The roots of the complete subtrees, left to right, base64.
    edge: Vec<String>,
    /// The ids of the keys, hexadecimal, and when they begin.
    keys: BTreeMap<String, u64>,
}

impl KeyLogView {
    /// As it is remembered.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter();
        let remembered = Remembered {
            log: self.log.to_string(),
            checkpoint: self.checkpoint.as_ref().map(ToString::to_string),
            edge: self.edge.roots().iter().map(ToString::to_string).collect(),
            keys: keys.map(|(id, begin)| (id.to_string(), begin.0)).collect(),
        };
        // Strings and numbers only.
        serde_json::to_string(&remembered).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`RememberedError`].
    pub fn from_json(json: &str) -> Result<Self, RememberedError> {
        let damaged = |why: String| RememberedError(why);
        let read: Remembered =
            serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
        let log = read.log.parse().map_err(|e| damaged(format!("{e}")))?;
        let checkpoint: Option<SignedCheckpoint> = match &read.checkpoint {
            Some(text) => Some(text.parse().map_err(|e| damaged(format!("{e}")))?),
            None => None,
        };
        let head = match &checkpoint {
            Some(checkpoint) => checkpoint
                .verify(&log)
                .map_err(|e| damaged(e.to_string()))?,
            None => TreeHead::empty(),
        };
        let mut roots = read.edge.iter();
        let edge = Frontier::read(head.size, |_| {
            let root = roots.next().ok_or_else(|| damaged("edge".to_owned()))?;
            root.parse::<Hash>().map_err(|e| damaged(e.to_string()))
        })?;
        if roots.next().is_some() || edge.head() != head {
            return Err(damaged("the checkpoint is for other entries".to_owned()));
        }
        let keys: Result<_, RememberedError> = read.keys.iter().map(key).collect();
        Ok(Self {
            log,
            checkpoint,
            edge,
            keys: keys?,
        })
    }
}

fn key((id, begin): (&String, &u64)) -> Result<(TokenKeyId, UnixTime), RememberedError> {
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(id, &mut bytes);
    decoded.map_err(|error| RememberedError(format!("{id}: {error}")))?;
    Ok((TokenKeyId(bytes), UnixTime(*begin)))
}
