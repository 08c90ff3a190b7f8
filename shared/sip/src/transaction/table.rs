//! All transactions, in bounded memory, with the time at which each is due next.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::{Key, Transaction, TransactionId, undecided_charge};
use crate::message::MAX_HEAD;

/// How much a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimits {
    /// Most transactions. One call a second needs 5 when calls are acknowledged, and 32
    /// when they are not.
    pub transactions: usize,
    /// Most bytes of all transactions. An INVITE without its answer reserves 34 kB for it,
    /// and four times the size of its headers; an answer costs its own size until its ACK;
    /// and 512 bytes each has in any case.
    pub bytes: usize,
}

impl TableLimits {
    /// With less than this, there would be no room for the largest INVITE.
    pub const LEAST_BYTES: usize = undecided_charge(MAX_HEAD);
}

impl Default for TableLimits {
    /// 20,000 transactions and 64 MiB: 1,600 INVITEs of 1.6 kB that wait for their answers,
    /// or 600 calls a second by a peer that never sends an ACK.
    fn default() -> Self {
        Self {
            transactions: 20_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The transactions. **Memory is bounded whatever peers do**, and reserved before a decision
/// is asked for. What was answered makes room for what is new; what was not is never dropped.
#[derive(Debug, Default)]
pub(crate) struct Table {
    limits: TableLimits,
    by_id: HashMap<TransactionId, Transaction>,
    by_key: HashMap<Key, TransactionId>,
    /// One entry for each transaction.
    wakes: BTreeSet<(Instant, TransactionId)>,
    /// Those that have their final answer. The first is the oldest.
    answered: BTreeSet<TransactionId>,
    bytes: usize,
    /// The part of `bytes` of those that have none.
    reserved: usize,
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

    /// Makes room for an INVITE with a head of so many bytes: the oldest that were answered
    /// are forgotten before their time. Returns how many were.
    ///
    /// # Errors
    /// [`Full`]: too many wait for their answer. Then none is forgotten.
    pub(crate) fn make_room(&mut self, head: usize) -> Result<u64, Full> {
        let (limits, charge) = (self.limits, undecided_charge(head));
        let fits = |transactions: usize, bytes: usize| {
            transactions < limits.transactions && bytes.saturating_add(charge) <= limits.bytes
        };
        if !fits(self.by_id.len() - self.answered.len(), self.reserved) {
            return Err(Full);
        }
        let mut forgotten = 0;
        while !fits(self.by_id.len(), self.bytes) {
            let oldest = self.answered.first().copied().ok_or(Full)?;
            self.remove(oldest);
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Adds a transaction whose key is not there, and for which there is room.
    pub(crate) fn add(&mut self, transaction: Transaction) -> TransactionId {
        let id = TransactionId(self.next);
        self.next += 1;
        self.bytes = self.bytes.saturating_add(transaction.charge());
        self.reserved = self.reserved.saturating_add(transaction.charge());
        self.by_key.insert(transaction.key, id);
        self.wakes.insert((transaction.wakes_at(), id));
        self.by_id.insert(id, transaction);
        id
    }

    /// Changes a transaction, and notes what it costs and when it is due then.
    pub(crate) fn change<T>(
        &mut self,
        id: TransactionId,
        change: impl FnOnce(&mut Transaction) -> T,
    ) -> Option<T> {
        let transaction = self.by_id.get_mut(&id)?;
        let (before, charge) = (transaction.wakes_at(), transaction.charge());
        let result = change(transaction);
        let after = transaction.wakes_at();
        if before != after {
            self.wakes.remove(&(before, id));
            self.wakes.insert((after, id));
        }
        self.bytes = self.bytes.saturating_sub(charge);
        self.bytes = self.bytes.saturating_add(transaction.charge());
        if transaction.is_answered() && self.answered.insert(id) {
            self.reserved = self.reserved.saturating_sub(charge);
        }
        Some(result)
    }

    pub(crate) fn remove(&mut self, id: TransactionId) {
        if let Some(transaction) = self.by_id.remove(&id) {
            self.wakes.remove(&(transaction.wakes_at(), id));
            self.by_key.remove(&transaction.key);
            self.bytes = self.bytes.saturating_sub(transaction.charge());
            if !self.answered.remove(&id) {
                self.reserved = self.reserved.saturating_sub(transaction.charge());
            }
        }
    }

    /// The transaction that is due first, and when.
    pub(crate) fn first_due(&self) -> Option<(Instant, TransactionId)> {
        self.wakes.first().copied()
    }

    /// That the indexes agree, and the limits hold.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.by_id.len(), self.by_key.len());
        assert_eq!(self.by_id.len(), self.wakes.len());
        for (id, transaction) in &self.by_id {
            assert_eq!(self.by_key.get(&transaction.key), Some(id));
            assert!(self.wakes.contains(&(transaction.wakes_at(), *id)));
            assert_eq!(self.answered.contains(id), transaction.is_answered());
        }
        assert!(self.answered.iter().all(|id| self.by_id.contains_key(id)));
        let charges = self.by_id.values().map(Transaction::charge);
        assert_eq!(self.bytes, charges.sum::<usize>());
        let undecided = self.by_id.values().filter(|known| !known.is_answered());
        let reserved: usize = undecided.map(Transaction::charge).sum();
        assert_eq!(self.reserved, reserved);
        assert!(self.bytes <= self.limits.bytes);
        assert!(self.by_id.len() <= self.limits.transactions);
    }
}
