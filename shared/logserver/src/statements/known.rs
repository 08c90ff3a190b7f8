//! What is in the log already, as far as something can still be said about it: tokens of
//! open key epochs, which epochs were opened and closed, and key records. And where its double
//! spends are, among many entries about key records.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{KeyConfigDigest, LogEntry, ObliviousKey, Statement};
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_tlog::FULL_TILE;
use serde::{Deserialize, Serialize};

use super::records::KnownRecords;

/// Entries in a bundle.
const BUNDLE: u64 = FULL_TILE as u64;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The tokens of open epochs whose double spend is in the log.
    tokens: HashMap<TokenKeyId, HashSet<Nonce>>,
    keys: KnownKeys,
    pub(super) records: KnownRecords,
    /// The bundles of entries that have double spends among them, by their numbers.
    double_spends: BTreeSet<u64>,
}

/// What is known of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownKeys {
    opened: HashSet<TokenKeyId>,
    closed: HashSet<TokenKeyId>,
    announced: HashSet<TokenKeyId>,
    totalled: HashSet<TokenKeyId>,
    /// When the announced keys begin.
    #[serde(default)]
    begins: BTreeSet<UnixTime>,
    /// The oblivious keys that were announced.
    #[serde(default)]
    oblivious: BTreeMap<KeyConfigDigest, ObliviousKey>,
}

impl KnownKeys {
    /// Whether the opening of a key's epoch was stated, and not its closing.
    pub(crate) fn is_open(&self, id: TokenKeyId) -> bool {
        self.opened.contains(&id)
    }

    /// Whether the closing of a key's epoch was stated.
    pub(crate) fn is_closed(&self, id: TokenKeyId) -> bool {
        self.closed.contains(&id)
    }

    /// Whether a key was announced.
    pub(crate) fn is_announced(&self, id: TokenKeyId) -> bool {
        self.announced.contains(&id)
    }

    /// Whether it was stated how many tokens a key has signed.
    pub(crate) fn is_totalled(&self, id: TokenKeyId) -> bool {
        self.totalled.contains(&id)
    }

    /// When the keys begin that were announced, earliest first.
    pub(crate) fn begins(&self) -> Vec<UnixTime> {
        self.begins.iter().copied().collect()
    }

    /// Whether an oblivious key was announced.
    pub(crate) fn is_oblivious_key(&self, key_config: KeyConfigDigest) -> bool {
        self.oblivious.contains_key(&key_config)
    }

    /// When the oblivious keys begin that were announced.
    pub(crate) fn oblivious_begins(&self) -> BTreeSet<UnixTime> {
        self.oblivious.values().map(|key| key.not_before).collect()
    }

    /// What the log says of an oblivious key, or what it is to say: two of a KEM never begin
    /// at the same time, so after a seed was replaced its key begins a second later.
    pub(crate) fn as_announced(&self, key: ObliviousKey) -> ObliviousKey {
        if let Some(announced) = self.oblivious.get(&key.key_config) {
            return *announced;
        }
        let others = self.oblivious.values();
        let others = others.filter(|other| other.kem_id == key.kem_id);
        let taken: BTreeSet<UnixTime> = others.map(|other| other.not_before).collect();
        let mut not_before = key.not_before;
        while taken.contains(&not_before) {
            not_before = not_before.plus(Duration::from_secs(1));
        }
        ObliviousKey { not_before, ..key }
    }

    /// Whether a statement is in the log that is about a key.
    pub(crate) fn has(&self, statement: &Statement) -> bool {
        match statement {
            Statement::KeyEpochOpened { key, .. } => {
                let id = key.id();
                self.is_open(id) || self.is_closed(id)
            }
            Statement::KeyEpochClosed { token_key_id, .. } => self.is_closed(*token_key_id),
            Statement::TokenKeyAnnounced { key, .. } => self.is_announced(key.id()),
            Statement::IssuanceTotal { token_key_id, .. } => self.is_totalled(*token_key_id),
            Statement::ObliviousKeyAnnounced(key) => self.is_oblivious_key(key.key_config),
            _ => false,
        }
    }

    /// Takes in what is in the log now, if it is about a key.
    pub(crate) fn record(&mut self, statement: &Statement) {
        match statement {
            Statement::KeyEpochOpened { key, .. } => {
                self.opened.insert(key.id());
            }
            Statement::KeyEpochClosed { token_key_id, .. } => {
                self.opened.remove(token_key_id);
                self.closed.insert(*token_key_id);
            }
            Statement::TokenKeyAnnounced { key, not_before } => {
                self.announced.insert(key.id());
                self.begins.insert(*not_before);
            }
            Statement::IssuanceTotal { token_key_id, .. } => {
                self.totalled.insert(*token_key_id);
            }
            Statement::ObliviousKeyAnnounced(key) => {
                self.oblivious.insert(key.key_config, *key);
            }
            _ => {}
        }
    }
}

impl Known {
    /// Whether a statement is in the log, or need not be. **A token is in the log once**:
    /// its first pair of requests proves the double spend, and its holder, who can sign
    /// any number of others, cannot fill the log.
    pub(super) fn has(&self, statement: &Statement) -> bool {
        match statement {
            Statement::DoubleSpend(evidence) => {
                let token = &evidence.token;
                let epoch = self.tokens.get(&token.token_key_id);
                epoch.is_some_and(|epoch| epoch.contains(&token.nonce))
            }
            Statement::KeyRecordPublished(_) | Statement::KeyRecordEnded(_) => {
                self.records.has(statement)
            }
            about_key => self.keys.has(about_key),
        }
    }

