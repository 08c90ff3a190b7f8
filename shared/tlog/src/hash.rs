//! The hashes of a log's Merkle tree: SHA-256, with a byte in front that tells
//! leaves from nodes (RFC 6962 section 2.1). Not here: which hash goes where.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use pennyblack_base::encoding::{self, Base64Error};

/// Bytes of a hash.
pub const HASH_SIZE: usize = 32;

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// A hash in a log's Merkle tree. As text it is standard base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; HASH_SIZE]);

/// Text that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Not base64.
    #[error("a hash: {0}")]
    Text(#[from] Base64Error),
    /// Not 32 bytes.
    #[error("a hash has {HASH_SIZE} bytes, not {0}")]
    Size(usize),
}

impl Hash {
    /// The root of the tree without leaves: the hash of nothing.
    #[must_use]
    pub fn of_empty_tree() -> Self {
        Self(encoding::sha256(b""))
    }

    /// The hash of an entry.
    #[must_use]
    pub fn of_leaf(entry: &[u8]) -> Self {
        let hasher = Sha256::new().chain_update(LEAF).chain_update(entry);
        Self(hasher.finalize().into())
    }

    /// The hash of the node above two.
    #[must_use]
    pub fn of_node(left: Self, right: Self) -> Self {
        let hasher = Sha256::new().chain_update(NODE);
        let hasher = hasher.chain_update(left.0).chain_update(right.0);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::base64_standard(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = encoding::from_base64_standard(text)?;
        let size = bytes.len();
        let bytes = bytes.try_into().map_err(|_| HashError::Size(size))?;
        Ok(Self(bytes))
    }
}
