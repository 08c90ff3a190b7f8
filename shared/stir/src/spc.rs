//! Service provider codes: the short names that a numbering authority gives to
//! carriers, and the only identity that certificates in the field carry.

use std::fmt;
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
    #[error("{0:?} does not belong into a service provider code")]
    Character(char),
}

/// A service provider code (RFC 8226 section 9): 1 to 16 ASCII letters and
/// digits, compared exactly. Some real ones are lower-case, and are others than
/// their upper-case twins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Spc(String);

impl Spc {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code by which its holder is counted: codes that differ in case alone are
    /// two that certificates may name, and one account.
    #[must_use]
    pub(crate) fn in_upper_case(&self) -> Self {
        Self(self.0.to_ascii_uppercase())
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
