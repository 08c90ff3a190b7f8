//! Who serves which slots of a cluster, as its servers tell it. Only values; asking
//! for them, and what to do when they were wrong, is the cluster's connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redis::{RedisError, Value};

use super::slot::SLOTS;

/// Where a server of a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Where a `MOVED` or an `ASK` leads that the server at `asked` answered.
    pub(super) fn of_redirect(error: &RedisError, asked: &Self) -> Option<Self> {
        let (address, _) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            // Without a host it is the one that was asked.
            host: if host.is_empty() { &asked.host } else { host }.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// The primary of each slot, and which replicas there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// By their first slot: the last one, and the primary.
    ranges: BTreeMap<u16, (u16, Address)>,
    replicas: BTreeSet<Address>,
    /// Slots that have moved since.
    moved: BTreeMap<u16, Address>,
}

impl SlotMap {
    /// Reads what the server at `asked` answered to `CLUSTER SLOTS`. `None` if it is
    /// nothing of the kind, or knows of no slot.
    pub(super) fn parse(answer: &Value, asked: &Address) -> Option<Self> {
        let Value::Array(ranges) = answer else {
            return None;
        };
        let mut map = Self::default();
        for range in ranges {
            let Value::Array(fields) = range else {
                return None;
            };
            let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = fields.as_slice()
            else {
                return None;
            };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            if first > last || last >= SLOTS {
                return None;
            }
            map.ranges
                .insert(first, (last, parse_server(primary, asked)?));
            for replica in replicas {
                map.replicas.insert(parse_server(replica, asked)?);
            }
        }
        (!map.ranges.is_empty()).then_some(map)
    }

    /// What most of these say of the primaries; the earlier ones among as many.
    pub(super) fn of_most(told: &[Self]) -> Option<Self> {
        let votes = |map: &Self| {
            told.iter()
                .filter(|other| other.ranges == map.ranges)
                .count()
        };
        told.iter().rev().max_by_key(|map| votes(map)).cloned()
    }

    /// The primary of a slot.
    pub(super) fn primary_of(&self, slot: u16) -> Option<&Address> {
        let in_range = || {
            let (_, (last, address)) = self.ranges.range(..=slot).next_back()?;
            (slot <= *last).then_some(address)
        };
        self.moved.get(&slot).or_else(in_range)
    }

    /// Notes that a slot is elsewhere now.
    pub(super) fn record_moved(&mut self, slot: u16, to: Address) {
        self.moved.insert(slot, to);
    }

    /// Every primary that serves slots.
    pub(super) fn primaries(&self) -> BTreeSet<Address> {
        let ranges = self.ranges.values().map(|(_, address)| address);
        ranges.chain(self.moved.values()).cloned().collect()
    }

    /// Every server.
    pub(super) fn servers(&self) -> BTreeSet<Address> {
        let mut all = self.primaries();
        all.extend(self.replicas.iter().cloned());
        all
    }
}

/// Host, port, and more: the host is nil or empty where it is the one that was asked,
/// or where the server does not know it.
fn parse_server(value: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(fields) = value else {
        return None;
    };
    let [host, Value::Int(port), ..] = fields.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text.as_str(),
        Value::Nil => "",
        _ => return None,
    };
    let is_told = !host.is_empty() && host != "?";
    Some(Address {
        host: if is_told { host } else { &asked.host }.to_owned(),
        port: u16::try_from(*port).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(port: u16) -> Address {
        let host = "10.0.0.1".to_owned();
        Address { host, port }
    }

    fn server(host: Value, port: u16) -> Value {
        Value::Array(vec![host, Value::Int(port.into())])
    }

    fn range(first: i64, last: i64, servers: Vec<Value>) -> Value {
        let mut fields = vec![Value::Int(first), Value::Int(last)];
        fields.extend(servers);
        Value::Array(fields)
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn slots_are_looked_up_and_an_unknown_host_is_the_one_that_was_asked() {
        let answer = Value::Array(vec![
            range(0, 99, vec![server(Value::Nil, 1), server(text(""), 2)]),
            range(200, 16_383, vec![server(text("10.0.0.2"), 3)]),
        ]);
        let mut map = SlotMap::parse(&answer, &address(9)).unwrap();
        assert_eq!(map.primary_of(0), Some(&address(1)));
        assert_eq!(map.primary_of(99), Some(&address(1)));
        assert_eq!(map.primary_of(100), None);
        assert_eq!(map.primary_of(16_383).unwrap().to_string(), "10.0.0.2:3");
        assert_eq!(map.servers().len(), 3);
        map.record_moved(99, address(7));
        assert_eq!(map.primary_of(98), Some(&address(1)));
        assert_eq!(map.primary_of(99), Some(&address(7)));
        assert_eq!(map.primaries().len(), 3);
    }

    #[test]
    fn what_is_no_slot_map_is_refused() {
        let one = || vec![server(text("a"), 1)];
        for answer in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(5, 4, one())]),
            Value::Array(vec![range(0, 16_384, one())]),
            Value::Array(vec![range(-1, 4, one())]),
            Value::Array(vec![range(0, 4, vec![])]),
            Value::Array(vec![range(0, 4, vec![text("a")])]),
        ] {
            assert_eq!(SlotMap::parse(&answer, &address(1)), None, "{answer:?}");
        }
    }

    #[test]
    fn most_decide_and_among_as_many_the_first() {
        let map = |port| {
            let answer = Value::Array(vec![range(0, 9, vec![server(text("a"), port)])]);
            SlotMap::parse(&answer, &address(1)).unwrap()
        };
        let max = SlotMap::of_most(&[map(1), map(2), map(3), map(2)]);
        assert_eq!(max, Some(map(2)));
        assert_eq!(SlotMap::of_most(&[map(4), map(5)]), Some(map(4)));
        assert_eq!(SlotMap::of_most(&[]), None);
    }

    proptest! {
        #[test]
        fn every_slot_of_a_range_has_its_primary(first in 0..SLOTS, length in 0..SLOTS, slot in 0..SLOTS) {
            let last = first.saturating_add(length).min(SLOTS - 1);
            let answer = Value::Array(vec![
                range(first.into(), last.into(), vec![server(text("a"), 1)]),
            ]);
            let map = SlotMap::parse(&answer, &address(1)).unwrap();
            prop_assert_eq!(map.primary_of(slot).is_some(), (first..=last).contains(&slot));
        }
    }
}
