//! What a CPS answers to a look-up of key records: the records as they were
//! registered, for the client to verify (docs/protocol.md section 5).

use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::MAX_KEY_RECORD_SIZE;

/// Media type of [`KeyRecordList`].
pub const KEY_RECORD_LIST_MEDIA_TYPE: &str = "application/vnd.pennyblack.key-records+json";

/// Where records are registered (`PUT`, a record as the body) and looked up:
/// `GET` this with `/{number}` behind it, or with `?prefix=` and digits.
pub const KEYS_PATH: &str = "/v1/keys";

/// Most records in the answer for one number.
pub const MAX_RECORDS_OF_NUMBER: usize = 32;

/// Most records of one block of numbers in the answer for a prefix. Fewer than of a number:
/// a prefix has as many blocks as numbers, and whose certificate holds a thousand of them
/// must not fill all pages.
pub const MAX_RECORDS_OF_BLOCK: usize = 8;

/// Records after which a page of a prefix has no more blocks.
pub const MAX_PAGE_RECORDS: usize = 1_000;

/// The lengths of pages of a prefix, padded with spaces. Each fits, with the head of its
/// answer, one length of Oblivious HTTP (docs/protocol.md section 8.3), so a relay sees no
/// more than which of four it is.
pub const PAGE_SIZES: [usize; 4] = [32 * 1024, 128 * 1024, 512 * 1024, LONGEST_PAGE];

/// The longest page.
const LONGEST_PAGE: usize = 1024 * 1024;

/// Bytes of records after which a page of a prefix has no more blocks: with the block that
/// reaches them, and what JSON adds, it is no longer than the longest of [`PAGE_SIZES`].
pub const MAX_PAGE_BYTES: usize = LONGEST_PAGE
    - MAX_RECORDS_OF_BLOCK * MAX_KEY_RECORD_SIZE
    - 4 * (MAX_PAGE_RECORDS + MAX_RECORDS_OF_BLOCK)
    - 1024;

/// How long a page may be kept, in seconds. A key that is published meanwhile is found so
/// much later, and one that is withdrawn used so much longer.
pub const PAGE_MAX_AGE: u64 = 3_600;

/// Most records in one answer: a page, and one more block.
pub const MAX_RECORDS_OF_LIST: usize = MAX_PAGE_RECORDS + MAX_RECORDS_OF_NUMBER;

/// Most bytes of an answer that are read. All records that a number may have are half of it.
pub const MAX_LIST_SIZE: usize = LONGEST_PAGE;

/// How long a page of so many bytes is with its padding; nothing if it is longer than any.
#[must_use]
pub fn padded_page_size(size: usize) -> Option<usize> {
    PAGE_SIZES.into_iter().find(|padded| size <= *padded)
}

/// Records as they were registered: `{"records": ["eyJ…", …]}`. A number that
/// nobody has a key for has the empty list, with status 200.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecordList {
    /// Compact JWS, each to be parsed and verified; the most specific first. A list with
    /// more than [`MAX_RECORDS_OF_LIST`] is not read to its end.
    #[serde(deserialize_with = "bounded")]
    pub records: Vec<String>,
    /// Of a page of a prefix that more follow: `after` of the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Reads a list, up to the first record too many: no room is made for what follows.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Records;

    impl<'de> Visitor<'de> for Records {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_RECORDS_OF_LIST} records")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut records = Vec::new();
            while let Some(record) = list.next_element()? {
                if records.len() == MAX_RECORDS_OF_LIST {
                    return Err(A::Error::invalid_length(records.len() + 1, &self));
                }
                records.push(record);
            }
            Ok(records)
        }
    }

    deserializer.deserialize_seq(Records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_documented_form() {
        let mut list = KeyRecordList {
            records: vec!["a.b.c".to_owned()],
            next: None,
        };
        for (next, expected) in [
            (None, r#"{"records":["a.b.c"]}"#),
            (Some("11-1215"), r#"{"records":["a.b.c"],"next":"11-1215"}"#),
        ] {
            list.next = next.map(str::to_owned);
            let json = serde_json::to_string(&list).unwrap();
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<KeyRecordList>(&json).unwrap(), list);
        }
    }

    #[test]
    fn the_longest_page_fits_the_longest_of_the_lengths() {
        let record = "x".repeat(MAX_KEY_RECORD_SIZE);
        let before = MAX_PAGE_BYTES.div_ceil(MAX_KEY_RECORD_SIZE);
        let list = KeyRecordList {
            records: vec![record; before + MAX_RECORDS_OF_BLOCK - 1],
            next: Some("15-121255501001234".to_owned()),
        };
        let size = serde_json::to_vec(&list).unwrap().len();
        assert_eq!(padded_page_size(size), Some(LONGEST_PAGE), "{size}");
        let small = "x".repeat(MAX_PAGE_BYTES / MAX_PAGE_RECORDS + 1);
        let many = KeyRecordList {
            records: vec![small; MAX_PAGE_RECORDS + MAX_RECORDS_OF_BLOCK - 1],
            next: list.next,
        };
        let size = serde_json::to_vec(&many).unwrap().len();
        assert!(padded_page_size(size).is_some(), "{size}");
        assert_eq!(padded_page_size(0), Some(PAGE_SIZES[0]));
        assert_eq!(padded_page_size(PAGE_SIZES[0] + 1), Some(PAGE_SIZES[1]));
        assert_eq!(padded_page_size(LONGEST_PAGE + 1), None);
    }

    #[test]
    fn a_list_of_too_many_records_is_not_read_to_its_end() {
        let list = |count: usize| {
            let records = vec!["\"a\""; count].join(",");
            let json = format!(r#"{{"records":[{records}]}}"#);
            serde_json::from_str::<KeyRecordList>(&json)
        };
        let full = list(MAX_RECORDS_OF_LIST).unwrap();
        assert_eq!(full.records.len(), MAX_RECORDS_OF_LIST);
        let refused = list(10 * MAX_RECORDS_OF_LIST).unwrap_err();
        assert!(refused.to_string().contains("1033"), "{refused}");
    }
}
