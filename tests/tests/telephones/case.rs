//! A case: what is called, and what must be seen of it.

use std::ops::RangeInclusive;

/// What stands for the caller's number in a header.
pub(super) const NUMBER: &str = "NUMBER";

/// Milliseconds from INVITE to 180 of a call that nothing holds up. It takes 10 to 40 on a
/// quiet machine; here nobody measures.
const PROMPT: RangeInclusive<u64> = 0..=4_000;

/// One or more calls of one kind.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether From has the caller's number; else it is anonymous.
    pub(super) from_number: bool,
    /// The user part of the called URI.
    pub(super) to: Option<&'static str>,
    pub(super) header: Option<&'static str>,
    /// Whether the callee must see a verdict of Passed; else No-TN-Validation.
    pub(super) passes: bool,
    /// Whether the gateway must sign it, and spend a token on it.
    pub(super) signs: bool,
    /// Milliseconds to the 180.
    pub(super) delay: RangeInclusive<u64>,
    /// What the proxy that signs must write about it.
    pub(super) writes: Option<&'static str>,
    pub(super) count: u32,
    pub(super) rate: u32,
}

impl Case {
    /// A call that is signed, found out of band, and passes.
    pub(super) const fn passes(name: &'static str) -> Self {
        Self {
            name,
            from_number: true,
            to: None,
            header: None,
            passes: true,
            signs: true,
            delay: PROMPT,
            writes: None,
            count: 1,
            rate: 50,
        }
    }

    /// A call that goes on unsigned, and without a verdict.
    pub(super) const fn goes_on(name: &'static str) -> Self {
        Self {
            passes: false,
            signs: false,
            ..Self::passes(name)
        }
    }

    /// It is signed all the same.
    pub(super) const fn signed(self) -> Self {
        Self {
            signs: true,
            ..self
        }
    }

    pub(super) const fn anonymous(self) -> Self {
        Self {
            from_number: false,
            ..self
        }
    }

    pub(super) const fn to(self, user: &'static str) -> Self {
        Self {
            to: Some(user),
            ..self
        }
    }

    pub(super) const fn with(self, header: &'static str) -> Self {
        Self {
            header: Some(header),
            ..self
        }
    }

    pub(super) const fn rings_after(self, delay: RangeInclusive<u64>) -> Self {
        Self { delay, ..self }
    }

    pub(super) const fn writes(self, words: &'static str) -> Self {
        Self {
            writes: Some(words),
            ..self
        }
    }

    pub(super) const fn many(self, count: u32, rate: u32) -> Self {
        Self {
            count,
            rate,
            ..self
        }
    }
}
