//! When the entries of a journal segment were stored: it is removed when all are dead.

use pennyblack_base::time::UnixTime;

use crate::store::Limits;

/// When the entries of a segment were stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) earliest: UnixTime,
    pub(super) latest: UnixTime,
}

impl Times {
    pub(super) fn include(times: &mut Option<Self>, at: UnixTime) {
        *times = Some(times.map_or(
            Self {
                earliest: at,
                latest: at,
            },
            |times| Self {
                earliest: times.earliest.min(at),
                latest: times.latest.max(at),
            },
        ));
    }

    /// Whether an entry stored in between may be alive.
    pub(super) fn may_hold_life(self, limits: Limits, now: UnixTime) -> bool {
        // An entry lives around its own time, so the nearest one to now decides.
        let nearest = now.clamp(self.earliest, self.latest);
        limits.is_alive(nearest, now)
    }
}
