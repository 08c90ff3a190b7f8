//! Rosters of which each follows the one before: it names its predecessor's text, and is signed
//! by enough of its predecessor's governors and by enough of its own (the root rule of TUF). A
//! roster that has ended still says who may sign the next; only the one to go by must be current.

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;

use super::governors::GovernorsError;
use super::pin::{Pin, Sequence};
use super::position::Position;
use super::signed::SignedRoster;
use super::validity::Standing;

/// A roster that is not the next, or not the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// It is not the one that is trusted.
    #[error(
        "roster {} is not the pinned one: its pin is {offered}, and {pinned} was demanded; \
         compare the pin with the governors'",
        offered.sequence
    )]
    NotPinned {
        /// The pin of this one.
        offered: Pin,
        /// The pin that was demanded.
        pinned: Pin,
    },
    /// It is of another federation.
    #[error("roster {sequence} is of {found}, and the rosters before it are of {expected}")]
    OtherFederation {
        /// Its sequence.
        sequence: Sequence,
        /// What it says.
        found: Authority,
        /// What it should say.
        expected: Authority,
    },
    /// It follows another roster than the one that is there.
    #[error(
        "roster {sequence} follows another roster {} than the one that is there, whose pin is \
         {before}: one of the two is part of a fork",
        before.sequence
    )]
    OtherPredecessor {
        /// Its sequence.
        sequence: Sequence,
        /// The pin of the one that is there.
        before: Pin,
    },
    /// Too few have signed it, or a signature is not good.
    #[error("roster {sequence} lacks signatures by the governors of {by}: {error}")]
    NotSigned {
        /// Its sequence.
        sequence: Sequence,
        /// Whose governors.
        by: String,
        /// What lacks.
        error: GovernorsError,
    },
    /// One between is missing.
    #[error("after roster {last} comes {}, not {found}: each successor is needed", last.next())]
    Gap {
        /// The last.
        last: Sequence,
        /// What came.
        found: Sequence,
    },
    /// It is from before the first that is trusted.
    #[error("roster {found} is older than {first}, with which trust begins")]
    BeforeFirst {
        /// The first.
        first: Sequence,
        /// What came.
        found: Sequence,
    },
    /// The governors have signed two rosters with one sequence.
    #[error(
        "the federation is forked: its governors have signed two rosters {}, {} and {}; show \
         both to all its members",
        .0.sequence(), .0.pin(), .1.pin()
    )]
    Fork(Box<SignedRoster>, Box<SignedRoster>),
}

/// What was made of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is the last now.
    Added,
    /// It was there.
    Known,
}

/// Verified rosters, the oldest first, and at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    first: SignedRoster,
    successors: Vec<SignedRoster>,
}

impl Chain {
    /// Begins with the pinned roster.
    ///
    /// # Errors
    /// [`ChainError::NotPinned`] and [`ChainError::NotSigned`].
    pub fn begin(pin: &Pin, first: SignedRoster) -> Result<Self, ChainError> {
        if first.pin() != *pin {
            return Err(ChainError::NotPinned {
                offered: first.pin(),
                pinned: *pin,
            });
        }
        Self::begin_unpinned(first)
    }

    /// The same for one that needs no trust: who serves rosters believes nothing of them.
    ///
    /// # Errors
    /// [`ChainError::NotSigned`].
    pub fn begin_unpinned(first: SignedRoster) -> Result<Self, ChainError> {
        require_signed(&first, &first)?;
        Ok(Self {
            first,
            successors: Vec::new(),
        })
    }

    /// The roster with which trust begins.
    #[must_use]
    pub const fn first(&self) -> &SignedRoster {
        &self.first
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> &SignedRoster {
        self.successors.last().unwrap_or(&self.first)
    }

    /// All, the oldest first.
    pub fn rosters(&self) -> impl Iterator<Item = &SignedRoster> {
        std::iter::once(&self.first).chain(&self.successors)
    }

    /// The one with this sequence.
    #[must_use]
    pub fn get(&self, sequence: Sequence) -> Option<&SignedRoster> {
        match sequence.get().checked_sub(self.first.sequence().get())? {
            0 => Some(&self.first),
            place => self.successors.get(usize::try_from(place - 1).ok()?),
        }
    }

    /// Whether any of these rosters has begun.
    pub(crate) fn has_begun(&self, now: UnixTime) -> bool {
        self.in_force(now).roster().validity.standing(now) != Standing::NotYet
    }

    /// The roster to go by: the newest that has begun. **One that begins later takes nothing
    /// from the one before it until then**: governors sign a successor ahead of time. The first,
    /// if none has begun.
    #[must_use]
    pub fn in_force(&self, now: UnixTime) -> &SignedRoster {
        let standing = |one: &&SignedRoster| one.roster().validity.standing(now);
        let begun = self
            .rosters()
            .filter(|one| standing(one) != Standing::NotYet);
        begun.last().unwrap_or_else(|| self.first())
    }

    /// Takes in a roster that somebody showed: the next one, or one that is there.
    ///
    /// # Errors
    /// [`ChainError`]; then nothing has changed.
    pub fn offer(&mut self, offered: SignedRoster) -> Result<Offered, ChainError> {
        let (first, last) = (self.first.sequence(), self.last().sequence());
        let found = offered.sequence();
        if found < first {
            return Err(ChainError::BeforeFirst { first, found });
        }
        match self.get(found) {
            Some(known) if known.digest() == offered.digest() => return Ok(Offered::Known),
            Some(known) if found == first => {
                return Err(ChainError::NotPinned {
                    offered: offered.pin(),
                    pinned: known.pin(),
                });
            }
            Some(known) => {
                self.require_follows(&offered)?;
                return Err(ChainError::Fork(known.clone().into(), offered.into()));
            }
            None if found != last.next() => return Err(ChainError::Gap { last, found }),
            None => {}
        }
        self.require_follows(&offered)?;
        self.successors.push(offered);
        Ok(Offered::Added)
    }

    /// Verifies a roster whose predecessor is here.
    fn require_follows(&self, offered: &SignedRoster) -> Result<(), ChainError> {
        let sequence = offered.sequence();
        let before = sequence.before().and_then(|before| self.get(before));
        let before = before.unwrap_or_else(|| self.last());
        if before.roster().origin != offered.roster().origin {
            return Err(ChainError::OtherFederation {
                sequence,
                found: offered.roster().origin.clone(),
                expected: before.roster().origin.clone(),
            });
        }
        if offered.roster().position != Position::After(before.pin()) {
            let before = before.pin();
            return Err(ChainError::OtherPredecessor { sequence, before });
        }
        require_signed(offered, before)?;
        match offered.roster().governors == before.roster().governors {
            true => Ok(()),
            false => require_signed(offered, offered),
        }
    }
}

/// Verifies that enough of the governors of `by` have signed `roster`.
fn require_signed(roster: &SignedRoster, by: &SignedRoster) -> Result<(), ChainError> {
    let signed = by.roster().governors.require_signed(roster.note());
    signed.map_err(|error| ChainError::NotSigned {
        sequence: roster.sequence(),
        by: match by.sequence() == roster.sequence() {
            true => "that roster itself".to_owned(),
            false => format!("roster {}, its predecessor", by.sequence()),
        },
        error,
    })
}
