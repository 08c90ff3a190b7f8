//! How far a log was read, as text beside what was read there: trusted only if the checkpoint
//! in it is signed by the log and is for exactly the rest. Not here: where it is remembered,
//! and with what.

use std::fmt::Display;

use pennyblack_tlog::note_key::VerifierKey;
use pennyblack_tlog::reader::EntryPosition;
use pennyblack_tlog::{Hash, SignedCheckpoint};
use serde::{Deserialize, Serialize};

/// Members of a JSON document.
#[derive(Serialize, Deserialize)]
pub(crate) struct RememberedPosition {
    /// The verifier key.
    log: String,
    /// The last checkpoint, with its signatures.
    checkpoint: Option<String>,
    /// How many entries are read, if that is a part of what `unread` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    /// A later one, whose entries could not be used, or are not all read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<String>,
    /// The roots of the complete subtrees, left to right, base64.
    edge: Vec<String>,
}

impl RememberedPosition {
    pub(crate) fn of(log: &VerifierKey, position: &EntryPosition) -> Self {
        Self {
            log: log.to_string(),
            checkpoint: position.checkpoint().map(ToString::to_string),
            entries: position.is_part().then(|| position.head().size),
            unread: position.unread().map(ToString::to_string),
            edge: position.roots().iter().map(ToString::to_string).collect(),
        }
    }

    /// The log's key and the position, verified.
    ///
    /// # Errors
    /// What is damaged, in words.
    pub(crate) fn restore(&self) -> Result<(VerifierKey, EntryPosition), String> {
        let log: VerifierKey = self.log.parse().map_err(in_words)?;
        let (checkpoint, unread) = (
            parse(self.checkpoint.as_ref())?,
            parse(self.unread.as_ref())?,
        );
        let roots: Result<Vec<Hash>, _> = self.edge.iter().map(|root| root.parse()).collect();
        let roots = roots.map_err(in_words)?;
        let position = match self.entries {
            Some(entries) => EntryPosition::restore_part(entries, &roots, unread, &log),
            None => EntryPosition::restore(checkpoint, &roots, unread, &log),
        };
        Ok((log, position.map_err(in_words)?))
    }
}

fn parse(text: Option<&String>) -> Result<Option<SignedCheckpoint>, String> {
    let parsed = text.map(|text| text.parse());
    parsed.transpose().map_err(in_words)
}

fn in_words(error: impl Display) -> String {
    error.to_string()
}
