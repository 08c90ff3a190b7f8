//! How oblivious requests ended, counted. No label says more than which of these it was: who
//! asked is not known, and what for is counted where it is answered.

use metrics::Counter;

/// How one ended, as the relay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Opened, and answered inside.
    Answered,
    /// Not an oblivious request.
    Malformed,
    /// Sealed to no key of now.
    UnknownKey,
    /// Changed on its way, or sealed to an earlier key of the same number.
    NotOpened,
    /// There is no key, or no answer can be sealed.
    Unavailable,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Answered,
        Self::Malformed,
        Self::UnknownKey,
        Self::NotOpened,
        Self::Unavailable,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::NotOpened => "not_opened",
            Self::Unavailable => "unavailable",
        }
    }

    fn counter(self) -> Counter {
        metrics::counter!("pennyblack_cps_oblivious_requests_total", "outcome" => self.label())
    }

    /// Counts one.
    pub(super) fn count(self) {
        self.counter().increment(1);
    }

    /// Has each be there from the beginning.
    pub(super) fn show_all() {
        for outcome in Self::ALL {
            outcome.counter().absolute(0);
        }
    }
}
