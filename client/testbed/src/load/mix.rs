//! What a run is made of: operations, in which proportion, in which order. Not
//! here: when each of them begins (`pace`).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The largest sum of all shares.
const MAX_SHARES: u32 = 1000;

/// What is asked of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A batch of tokens from the issuer (docs/protocol.md section 2).
    Draw,
    /// A sealed PASSporT into a mailbox, paid for with a token (section 3).
    Store,
    /// A page of a mailbox (section 4).
    Retrieve,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draw => "draw",
            Self::Store => "store",
            Self::Retrieve => "retrieve",
        })
    }
}

/// Text that says no mix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixError {
    /// A part that is not an operation with its share.
    #[error("{0:?} is not an operation with its share, such as store=4 (draw, store, retrieve)")]
    Part(String),
    /// The same operation twice.
    #[error("{0} stands there twice")]
    Twice(Operation),
    /// Nothing to do, or shares that are too large.
    #[error("the shares add up to {0}; make it 1 to {MAX_SHARES}")]
    Sum(u64),
}

/// In which proportion the operations occur.
///
/// As text: `draw=1,store=8,retrieve=16`. An operation that is not named does
/// not occur; one that is named without a share has share 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    draw: u32,
    store: u32,
    /// Sum of all three shares, at least 1.
    period: u32,
    /// Parts of a period between two neighbours of the order; no divisor of the
    /// period but 1 divides it, so that a period visits each place once.
    stride: u32,
}

impl Mix {
    /// With these shares.
    ///
    /// # Errors
    /// [`MixError::Sum`].
    pub fn new(draw: u32, store: u32, retrieve: u32) -> Result<Self, MixError> {
        let sum = u64::from(draw) + u64::from(store) + u64::from(retrieve);
        let period = u32::try_from(sum).unwrap_or(u32::MAX);
        if !(1..=MAX_SHARES).contains(&period) {
            return Err(MixError::Sum(sum));
        }
        Ok(Self {
            draw,
            store,
            period,
            stride: spreading_stride(period),
        })
    }

    /// Which operation the request with this number is. Each stands in every
    /// period as often as its share says, spread evenly: steps of about the
    /// golden section leave no two of a kind closer than need be.
    #[must_use]
    pub const fn operation(&self, index: u64) -> Operation {
        let period = self.period as u64;
        let place = (index % period) * self.stride as u64 % period;
        if place < self.draw as u64 {
            Operation::Draw
        } else if place < self.draw as u64 + self.store as u64 {
            Operation::Store
        } else {
            Operation::Retrieve
        }
    }

    /// How many of the first `requests` are this operation.
    #[must_use]
    pub fn count(&self, operation: Operation, requests: u64) -> u64 {
        let period = u64::from(self.period);
        let occurrences = |end: u64| {
            let places = (0..end).filter(|index| self.operation(*index) == operation);
            places.count() as u64
        };
        (requests / period) * occurrences(period) + occurrences(requests % period)
    }

    /// Whether this operation occurs at all.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        self.count(operation, u64::from(self.period)) > 0
    }
}

/// The largest stride not above the golden section of `period` that has no
/// divisor in common with it.
fn spreading_stride(period: u32) -> u32 {
    let golden = (period * 618 / 1000).max(1);
    (1..=golden)
        .rev()
        .find(|stride| greatest_common_divisor(*stride, period) == 1)
        .unwrap_or(1)
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let (mut draw, mut store, mut retrieve) = (None, None, None);
        for part in text.split(',') {
            let (operation, share) = read_part(part.trim())?;
            let place = match operation {
                Operation::Draw => &mut draw,
                Operation::Store => &mut store,
                Operation::Retrieve => &mut retrieve,
            };
            if place.replace(share).is_some() {
                return Err(MixError::Twice(operation));
            }
        }
        let share = Option::<u32>::unwrap_or_default;
        Self::new(share(draw), share(store), share(retrieve))
    }
}

