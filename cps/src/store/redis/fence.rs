//! What this node has seen of the store, and whether the store still knows it.
//!
//! Every change to a shard's spends counts up two numbers there, in the same
//! script: one of all nodes, and one of the node that made it. Each node keeps the
//! numbers it was answered, and the store's random id. A store that was restored
//! from a backup, flushed, or taken over by a replica that had not everything knows
//! less, and is found out: by each spend, whose script compares first, and by the
//! periodic look at all shards. No Redis here: readings go in, a verdict comes out.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::{atomic_file, limited_file};
use serde::{Deserialize, Serialize};

use super::keys::{SHARDS, Shard};

/// More changes than one node makes of a shard until an operator has looked.
const LOST: u64 = 1 << 40;

/// The id of a store, made at random when it is begun or accepted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreId(pub(super) [u8; 16]);

/// The name of this node among those that share the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) [u8; 16]);

/// How many changes of a shard there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    /// By this node.
    pub(super) own: u64,
    /// By all nodes.
    pub(super) total: u64,
}

impl Changes {
    const fn has_forgotten(self, seen: Self) -> bool {
        self.own < seen.own || self.total < seen.total
    }

    fn raise_to(&mut self, seen: Self) {
        self.own = self.own.max(seen.own);
        self.total = self.total.max(seen.total);
    }
}

/// What one shard says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) id: Option<StoreId>,
    pub(super) changes: Changes,
    pub(super) halted: bool,
    /// Earlier ids. An operator has accepted this store as what is left of them.
    pub(super) accepted: Vec<StoreId>,
}

/// What the readings of all shards mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The store is as this node left it, or further on.
    Known,
    /// Nobody has used it: it can be begun.
    Empty,
    /// It was begun, and not to its end.
    HalfBegun,
    /// This node is new to it, or an operator has accepted it: its id.
    Adopted(StoreId),
    /// It has forgotten something.
    Older(Forgotten),
}

/// What a store has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forgotten {
    #[error("shard {0} has lost its data")]
    Shard(u8),
    #[error("shard {0} is of another store, or one that an operator has to accept first")]
    Other(u8),
    #[error("shard {shard} knows of {actual} changes and this node of {seen}")]
    Changes { shard: u8, actual: u64, seen: u64 },
    #[error("a node that shares the store has found this, and halted it")]
    Halted,
    #[error("a spend found less in its shard than this node has seen")]
    Spend,
}

/// What this node remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) node: NodeId,
    pub(super) store: Option<StoreId>,
    seen: Vec<Changes>,
}

/// Why the file in which a node remembers the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FenceFileError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// It is not one of these files.
    #[error(
        "{} does not say what this node has seen of the store ({why}): restore it, or remove it \
         if you are sure that the store has lost nothing", path.display()
    )]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Fence {
    /// That of a node that has seen nothing.
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            store: None,
            seen: vec![Changes::default(); SHARDS],
        }
    }

    pub(super) fn seen(&self, shard: Shard) -> Changes {
        self.seen.get(shard.place()).copied().unwrap_or_default()
    }

    /// Notes durable changes.
    pub(super) fn record(&mut self, shard: Shard, changes: Changes) {
        if let Some(seen) = self.seen.get_mut(shard.place()) {
            seen.raise_to(changes);
        }
    }

    /// Notes that the store has lost one of this node's changes: from now on it has
    /// fewer than this node has seen.
    pub(super) fn record_loss(&mut self, shard: Shard) {
        if let Some(seen) = self.seen.get_mut(shard.place()) {
            seen.own = seen.own.saturating_add(LOST);
        }
    }

    /// Takes a store as it is.
    pub(super) fn adopt(&mut self, id: StoreId, readings: &[Reading]) {
        self.store = Some(id);
        self.seen = readings.iter().map(|reading| reading.changes).collect();
        self.seen.resize(SHARDS, Changes::default());
    }

    /// Judges the readings of all shards, in order.
    pub(super) fn verify(&self, readings: &[Reading]) -> Verdict {
        if readings.iter().any(|reading| reading.halted) {
            return Verdict::Older(Forgotten::Halted);
        }
        match self.store {
            Some(store) => self.verify_known(store, readings),
            None => verify_new(readings),
        }
    }

    fn verify_known(&self, store: StoreId, readings: &[Reading]) -> Verdict {
        let id = match one_id(readings) {
            Ok(Some(id)) => id,
            Ok(None) => return Verdict::Older(Forgotten::Shard(0)),
            Err(forgotten) => return Verdict::Older(forgotten),
        };
        if id != store {
            // The first shard is the last to be accepted.
            let first = readings.first();
            let accepted = first.is_some_and(|first| first.accepted.contains(&store));
            return if accepted {
                Verdict::Adopted(id)
            } else {
                Verdict::Older(Forgotten::Other(0))
            };
        }
        for ((shard, reading), seen) in Shard::all().zip(readings).zip(&self.seen) {
            if reading.changes.has_forgotten(*seen) {
                return Verdict::Older(Forgotten::Changes {
                    shard: shard.0,
                    actual: reading.changes.total,
                    seen: seen.total,
                });
            }
        }
        Verdict::Known
    }
}

