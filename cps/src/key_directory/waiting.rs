//! Stored records that nobody can verify at present, and how much room they take: each
//! registration asks for that, so it is not added up each time.

use std::collections::BTreeMap;

use super::index::Waiting;

/// The records, by the names of their files.
#[derive(Debug, Default)]
pub(super) struct WaitingRecords {
    records: BTreeMap<String, String>,
    /// Of all of them.
    bytes: u64,
}

impl WaitingRecords {
    /// How much room they take.
    pub(super) fn size(&self) -> Waiting {
        Waiting {
            records: self.records.len(),
            bytes: self.bytes,
        }
    }

    /// A copy of their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.records.keys().cloned().collect()
    }

    /// Their texts.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.records.values().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.records.get(name).map(String::as_str)
    }

    /// Takes one out, with its name.
    pub(super) fn take(&mut self, name: &str) -> Option<(String, String)> {
        let taken = self.records.remove_entry(name);
        let bytes = taken.as_ref().map_or(0, |(_, token)| size_of(token));
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }
}

impl Extend<(String, String)> for WaitingRecords {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, records: I) {
        for (name, token) in records {
            self.take(&name);
            self.bytes = self.bytes.saturating_add(size_of(&token));
            self.records.insert(name, token);
        }
    }
}

const fn size_of(token: &str) -> u64 {
    token.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_waiting_records_is_that_of_those_that_are_there() {
        let mut waiting = WaitingRecords::default();
        let record = |name: &str, bytes| (name.to_owned(), "x".repeat(bytes));
        let size = |waiting: &WaitingRecords| {
            let Waiting { records, bytes } = waiting.size();
            (records, bytes)
        };
        waiting.extend([record("a", 5), record("b", 7)]);
        assert_eq!(size(&waiting), (2, 12));
        // One of the same name takes its place.
        waiting.extend([record("a", 3)]);
        assert_eq!(size(&waiting), (2, 10));
        assert_eq!(waiting.take("none"), None);
        assert_eq!(waiting.take("b"), Some(record("b", 7)));
        assert_eq!(size(&waiting), (1, 3));
        assert_eq!(waiting.get("a"), Some("xxx"));
        assert_eq!(waiting.names(), ["a"]);
    }
}
