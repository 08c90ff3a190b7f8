//! What a poller asks with: how many slots, and from where on. Both are query
//! parameters of `GET /v1/mailboxes/{mailbox}` (docs/protocol.md section 4).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::HEADER_SIZE;
use crate::mailbox::Kem;
use crate::sealed::slot_size;

/// How many slots an envelope has. There are four sizes to choose from, so that
/// the choice says little about who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub enum Slots {
    /// 4 slots.
    Four,
    /// 16 slots.
    Sixteen,
    /// 64 slots.
    SixtyFour,
    /// 256 slots.
    TwoHundredFiftySix,
}

/// A number of slots that no envelope has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("slots={0} is not offered: ask for 4, 16, 64 or 256")]
pub struct SlotsError(String);

impl Slots {
    /// Every size, smallest first.
    pub const ALL: [Self; 4] = [
        Self::Four,
        Self::Sixteen,
        Self::SixtyFour,
        Self::TwoHundredFiftySix,
    ];

    /// The number of slots.
    #[must_use]
    pub const fn count(self) -> u16 {
        match self {
            Self::Four => 4,
            Self::Sixteen => 16,
            Self::SixtyFour => 64,
            Self::TwoHundredFiftySix => 256,
        }
    }

    /// Bytes of an envelope of this many slots for a mailbox of this KEM.
    #[must_use]
    pub const fn envelope_size(self, kem: Kem) -> usize {
        kem.sealing_overhead() + HEADER_SIZE + self.count() as usize * slot_size(kem)
    }
}

impl TryFrom<u16> for Slots {
    type Error = SlotsError;

    fn try_from(count: u16) -> Result<Self, SlotsError> {
        Self::ALL
            .into_iter()
            .find(|slots| slots.count() == count)
            .ok_or_else(|| SlotsError(count.to_string()))
    }
}

impl FromStr for Slots {
    type Err = SlotsError;

    /// Parses the query parameter `slots`: exactly one of the four numbers.
    fn from_str(text: &str) -> Result<Self, SlotsError> {
        Self::ALL
            .into_iter()
            .find(|slots| slots.count().to_string() == text)
            .ok_or_else(|| SlotsError(text.chars().take(8).collect()))
    }
}

impl From<Slots> for u16 {
    fn from(slots: Slots) -> Self {
        slots.count()
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
    }
}

/// A place in a mailbox: entries after it have not been seen yet. Only the CPS
/// that gave it knows what the number means; zero is the beginning.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self(0);
}

/// A cursor that is not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is a decimal number below 2^64: send back what the last envelope held")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    /// Parses the query parameter `after`: decimal digits only.
    fn from_str(text: &str) -> Result<Self, CursorError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CursorError);
        }
        text.parse().map(Self).map_err(|_| CursorError)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