fn verify_new(readings: &[Reading]) -> Verdict {
    // The first shard is the last to be begun.
    let is_begun = readings.first().is_some_and(|first| first.id.is_some());
    if is_begun {
        return match one_id(readings) {
            Ok(Some(id)) => Verdict::Adopted(id),
            Ok(None) => Verdict::Empty,
            Err(forgotten) => Verdict::Older(forgotten),
        };
    }
    if readings
        .iter()
        .any(|reading| reading.changes != Changes::default())
    {
        return Verdict::Older(Forgotten::Shard(0));
    }
    match readings.iter().any(|reading| reading.id.is_some()) {
        true => Verdict::HalfBegun,
        false => Verdict::Empty,
    }
}

/// The id that all shards have, `None` when all have none.
fn one_id(readings: &[Reading]) -> Result<Option<StoreId>, Forgotten> {
    let id = readings.iter().find_map(|reading| reading.id);
    for (shard, reading) in Shard::all().zip(readings) {
        match (reading.id, id) {
            (None, Some(_)) => return Err(Forgotten::Shard(shard.0)),
            (actual, id) if actual != id => return Err(Forgotten::Other(shard.0)),
            _ => {}
        }
    }
    Ok(id)
}

const MAX_FILE_SIZE: usize = 1024 * 1024;

/// The file: JSON, with ids in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FenceFile {
    node: String,
    store: Option<String>,
    seen: Vec<Changes>,
}