    /// Whether a statement is about a token of a closed epoch: which of those are in the
    /// log was forgotten.
    pub(super) fn is_too_late_for(&self, statement: &Statement) -> bool {
        matches!(statement, Statement::DoubleSpend(evidence)
            if self.keys.is_closed(evidence.token.token_key_id))
    }

    /// What is known of keys.
    pub(super) const fn keys(&self) -> &KnownKeys {
        &self.keys
    }

    /// The keys that were announced and whose totals were not stated.
    pub(super) fn untotalled(&self) -> Vec<TokenKeyId> {
        let KnownKeys {
            announced,
            totalled,
            ..
        } = &self.keys;
        announced.difference(totalled).copied().collect()
    }

    /// The first bundle that has double spends and entries from `first` on: its places.
    pub(super) fn double_spends_from(&self, first: u64) -> Option<Range<u64>> {
        let number = self.double_spends.range(first / BUNDLE..).next()?;
        Some(number * BUNDLE..(number + 1) * BUNDLE)
    }

    /// The last bundle that has double spends and entries before `end`: its places.
    pub(super) fn double_spends_before(&self, end: u64) -> Option<Range<u64>> {
        let number = self
            .double_spends
            .range(..end.div_ceil(BUNDLE))
            .next_back()?;
        Some(number * BUNDLE..(number + 1) * BUNDLE)
    }

    /// Takes in what is in the log now.
    pub(super) fn record(&mut self, index: u64, entry: &LogEntry) {
        let statement = &entry.statement;
        match statement {
            Statement::DoubleSpend(evidence) => {
                self.double_spends.insert(index / BUNDLE);
                let token = &evidence.token;
                // It may have been on its way to the disk while the epoch was closed.
                if !self.is_too_late_for(statement) {
                    let epoch = self.tokens.entry(token.token_key_id).or_default();
                    epoch.insert(token.nonce);
                }
            }
            Statement::KeyEpochClosed { token_key_id, .. } => {
                self.tokens.remove(token_key_id);
            }
            _ => {}
        }
        self.records.record(index, entry.minute, statement);
        self.keys.record(statement);
    }
}

/// A byte that is the same for all statements about one token, one key or one key record.
pub(super) fn fingerprint(statement: &Statement) -> u8 {
    let [first, ..] = match statement {
        Statement::DoubleSpend(evidence) => evidence.token.nonce.0,
        Statement::KeyEpochOpened { key, .. } | Statement::TokenKeyAnnounced { key, .. } => {
            key.id().0
        }
        Statement::KeyEpochClosed { token_key_id, .. }
        | Statement::IssuanceTotal { token_key_id, .. } => token_key_id.0,
        Statement::ObliviousKeyAnnounced(key) => key.key_config.0,
        Statement::KeyRecordPublished(hash) | Statement::KeyRecordEnded(hash) => hash.0,
        _ => [0; 32],
    };
    first
}

/// A byte that is the same for all double spends of one key epoch and for its closing.
pub(super) fn epoch_of(statement: &Statement) -> Option<u8> {
    let TokenKeyId([first, ..]) = match statement {
        Statement::DoubleSpend(evidence) => evidence.token.token_key_id,
        Statement::KeyEpochClosed { token_key_id, .. } => *token_key_id,
        _ => return None,
    };
    Some(first)
}

#[cfg(test)]
mod tests {
    use pennyblack_evidence::log_entry::Minute;

    use super::*;

    #[test]
    fn bundles_with_double_spends_are_found_from_both_ends() {
        let known = Known {
            double_spends: BTreeSet::from([1, 5]),
            ..Known::default()
        };
        for (place, from, before) in [
            (0, Some(256..512), None),
            (256, Some(256..512), None),
            (257, Some(256..512), Some(256..512)),
            (512, Some(1_280..1_536), Some(256..512)),
            (1_281, Some(1_280..1_536), Some(1_280..1_536)),
            (1_536, None, Some(1_280..1_536)),
        ] {
            assert_eq!(known.double_spends_from(place), from, "from {place}");
            assert_eq!(known.double_spends_before(place), before, "before {place}");
        }
    }

    #[test]
    fn an_oblivious_key_is_known_once_it_is_stated_and_by_a_node_that_comes_back() {
        let key = |number| ObliviousKey {
            key_config: KeyConfigDigest([number; 32]),
            kem_id: 0x20,
            not_before: UnixTime(60),
            not_after: UnixTime(120),
        };
        let statement = |number| Statement::ObliviousKeyAnnounced(key(number));
        let mut known = Known::default();
        assert!(!known.has(&statement(1)));
        let entry = LogEntry {
            minute: Minute::of(UnixTime(0)),
            statement: statement(1),
        };
        known.record(0, &entry);
        assert!(known.has(&statement(1)) && !known.has(&statement(2)));
        let of = known.keys();
        assert_eq!(of.as_announced(key(1)), key(1));
        assert_eq!(of.as_announced(key(2)).not_before, UnixTime(61));
        let other_kem = ObliviousKey {
            kem_id: 0x647a,
            ..key(2)
        };
        assert_eq!(of.as_announced(other_kem), other_kem);
        assert_eq!(of.oblivious_begins(), BTreeSet::from([UnixTime(60)]));
        assert_ne!(fingerprint(&statement(1)), fingerprint(&statement(2)));
        let remembered = serde_json::to_string(known.keys()).unwrap();
        let remembered: KnownKeys = serde_json::from_str(&remembered).unwrap();
        assert!(remembered.is_oblivious_key(key(1).key_config));
        // As a node of an earlier version has it.
        let earlier = r#"{"opened":[],"closed":[],"announced":[],"totalled":[]}"#;
        assert!(serde_json::from_str::<KnownKeys>(earlier).is_ok());
    }
}
