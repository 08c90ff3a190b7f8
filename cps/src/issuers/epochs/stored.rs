//! The form in which the keys of an issuer are kept on disk. Not here: writing it there.

use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenType;
use pennyblack_privacypass::token_key::TokenKey;
use serde::{Deserialize, Serialize};

use super::{KeyEpochs, KnownKey, Unlisted};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    token_type: u16,
    key: String,
    not_before: UnixTime,
    unlisted: Option<Unlisted>,
    #[serde(default)]
    is_given_up: bool,
}

impl KeyEpochs {
    /// Most bytes of that form that are read.
    pub const MAX_JSON_SIZE: usize = 1024 * 1024;

    /// The form in which it is kept on disk.
    ///
    /// # Errors
    /// What the serializer says, as text; then the file stays as it is.
    pub fn to_json(&self) -> Result<Vec<u8>, String> {
        let keys = self.keys.iter().map(|key| StoredKey {
            token_type: key.public.token_type().0,
            key: encoding::base64url(key.public.encoded()),
            not_before: key.not_before,
            unlisted: key.unlisted,
            is_given_up: key.is_given_up,
        });
        serde_json::to_vec(&keys.collect::<Vec<_>>()).map_err(|e| e.to_string())
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, as text.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let stored: Vec<StoredKey> = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let keys = stored.into_iter().map(|key| {
            let encoded = encoding::from_base64url(&key.key).map_err(|e| e.to_string())?;
            let public = TokenKey::parse(TokenType(key.token_type), &encoded);
            Ok(KnownKey {
                public: public.map_err(|e| e.to_string())?,
                not_before: key.not_before,
                unlisted: key.unlisted,
                is_given_up: key.is_given_up,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, String>>()?;
        Ok(Self {
            acquainted: true,
            keys,
        })
    }
}
