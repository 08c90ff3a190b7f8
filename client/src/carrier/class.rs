//! The class of a carrier: how many tokens it draws of each token key, whatever it spends.
//! Not here: when it draws them (`schedule`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most tokens of a class.
const MAX: u64 = 1 << 24;

/// A power of two, up to 2^24. Carriers whose needs differ by less than a factor of two are
/// in one class, and all that an issuer sees of their needs is the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct Class(u64);

/// A number that is no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no class: a class is a power of two up to {MAX}, so that carriers share it; set the \
     smallest that is not below what you spend in your busiest epoch"
)]
pub struct ClassError(u64);

impl Class {
    /// Tokens for each token key.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.0
    }
}

impl Default for Class {
    fn default() -> Self {
        Self(4_096)
    }
}

impl TryFrom<u64> for Class {
    type Error = ClassError;

    fn try_from(tokens: u64) -> Result<Self, ClassError> {
        let is_class = tokens.is_power_of_two() && tokens <= MAX;
        is_class.then_some(Self(tokens)).ok_or(ClassError(tokens))
    }
}

impl From<Class> for u64 {
    fn from(class: Class) -> Self {
        class.0
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_power_of_two() {
        for tokens in [1, 64, 4_096, MAX] {
            assert_eq!(Class::try_from(tokens).map(Class::tokens), Ok(tokens));
        }
        for tokens in [0, 3, 4_095, 10_000, MAX * 2, u64::MAX] {
            assert_eq!(Class::try_from(tokens), Err(ClassError(tokens)));
        }
    }
}
