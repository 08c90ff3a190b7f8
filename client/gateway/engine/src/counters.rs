//! What the engine counts, for the daemon to show. Not here: names of metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::reason::Reason;

/// Declares counters and their snapshot together.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start. Clones of the engine share them.
        #[derive(Debug)]
        pub struct Counters {
            $(pub(crate) $name: AtomicU64,)*
            reasons: Vec<AtomicU64>,
        }

        /// What was counted by a moment.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
            /// How often each reason was given, all of them.
            pub reasons: Vec<(Reason, u64)>,
        }

        impl Default for Counters {
            fn default() -> Self {
                Self {
                    $($name: AtomicU64::new(0),)*
                    reasons: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
                }
            }
        }

        impl Counters {
            /// What was counted by now.
            #[must_use]
            pub fn snapshot(&self) -> Counts {
                let reasons = Reason::ALL.iter().zip(&self.reasons);
                Counts {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    reasons: reasons
                        .map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
                        .collect(),
                }
            }
        }
    };
}

counters! {
    /// Calls that were signed here.
    signed,
    /// Calls that came with their PASSporTs.
    came_with_identity,
    /// Copies that are stored: in time, and later.
    stored_in_time,
    /// Copies that were stored after the answer had left.
    stored_late,
    /// Copies that are not stored. `reasons` says why.
    not_stored,
    /// Tokens that were spent, whatever became of what was sent with them. A federation token
    /// counts once, however many copies it pays for.
    tokens_spent,
    /// Calls that passed by what came in band.
    passed_in_band,
    /// Calls that passed by what came out of band.
    passed_out_of_band,
    /// Calls that failed.
    failed,
    /// Calls of which nothing can be said.
    no_validation,
}

impl Counters {
    pub(crate) fn count(&self, reason: Reason) {
        let place = Reason::ALL.iter().position(|one| *one == reason);
        if let Some(counter) = place.and_then(|place| self.reasons.get(place)) {
            add_one(counter);
        }
    }
}

pub(crate) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    /// How often this reason was given.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        let mut reasons = self.reasons.iter();
        let found = reasons.find(|(one, _)| *one == reason);
        found.map_or(0, |(_, count)| *count)
    }
}
