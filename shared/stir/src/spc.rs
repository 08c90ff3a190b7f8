//! Service provider codes: the short names that a numbering authority gives to
//! carriers, and the only identity that certificates in the field carry.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest code that is accepted. Real ones have four characters, one has five.
pub const MAX_SPC_LENGTH: usize = 16;

/// Text that is not a service provider code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpcError {
    /// Nothing, or more than any registry hands out.
    #[error("a service provider code has 1 to {MAX_SPC_LENGTH} characters, not {0}")]
    Length(usize),
    /// Something other than a letter or a digit.
    #[error("{0:?} is not allowed in a service provider code")]
    Character(char),
}

/// A service provider code (RFC 8226 section 9): 1 to 16 ASCII letters and digits. It is
/// kept as it is written, and **compared without case**: in the field `683g` and `683G` are
/// two spellings of one company's code, and so one account and one line of a numbering table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Spc(String);

impl Spc {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when `text` is a spelling of this code.
    #[must_use]
    pub const fn is_spelled(&self, text: &str) -> bool {
        self.0.as_str().eq_ignore_ascii_case(text)
    }

    /// The spelling by which its holder is counted.
    #[must_use]
    pub fn in_upper_case(&self) -> Self {
        Self(self.0.to_ascii_uppercase())
    }

    fn letters(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_uppercase())
    }
}

impl PartialEq for Spc {
    fn eq(&self, other: &Self) -> bool {
        self.is_spelled(&other.0)
    }
}

impl Eq for Spc {}

impl PartialOrd for Spc {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Spc {
    fn cmp(&self, other: &Self) -> Ordering {
        self.letters().cmp(other.letters())
    }
}

impl Hash for Spc {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.in_upper_case().0.hash(state);
    }
}

impl FromStr for Spc {
    type Err = SpcError;

    fn from_str(text: &str) -> Result<Self, SpcError> {
        if text.is_empty() || text.len() > MAX_SPC_LENGTH {
            return Err(SpcError::Length(text.len()));
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric()) {
            Some(foreign) => Err(SpcError::Character(foreign)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Spc {
    type Error = SpcError;

    fn try_from(text: String) -> Result<Self, SpcError> {
        text.parse()
    }
}

impl From<Spc> for String {
    fn from(spc: Spc) -> Self {
        spc.0
    }
}

impl fmt::Display for Spc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn two_spellings_of_a_code_are_one_and_each_is_kept() {
        let [upper, lower, other]: [Spc; 3] =
            ["683G", "683g", "684G"].map(|spc| spc.parse().unwrap());
        let all = || [upper.clone(), lower.clone(), other.clone()];
        assert_eq!(upper, lower);
        assert_eq!(lower.as_str(), "683g");
        assert_eq!(all().into_iter().collect::<BTreeSet<_>>().len(), 2);
        assert_eq!(all().into_iter().collect::<HashSet<_>>().len(), 2);
        assert!(lower < other);
    }
}
