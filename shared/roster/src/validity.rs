//! When a roster is valid, and what it is good for afterwards.

use std::time::Duration;

use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;

/// Longest time for which a roster is valid.
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// For how long after its end a roster may be used to store: calls come first.
pub const STORING_AFTER_END: Duration = Duration::from_secs(7 * 86_400);

/// Two times between which no roster can be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a roster is valid for at least a second and at most {} days, not from {from} until {until}",
    LONGEST.as_secs() / 86_400)]
pub struct ValidityError {
    /// The first of the two.
    pub from: UnixTime,
    /// The other.
    pub until: UnixTime,
}

/// From when a roster is valid, and until when: at most 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    from: UnixTime,
    until: UnixTime,
}

/// What a roster is good for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    NotYet,
    /// Everything.
    Current {
        /// For so long.
        left: Duration,
    },
    /// It has ended. One may store by it, and believe nothing new.
    StoringOnly {
        /// For so long.
        left: Duration,
    },
    /// Nothing any more.
    Ended,
}

impl Validity {
    /// From the first second to the one before `until`.
    ///
    /// # Errors
    /// [`ValidityError`].
    pub fn new(from: UnixTime, until: UnixTime) -> Result<Self, ValidityError> {
        if from < until && until.since(from) <= LONGEST {
            return Ok(Self { from, until });
        }
        Err(ValidityError { from, until })
    }

    /// Its first second.
    #[must_use]
    pub const fn from(&self) -> UnixTime {
        self.from
    }

    /// The second in which it is not valid any more.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// The second from which on one may not even store by it.
    #[must_use]
    pub const fn storing_until(&self) -> UnixTime {
        self.until.plus(STORING_AFTER_END)
    }

    /// What it is good for at a time, by a clock that may be a little behind.
    #[must_use]
    pub fn standing(&self, now: UnixTime) -> Standing {
        let storing_until = self.storing_until();
        if now.plus(clock_tolerance::ROSTER) < self.from {
            Standing::NotYet
        } else if now < self.until {
            Standing::Current {
                left: self.until.since(now),
            }
        } else if now < storing_until {
            Standing::StoringOnly {
                left: storing_until.since(now),
            }
        } else {
            Standing::Ended
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_roster_is_valid_for_thirty_days_at_most() {
        let validity = |from, until| Validity::new(UnixTime(from), UnixTime(until));
        assert!(validity(5, 5 + 30 * DAY).is_ok());
        assert!(validity(5, 6).is_ok());
        for (from, until) in [(5, 5), (6, 5), (5, 6 + 30 * DAY), (0, u64::MAX)] {
            assert!(validity(from, until).is_err(), "{from} {until}");
        }
    }

    #[test]
    fn for_a_week_after_its_end_a_roster_is_good_for_storing_only() {
        let validity = Validity::new(UnixTime(1_000), UnixTime(1_000 + DAY)).unwrap();
        let at = |now| validity.standing(UnixTime(now));
        assert_eq!(at(939), Standing::NotYet);
        assert!(matches!(at(940), Standing::Current { .. }));
        let left = Duration::from_secs(1);
        assert_eq!(at(999 + DAY), Standing::Current { left });
        assert!(matches!(at(1_000 + DAY), Standing::StoringOnly { .. }));
        assert_eq!(at(999 + 8 * DAY), Standing::StoringOnly { left });
        assert_eq!(at(1_000 + 8 * DAY), Standing::Ended);
    }
}
