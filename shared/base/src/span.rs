//! Spans of time as people say them.

use std::fmt;
use std::time::Duration;

/// `45 seconds`, `10 minutes`, `22 hours`, `3 days`: rounded to the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (unit, name) = match seconds {
            0..120 => (1, "second"),
            120..7_200 => (MINUTE, "minute"),
            7_200..172_800 => (HOUR, "hour"),
            _ => (DAY, "day"),
        };
        let number = seconds.saturating_add(unit / 2) / unit;
        let plural = if number == 1 { "" } else { "s" };
        write!(f, "{number} {name}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_unit_that_suits_it() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (600, "10 minutes"),
            (629, "10 minutes"),
            (79_000, "22 hours"),
            (86_400, "24 hours"),
            (864_158, "10 days"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
