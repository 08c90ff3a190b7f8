//! How far this machine's clock is from a service's, by the `Date` of its answer:
//! most of what a wrong clock breaks looks like something else.

use std::fmt;
use std::time::Duration;

use http::header::{AGE, DATE, HeaderMap};
use pennyblack_base::span::Span;
use pennyblack_base::time::UnixTime;

use super::service_kind::ServiceKind;

/// Less than this is not spoken of: it is within what the protocol allows for.
const LARGE: Duration = Duration::from_secs(30);

/// Two clocks that are too far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockGap {
    service: Option<ServiceKind>,
    ours: UnixTime,
    theirs: UnixTime,
}

impl ClockGap {
    /// The gap between this clock and that of the service which sent `headers`, if
    /// it is large.
    pub(super) fn of(headers: &HeaderMap, url: &str, ours: UnixTime) -> Option<Self> {
        let theirs = date(headers)?;
        let gap = Self {
            service: ServiceKind::asked_at(url),
            ours,
            theirs,
        };
        (gap.size() >= LARGE).then_some(gap)
    }

    /// How far this machine's clock is ahead; zero if it is behind.
    #[must_use]
    pub const fn ahead(&self) -> Duration {
        self.ours.since(self.theirs)
    }

    /// How far this machine's clock is behind; zero if it is ahead.
    #[must_use]
    pub const fn behind(&self) -> Duration {
        self.theirs.since(self.ours)
    }

    fn size(&self) -> Duration {
        self.ahead().max(self.behind())
    }
}

/// What the service's clock read when it answered.
pub(super) fn date(headers: &HeaderMap) -> Option<UnixTime> {
    // An answer of a cache has the date at which the service gave it.
    if headers.contains_key(AGE) {
        return None;
    }
    let text = headers.get(DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let seconds = date.timestamp().as_second();
    u64::try_from(seconds).ok().map(UnixTime)
}

impl fmt::Display for ClockGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ours < self.theirs {
            "behind"
        } else {
            "ahead of"
        };
        let service = self.service.map_or("service", ServiceKind::noun);
        write!(
            f,
            "this machine's clock is {} {side} the {service}'s (here it is {}, there {}): set the \
             clock that is wrong",
            Span(self.size()),
            self.ours,
            self.theirs
        )
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const URL: &str = "http://localhost:8701/.well-known/private-token-issuer-directory";

    fn gap(ours: u64) -> Option<String> {
        let date = HeaderValue::from_static("Sun, 29 Nov 2026 06:00:00 GMT");
        let headers = HeaderMap::from_iter([(DATE, date)]);
        ClockGap::of(&headers, URL, UnixTime(ours)).map(|gap| gap.to_string())
    }

    #[test]
    fn a_clock_that_is_ten_minutes_behind_is_told_so() {
        let said = gap(1_795_932_000 - 600).unwrap();
        assert!(said.contains("10 minutes behind the issuer's"), "{said}");
        assert!(said.contains("here it is 2026-11-29T05:50:00Z"), "{said}");
        assert!(said.contains("there 2026-11-29T06:00:00Z"), "{said}");
        let said = gap(1_795_932_000 + 86_400).unwrap();
        assert!(said.contains("24 hours ahead of the issuer's"), "{said}");
    }

    #[test]
    fn clocks_that_agree_are_not_spoken_of() {
        assert_eq!(gap(1_795_932_000), None);
        assert_eq!(gap(1_795_932_000 + 29), None);
        assert_eq!(ClockGap::of(&HeaderMap::new(), URL, UnixTime(0)), None);
        let cached = [
            (
                DATE,
                HeaderValue::from_static("Sun, 29 Nov 2026 06:00:00 GMT"),
            ),
            (AGE, HeaderValue::from_static("600")),
        ];
        let cached = HeaderMap::from_iter(cached);
        assert_eq!(ClockGap::of(&cached, URL, UnixTime(0)), None);
    }
}
