//! Embedded databases that could keep the spent set: each does what the store's
//! journal does for a group of spends, with the means that its documentation
//! recommends, and is durable when it returns. An item is a spend.

use std::path::Path;
use std::time::Instant;

use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Database, ReadableTable as _, TableDefinition};

use crate::Peer;

/// Spends of a group, as in the row of `compare`.
const GROUP: usize = 64;

/// Half a nonce, which tells tokens apart as well.
type Key = [u8; 16];
/// The evidence of a spend and the entry.
type Value = [u8; 120];

const VALUE: Value = [5; 120];
const SPENT: TableDefinition<'_, Key, Value> = TableDefinition::new("spent");

/// Looks for tokens of a group in the spent set, adds them, and syncs once.
pub trait Engine {
    /// Spends [`GROUP`] new tokens, from this number on.
    fn spend_group(&mut self, first: u64);
}

/// Spends tokens that are all new, in groups.
pub struct Spender<E> {
    engine: E,
    next: u64,
}

impl<E> Spender<E> {
    /// With the first token next.
    pub fn new(engine: E) -> Self {
        Self { engine, next: 0 }
    }
}

impl<E: Engine> Peer for Spender<E> {
    /// By the clock on the wall: most of it is waiting for the disk.
    fn seconds_per_item(&mut self, items: usize) -> f64 {
        assert!(items.is_multiple_of(GROUP), "{items} is not whole groups");
        let start = Instant::now();
        for _ in 0..items / GROUP {
            self.engine.spend_group(self.next);
            self.next += GROUP as u64;
        }
        start.elapsed().as_secs_f64() / items as f64
    }
}

/// The nonces of a group: like real ones they come in no order.
fn keys(first: u64) -> impl Iterator<Item = Key> {
    (first..first + GROUP as u64).map(|token| {
        let scattered = u128::from(token).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        scattered.swap_bytes().to_le_bytes()
    })
}

/// A log-structured tree: `fjall`.
pub struct FjallEngine {
    database: fjall::Database,
    spent: Keyspace,
}

impl FjallEngine {
    /// A new one.
    pub fn create(directory: &Path) -> Self {
        let database = fjall::Database::builder(directory).open().unwrap();
        let spent = database.keyspace("spent", KeyspaceCreateOptions::default);
        Self {
            spent: spent.unwrap(),
            database,
        }
    }
}

impl Engine for FjallEngine {
    fn spend_group(&mut self, first: u64) {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for key in keys(first) {
            assert!(!self.spent.contains_key(key).unwrap());
            batch.insert(&self.spent, key, VALUE);
        }
        batch.commit().unwrap();
    }
}

/// A tree of pages that are copied when they change: `redb`.
pub struct RedbEngine {
    database: Database,
}

impl RedbEngine {
    /// A new one.
    pub fn create(path: &Path) -> Self {
        Self {
            database: Database::create(path).unwrap(),
        }
    }
}

impl Engine for RedbEngine {
    fn spend_group(&mut self, first: u64) {
        // A transaction is durable at its commit unless told otherwise.
        let transaction = self.database.begin_write().unwrap();
        {
            let mut spent = transaction.open_table(SPENT).unwrap();
            for key in keys(first) {
                assert!(spent.get(key).unwrap().is_none());
                spent.insert(key, VALUE).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};

    use super::*;

    #[test]
    fn nonces_differ_and_come_in_no_order() {
        let groups = (0..100).flat_map(|group| keys(group * GROUP as u64));
        let keys: Vec<_> = groups.collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 100 * GROUP);
        let ascending = keys.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((2_000..4_400).contains(&ascending), "{ascending}");
    }

    #[test]
    fn both_keep_every_spend_of_a_group() {
        let home = tempfile::tempdir().unwrap();
        let mut fjall = FjallEngine::create(&home.path().join("fjall"));
        let mut redb = RedbEngine::create(&home.path().join("redb"));
        for first in [0, GROUP as u64] {
            fjall.spend_group(first);
            redb.spend_group(first);
        }
        assert!(keys(GROUP as u64).all(|key| fjall.spent.contains_key(key).unwrap()));
        let read = redb.database.begin_read().unwrap();
        let spent = read.open_table(SPENT).unwrap();
        assert_eq!(spent.len().unwrap(), 2 * GROUP as u64);
    }
}
