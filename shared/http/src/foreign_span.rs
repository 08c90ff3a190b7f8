//! Spans of time that another party names, such as `max-age`. **None is followed without
//! a limit**: one answer, of a service gone wrong or of something in between, would decide
//! for a year. So a caller gets one only within limits of its own. Not here: points in
//! time, which their own rules bound (docs/protocol.md section 10).

use std::time::Duration;

/// What a span may be, whatever the other party says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanLimits {
    /// When the other party says nothing.
    pub default: Duration,
    /// At least this.
    pub min: Duration,
    /// At most this.
    pub max: Duration,
}

impl SpanLimits {
    /// What becomes of a span that was said.
    #[must_use]
    pub fn apply(&self, said: Option<Duration>) -> Duration {
        said.unwrap_or(self.default).max(self.min).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_followed_within_the_limits_only() {
        let limits = SpanLimits {
            default: Duration::from_secs(300),
            min: Duration::from_secs(1),
            max: Duration::from_secs(600),
        };
        for (said, followed) in [
            (None, 300),
            (Some(0), 1),
            (Some(1), 1),
            (Some(60), 60),
            (Some(600), 600),
            (Some(31_536_000), 600),
            (Some(u64::MAX), 600),
        ] {
            let said = said.map(Duration::from_secs);
            assert_eq!(
                limits.apply(said),
                Duration::from_secs(followed),
                "{said:?}"
            );
        }
    }
}
