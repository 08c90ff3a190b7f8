//! All transactions, in bounded memory, with the time at which each is due next.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::{Key, Transaction, TransactionId};

/// How much a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimits {
    /// Most transactions. One call a second needs 5 when calls are acknowledged, and 32
    /// when they are not.
    pub transactions: usize,
    /// Most bytes of requests whose transactions are kept, each counted twice: for what an
    /// answer repeats of it, and for what is read of it or added to it.
    pub bytes: usize,
}

impl Default for TableLimits {
    /// 20,000 transactions and 64 MiB: 600 calls a second by a peer that never sends an
    /// ACK, with INVITEs of 1.6 kB.
    fn default() -> Self {
        Self {
            transactions: 20_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The transactions. **Memory is bounded whatever peers do**: what does not fit is not
/// added.
#[derive(Debug, Default)]
pub(crate) struct Table {
    limits: TableLimits,
    by_id: HashMap<TransactionId, Transaction>,
    by_key: HashMap<Key, TransactionId>,
    /// One entry for each transaction.
    wakes: BTreeSet<(Instant, TransactionId)>,
    bytes: usize,
    next: u64,
}

/// There is no room for another transaction.
#[derive(Debug)]
pub(crate) struct Full;

impl Table {
    pub(crate) fn new(limits: TableLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    pub(crate) fn find(&self, key: &Key) -> Option<TransactionId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn unfinished(&self) -> usize {
        let all = self.by_id.values();
        all.filter(|transaction| transaction.is_unfinished())
            .count()
    }

    /// Whether a transaction of this charge may be added.
    pub(crate) fn check_room(&self, charge: usize) -> Result<(), Full> {
        let has_room = self.by_id.len() < self.limits.transactions
            && self.bytes.saturating_add(charge) <= self.limits.bytes;
        if has_room { Ok(()) } else { Err(Full) }
    }

    /// Adds a transaction whose key is not there, and for which there is room.
    pub(crate) fn add(&mut self, transaction: Transaction) -> TransactionId {
        let id = TransactionId(self.next);
        self.next += 1;
        self.bytes = self.bytes.saturating_add(transaction.charge);
        self.by_key.insert(transaction.key, id);
        self.wakes.insert((transaction.wakes_at(), id));
        self.by_id.insert(id, transaction);
        id
    }

    /// Changes a transaction, and notes when it is due then.
    pub(crate) fn change<T>(
        &mut self,
        id: TransactionId,
        change: impl FnOnce(&mut Transaction) -> T,
    ) -> Option<T> {
        let transaction = self.by_id.get_mut(&id)?;
        let before = transaction.wakes_at();
        let result = change(transaction);
        let after = transaction.wakes_at();
        if before != after {
            self.wakes.remove(&(before, id));
            self.wakes.insert((after, id));
        }
        Some(result)
    }

    pub(crate) fn remove(&mut self, id: TransactionId) {
        if let Some(transaction) = self.by_id.remove(&id) {
            self.wakes.remove(&(transaction.wakes_at(), id));
            self.by_key.remove(&transaction.key);
            self.bytes = self.bytes.saturating_sub(transaction.charge);
        }
    }

    /// The transaction that is due first, and when.
    pub(crate) fn first_due(&self) -> Option<(Instant, TransactionId)> {
        self.wakes.first().copied()
    }

    /// That the three indexes agree, and the limits hold.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.by_id.len(), self.by_key.len());
        assert_eq!(self.by_id.len(), self.wakes.len());
        for (id, transaction) in &self.by_id {
            assert_eq!(self.by_key.get(&transaction.key), Some(id));
            assert!(self.wakes.contains(&(transaction.wakes_at(), *id)));
        }
        let charges = self.by_id.values().map(|known| known.charge);
        assert_eq!(self.bytes, charges.sum::<usize>());
        assert!(self.bytes <= self.limits.bytes);
        assert!(self.by_id.len() <= self.limits.transactions);
    }
}
