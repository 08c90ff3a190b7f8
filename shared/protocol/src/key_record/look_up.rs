//! What a CPS answers to a look-up of key records: the records as they were
//! registered, for the client to verify (docs/protocol.md section 5).

use serde::{Deserialize, Serialize};

/// Media type of [`KeyRecordList`].
pub const KEY_RECORD_LIST_MEDIA_TYPE: &str = "application/vnd.pennyblack.key-records+json";

/// Where records are registered (`PUT`, a record as the body) and looked up:
/// `GET` this with `/{number}` behind it, or with `?prefix=` and digits.
pub const KEYS_PATH: &str = "/v1/keys";

/// Most bytes of a list that are read: some thousand records of a block.
pub const MAX_LIST_SIZE: usize = 16 * 1024 * 1024;

/// Records as they were registered: `{"records": ["eyJ…", …]}`. A number that
/// nobody has a key for has the empty list, with status 200.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecordList {
    /// Compact JWS, each to be parsed and verified.
    pub records: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_documented_form() {
        let list = KeyRecordList {
            records: vec!["a.b.c".to_owned()],
        };
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(json, r#"{"records":["a.b.c"]}"#);
        assert_eq!(serde_json::from_str::<KeyRecordList>(&json).unwrap(), list);
    }
}