impl Fence {
    /// Reads the file, or `None` when there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, FenceFileError> {
        let text = match limited_file::read_text(path, MAX_FILE_SIZE) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let path = path.to_owned();
                return Err(FenceFileError::Io { path, error });
            }
        };
        Self::parse(&text)
            .map(Some)
            .map_err(|why| FenceFileError::Form {
                path: path.to_owned(),
                why,
            })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: FenceFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.seen.len() != SHARDS {
            return Err(format!("{} shards", file.seen.len()));
        }
        let id = |text: &str| {
            let mut bytes = [0; 16];
            let decoded = hex::decode_to_slice(text, &mut bytes);
            decoded.map(|()| bytes).map_err(|error| error.to_string())
        };
        Ok(Self {
            node: NodeId(id(&file.node)?),
            store: file.store.as_deref().map(id).transpose()?.map(StoreId),
            seen: file.seen,
        })
    }

    /// An empty text would be written over what this node has seen.
    #[allow(clippy::expect_used, reason = "strings and numbers are JSON")]
    fn to_text(&self) -> String {
        let file = FenceFile {
            node: hex::encode(self.node.0),
            store: self.store.map(|id| hex::encode(id.0)),
            seen: self.seen.clone(),
        };
        serde_json::to_string(&file).expect("strings and numbers are JSON")
    }

    /// Writes the file, all of it or nothing, durably.
    pub(super) fn save(&self, path: &Path) -> Result<(), FenceFileError> {
        let written = atomic_file::write_private(path, self.to_text().as_bytes());
        written.map_err(|error| FenceFileError::Io {
            path: path.to_owned(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: StoreId = StoreId([1; 16]);
    const OTHER: StoreId = StoreId([2; 16]);

    fn readings(id: Option<StoreId>, own: u64, total: u64) -> Vec<Reading> {
        let reading = Reading {
            id,
            changes: Changes { own, total },
            ..Reading::default()
        };
        vec![reading; SHARDS]
    }

    fn fence() -> Fence {
        let mut fence = Fence::new(NodeId([9; 16]));
        fence.adopt(ID, &readings(Some(ID), 5, 50));
        fence
    }

    #[test]
    fn a_store_that_is_as_it_was_or_further_on_is_known() {
        for (own, total) in [(5, 50), (5, 60), (7, 52)] {
            let verdict = fence().verify(&readings(Some(ID), own, total));
            assert_eq!(verdict, Verdict::Known);
        }
    }

    #[test]
    fn a_flushed_store_a_backup_and_a_lossy_failover_are_older() {
        let is_older = |readings: &[Reading]| matches!(fence().verify(readings), Verdict::Older(_));
        assert!(is_older(&readings(None, 0, 0)));
        assert!(is_older(&readings(Some(OTHER), 9, 90)));
        let mut one = readings(Some(ID), 5, 50);
        one[77].changes.total = 49;
        assert!(is_older(&one));
        // Other nodes have written on since a change of this one was lost.
        one[77].changes = Changes { own: 4, total: 90 };
        assert!(is_older(&one));
        one[77] = Reading::default();
        assert!(is_older(&one));
        let mut halted = readings(Some(ID), 5, 50);
        halted[3].halted = true;
        assert_eq!(fence().verify(&halted), Verdict::Older(Forgotten::Halted));
    }

    #[test]
    fn an_accepted_store_is_adopted_by_those_whom_it_was_accepted_for() {
        let mut accepted = readings(Some(OTHER), 0, 3);
        accepted[0].accepted = vec![StoreId([8; 16]), ID];
        assert_eq!(fence().verify(&accepted), Verdict::Adopted(OTHER));
        accepted[0].accepted = vec![StoreId([8; 16])];
        assert!(matches!(fence().verify(&accepted), Verdict::Older(_)));
        // Not before all shards are.
        accepted[0].accepted = vec![ID];
        accepted[200].id = Some(ID);
        assert!(matches!(fence().verify(&accepted), Verdict::Older(_)));
    }

    #[test]
    fn a_new_node_begins_an_empty_store_and_joins_a_whole_one() {
        let new = Fence::new(NodeId([9; 16]));
        assert_eq!(new.verify(&readings(None, 0, 0)), Verdict::Empty);
        let whole = readings(Some(ID), 0, 40);
        assert_eq!(new.verify(&whole), Verdict::Adopted(ID));
        let mut half = readings(Some(ID), 0, 0);
        half[0].id = None;
        assert_eq!(new.verify(&half), Verdict::HalfBegun);
        let mut lost = whole;
        lost[9] = Reading::default();
        assert_eq!(new.verify(&lost), Verdict::Older(Forgotten::Shard(9)));
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fence.json");
        assert_eq!(Fence::load(&path).unwrap(), None);
        let mut fence = fence();
        fence.record(Shard(3), Changes { own: 6, total: 49 });
        fence.save(&path).unwrap();
        assert_eq!(Fence::load(&path).unwrap(), Some(fence.clone()));
        assert_eq!(fence.seen(Shard(3)), Changes { own: 6, total: 50 });
        std::fs::write(&path, "{}").unwrap();
        assert!(Fence::load(&path).is_err());
        std::os::unix::fs::symlink("gone", path.with_extension("link")).unwrap();
        assert!(Fence::load(&path.with_extension("link")).is_err());
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(text in ".*") {
            prop_assert!(Fence::parse(&text).is_err());
        }
    }
}