fn read_part(part: &str) -> Result<(Operation, u32), MixError> {
    let (name, share) = part.split_once('=').unwrap_or((part, "1"));
    let operation = match name.trim() {
        "draw" => Some(Operation::Draw),
        "store" => Some(Operation::Store),
        "retrieve" => Some(Operation::Retrieve),
        _ => None,
    };
    operation
        .zip(share.trim().parse().ok())
        .ok_or_else(|| MixError::Part(part.to_owned()))
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retrieve = self.period - self.draw - self.store;
        let shares = [
            (Operation::Draw, self.draw),
            (Operation::Store, self.store),
            (Operation::Retrieve, retrieve),
        ];
        let mut comma = "";
        for (operation, share) in shares.into_iter().filter(|(_, share)| *share > 0) {
            write!(f, "{comma}{operation}={share}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Operation; 3] = [Operation::Draw, Operation::Store, Operation::Retrieve];

    fn any_mix() -> impl Strategy<Value = (u32, u32, u32)> {
        (0..=300_u32, 0..=300_u32, 1..=300_u32)
    }

    #[test]
    fn shares_are_read_and_what_is_not_named_does_not_occur() {
        let mix: Mix = "store=8, retrieve=16".parse().unwrap();
        assert_eq!(mix, Mix::new(0, 8, 16).unwrap());
        assert!(!mix.has(Operation::Draw) && mix.has(Operation::Store));
        assert_eq!("store".parse(), Mix::new(0, 1, 0));
    }

    #[test]
    fn what_says_no_mix_is_refused_with_the_part_that_does_not() {
        for (text, error) in [
            ("", MixError::Part(String::new())),
            ("store=x", MixError::Part("store=x".to_owned())),
            ("stores=1", MixError::Part("stores=1".to_owned())),
            ("store=1,store=2", MixError::Twice(Operation::Store)),
            ("store=0", MixError::Sum(0)),
            ("store=999,draw=2", MixError::Sum(1001)),
            (
                "store=4294967295,draw=4294967295",
                MixError::Sum(8_589_934_590),
            ),
        ] {
            assert_eq!(text.parse::<Mix>(), Err(error));
        }
    }

    #[test]
    fn the_rare_operation_is_not_left_for_the_end() {
        let mix = Mix::new(0, 4, 12).unwrap();
        for window in 0..16 {
            let stores = (window..window + 8)
                .filter(|index| mix.operation(*index) == Operation::Store)
                .count();
            assert!((1..=3).contains(&stores), "{stores} of 8 from {window}");
        }
    }

    proptest! {
        #[test]
        fn a_period_holds_each_operation_as_often_as_its_share((draw, store, retrieve) in any_mix()) {
            let mix = Mix::new(draw, store, retrieve).unwrap();
            let period = u64::from(draw + store + retrieve);
            prop_assert_eq!(mix.count(Operation::Draw, period), u64::from(draw));
            prop_assert_eq!(mix.count(Operation::Store, period), u64::from(store));
            prop_assert_eq!(mix.count(Operation::Retrieve, period), u64::from(retrieve));
        }

        #[test]
        fn the_counts_of_any_number_of_requests_are_those_of_their_operations(
            (draw, store, retrieve) in any_mix(), requests in 0..2000_u64,
        ) {
            let mix = Mix::new(draw, store, retrieve).unwrap();
            for operation in ALL {
                let counted = (0..requests).filter(|index| mix.operation(*index) == operation).count();
                prop_assert_eq!(mix.count(operation, requests), counted as u64);
            }
        }

        #[test]
        fn a_mix_comes_back_from_its_text((draw, store, retrieve) in any_mix()) {
            let mix = Mix::new(draw, store, retrieve).unwrap();
            prop_assert_eq!(mix.to_string().parse(), Ok(mix));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            let _ = text.parse::<Mix>();
        }
    }
}
