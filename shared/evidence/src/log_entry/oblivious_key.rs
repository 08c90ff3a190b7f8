//! The statement that a CPS opens oblivious requests with a key (docs/protocol.md section
//! 8.4). Not here: the key, which readers of logs need not parse.

use std::fmt;

use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// SHA-256 of a key configuration (RFC 9458 section 3.1). In text it is unpadded base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyConfigDigest(pub [u8; 32]);

impl fmt::Display for KeyConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64url(&self.0))
    }
}

impl fmt::Debug for KeyConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyConfigDigest({self})")
    }
}

impl Serialize for KeyConfigDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyConfigDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = encoding::from_base64url(&text).map_err(de::Error::custom)?;
        let digest = bytes.try_into();
        digest
            .map(Self)
            .map_err(|_| de::Error::custom("a digest of a key configuration has 32 bytes"))
    }
}

/// What a log says of one key: good while `not_before <= now < not_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObliviousKey {
    /// Which key configuration.
    pub key_config: KeyConfigDigest,
    /// The identifier of its HPKE KEM, of which a reader need not know more.
    pub kem_id: u16,
    /// When its epoch begins.
    pub not_before: UnixTime,
    /// When it is not accepted any more.
    pub not_after: UnixTime,
}

impl ObliviousKey {
    /// Whether requests may be sealed to it now.
    #[must_use]
    pub fn is_good(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}
