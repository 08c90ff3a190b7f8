//! What a key record answers for, as it says.

use std::fmt;

use serde_json::{Value, json};

use pennyblack_stir::Spc;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};

/// What a record says it answers for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// One number (`tn`).
    Number(TelephoneNumber),
    /// Numbers that follow each other (`range`).
    Range(NumberRange),
    /// All numbers that a provider holds by the numbering table (`spc`).
    Spc(Spc),
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Range(range) => write!(f, "{} numbers from {}", range.count(), range.start()),
            Self::Spc(spc) => write!(f, "the numbers of {spc}"),
        }
    }
}

impl Coverage {
    /// How many numbers it names, as far as it says so itself.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Number(_) => 1,
            Self::Range(range) => range.count(),
            Self::Spc(_) => u64::MAX,
        }
    }

    /// Whether it may answer for `number`: only a numbering table tells of an SPC.
    #[must_use]
    pub fn may_answer_for(&self, number: &TelephoneNumber) -> bool {
        match self {
            Self::Number(own) => own == number,
            Self::Range(range) => range.contains(number),
            Self::Spc(_) => true,
        }
    }

    /// The claim that says it, and its value.
    pub(super) fn to_claim(&self) -> (&'static str, Value) {
        match self {
            Self::Number(number) => ("tn", json!(number.to_string())),
            Self::Range(range) => (
                "range",
                json!({"start": range.start().to_string(), "count": range.count()}),
            ),
            Self::Spc(spc) => ("spc", json!(spc.to_string())),
        }
    }
}
