//! How far this machine's clock is from those of CPSs, by their last answers. A request
//! whose `created` a CPS may refuse can cost a token for nothing: none is spent then. What a
//! CPS says of its clock decides about stores at that CPS alone, and never what is signed.
//! Not here: telling the user.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pennyblack_base::authority::Authority;
use pennyblack_http::ClockGap;
use pennyblack_protocol::store_request::Freshness;

/// How long an answer counts: clocks are set right.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// The large ones; clones share them.
#[derive(Clone, Default)]
pub struct ClockGaps(Arc<Mutex<Gaps>>);

type Gaps = HashMap<Authority, (ClockGap, Instant)>;

impl ClockGaps {
    /// Takes in what an answer of `cps` says; none is as good as a small one.
    pub(super) fn note(&self, cps: &Authority, gap: Option<ClockGap>) {
        self.note_at(cps, gap, Instant::now());
    }

    /// The gap for which `cps` may refuse what is signed now.
    pub(super) fn forbidding(&self, cps: &Authority) -> Option<ClockGap> {
        self.forbidding_at(cps, Instant::now())
    }

    fn note_at(&self, cps: &Authority, gap: Option<ClockGap>, now: Instant) {
        let mut gaps = self.gaps();
        gaps.retain(|_, (_, noted)| counts(*noted, now));
        match gap {
            Some(gap) => gaps.insert(cps.clone(), (gap, now)),
            None => gaps.remove(cps),
        };
    }

    fn forbidding_at(&self, cps: &Authority, now: Instant) -> Option<ClockGap> {
        let (gap, noted) = self.gaps().get(cps).copied()?;
        let window = Freshness::default();
        let is_outside = gap.ahead() > window.max_ahead || gap.behind() > window.max_behind();
        (counts(noted, now) && is_outside).then_some(gap)
    }

    fn gaps(&self) -> MutexGuard<'_, Gaps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts(noted: Instant, now: Instant) -> bool {
    now.saturating_duration_since(noted) < COUNTS_FOR
}

impl fmt::Debug for ClockGaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockGaps").finish_non_exhaustive()
    }
}
