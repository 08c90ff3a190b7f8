//! An issuer's directory: where to ask and with which keys it signs (RFC 9578
//! section 4). Not here: fetching it, and which of the keys to use when.

use serde::{Deserialize, Serialize};

use crate::token::{TokenKeyId, TokenType};
use pennyblack_base::encoding::{self, Base64Error};
use pennyblack_base::time::UnixTime;

pub use pennyblack_base::service_paths::{
    ISSUER_DIRECTORY_MEDIA_TYPE as MEDIA_TYPE, ISSUER_DIRECTORY_PATH as WELL_KNOWN_PATH,
};

/// Longest directory that is read, in bytes.
pub const MAX_SIZE: usize = 64 * 1024;

/// Text that is not a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Longer than any honest directory.
    #[error("an issuer directory has at most {MAX_SIZE} bytes, not {0}")]
    TooLong(usize),
    /// Not JSON, or a member is missing or of the wrong kind.
    #[error("the issuer directory is not what RFC 9578 section 4 describes: {0}")]
    Json(#[from] serde_json::Error),
    /// A key that is not base64url.
    #[error("token key {index} of the issuer directory: {error}")]
    Key {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong.
        error: Base64Error,
    },
}

/// An issuer's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerDirectory {
    /// Where to send token requests: a path, or an absolute URL.
    pub request_uri: String,
    /// The keys, in the issuer's order.
    pub token_keys: Vec<DirectoryKey>,
}

/// One key of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryKey {
    /// What it signs.
    pub token_type: TokenType,
    /// Its encoding; for blind RSA a SubjectPublicKeyInfo, not yet checked.
    pub encoded: Vec<u8>,
    /// From when on it is used; at once, when the directory does not say.
    pub not_before: Option<UnixTime>,
}

impl DirectoryKey {
    /// SHA-256 of the encoding.
    #[must_use]
    pub fn id(&self) -> TokenKeyId {
        TokenKeyId::of(&self.encoded)
    }
}

#[derive(Serialize, Deserialize)]
struct DirectoryJson {
    #[serde(rename = "issuer-request-uri")]
    request_uri: String,
    #[serde(rename = "token-keys")]
    token_keys: Vec<KeyJson>,
}

#[derive(Serialize, Deserialize)]
struct KeyJson {
    #[serde(rename = "token-type")]
    token_type: u16,
    #[serde(rename = "token-key")]
    token_key: String,
    #[serde(
        rename = "not-before",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    not_before: Option<UnixTime>,
}

impl IssuerDirectory {
    /// Parses the JSON; unknown members are passed over, keys may be padded or not.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn parse(json: &[u8]) -> Result<Self, DirectoryError> {
        if json.len() > MAX_SIZE {
            return Err(DirectoryError::TooLong(json.len()));
        }
        let directory: DirectoryJson = serde_json::from_slice(json)?;
        let token_keys = directory.token_keys.into_iter().enumerate();
        Ok(Self {
            request_uri: directory.request_uri,
            token_keys: token_keys
                .map(|(index, key)| {
                    Ok(DirectoryKey {
                        token_type: TokenType(key.token_type),
                        encoded: encoding::from_base64url_any_padding(&key.token_key)
                            .map_err(|error| DirectoryError::Key { index, error })?,
                        not_before: key.not_before,
                    })
                })
                .collect::<Result<_, DirectoryError>>()?,
        })
    }

    /// The JSON, with padded keys.
    ///
    /// # Errors
    /// [`DirectoryError::Json`], which does not happen with these types.
    pub fn to_json(&self) -> Result<Vec<u8>, DirectoryError> {
        Ok(serde_json::to_vec(&DirectoryJson {
            request_uri: self.request_uri.clone(),
            token_keys: self
                .token_keys
                .iter()
                .map(|key| KeyJson {
                    token_type: key.token_type.0,
                    token_key: encoding::base64url_padded(&key.encoded),
                    not_before: key.not_before,
                })
                .collect(),
        })?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_9578_is_read() {
        let directory = IssuerDirectory::parse(
            br#"{
                "issuer-request-uri": "https://issuer.example.net/request",
                "token-keys": [
                  { "token-type": 2, "token-key": "MA==", "not-before": 1686913811 },
                  { "token-type": 2, "token-key": "MA", "extra": [] }
                ],
                "more": {}
            }"#,
        )
        .unwrap();
        assert_eq!(directory.request_uri, "https://issuer.example.net/request");
        let times: Vec<_> = directory.token_keys.iter().map(|k| k.not_before).collect();
        assert_eq!(times, [Some(UnixTime(1_686_913_811)), None]);
        assert_eq!(directory.token_keys[0].encoded, [0x30]);
        assert_eq!(directory.token_keys[0].id(), directory.token_keys[1].id());
    }

    #[test]
    fn a_token_type_in_quotes_is_refused() {
        let json =
            br#"{"issuer-request-uri":"/t","token-keys":[{"token-type":"2","token-key":""}]}"#;
        assert!(matches!(
            IssuerDirectory::parse(json),
            Err(DirectoryError::Json(_))
        ));
    }

    #[test]
    fn an_endless_directory_is_refused_unread() {
        let json = vec![b' '; MAX_SIZE + 1];
        assert!(matches!(
            IssuerDirectory::parse(&json),
            Err(DirectoryError::TooLong(_))
        ));
    }

    proptest! {
        #[test]
        fn a_directory_comes_back_as_it_went(
            keys in proptest::collection::vec(
                (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..400), any::<Option<u64>>()),
                0..4,
            ),
        ) {
            let directory = IssuerDirectory {
                request_uri: "/token-request".to_owned(),
                token_keys: keys
                    .into_iter()
                    .map(|(token_type, encoded, not_before)| DirectoryKey {
                        token_type: TokenType(token_type),
                        encoded,
                        not_before: not_before.map(UnixTime),
                    })
                    .collect(),
            };
            let json = directory.to_json().unwrap();
            prop_assert_eq!(IssuerDirectory::parse(&json).unwrap(), directory);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = IssuerDirectory::parse(&bytes);
        }
    }
}
