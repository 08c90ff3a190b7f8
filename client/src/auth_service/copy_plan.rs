//! At which of a key record's CPSs the copies of a PASSporT are stored, and which are asked in
//! place of one that does not answer (docs/protocol.md section 5.1). Not here: asking them
//! (`copying`).

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_protocol::key_record::Placement;
use rand::Rng;
use rand::seq::SliceRandom as _;

/// What the copies for one key may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyLimits {
    /// Copies to be stored.
    pub copies: usize,
    /// CPSs that are asked to, a token each: more than copies if some do not answer.
    pub requests: usize,
}

impl CopyLimits {
    /// As many copies as a record asks for, and as many requests as it names CPSs.
    #[must_use]
    pub fn of(placement: &Placement) -> Self {
        Self {
            copies: placement.copies(),
            requests: placement.cpss().count(),
        }
    }

    /// Shares `max` requests of a call out to its keys: first the copies of each, as far as
    /// they go, then what is asked in place of a CPS that does not answer. A key that there is
    /// no copy left for has no limits here.
    pub fn share_out<'a>(
        max: usize,
        placements: impl IntoIterator<Item = &'a Placement>,
    ) -> Vec<Self> {
        let (mut left, mut shares) = (max, Vec::new());
        for placement in placements {
            let copies = placement.copies().min(left);
            if copies == 0 {
                break;
            }
            left -= copies;
            let requests = placement.cpss().count();
            shares.push(Self { copies, requests });
        }
        for share in &mut shares {
            let more = share.requests.saturating_sub(share.copies).min(left);
            share.requests = share.copies + more;
            left -= more;
        }
        shares
    }
}

/// What came of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyEnd {
    /// It lies in the mailbox.
    Stored,
    /// It has cost a token for nothing.
    Failed,
    /// No request was made, and so it counts as none: there was no token for this CPS, for
    /// example.
    NothingSpent,
}

/// Which CPS is asked next.
#[derive(Debug, Clone)]
pub struct CopyPlan {
    /// The next is the last.
    unasked: Vec<CpsUri>,
    requests_left: usize,
    wanted: usize,
    /// Asked, and neither answered nor late.
    awaited: usize,
    stored: usize,
}

impl CopyPlan {
    /// A plan for the CPSs of `placement`, **in an order that is chosen uniformly at random**:
    /// each of them sees its share of the calls, whichever the record names first.
    #[must_use]
    pub fn new(placement: &Placement, limits: CopyLimits, rng: &mut impl Rng) -> Self {
        let mut unasked: Vec<_> = placement.cpss().cloned().collect();
        unasked.shuffle(rng);
        Self {
            unasked,
            requests_left: limits.requests,
            wanted: limits.copies,
            awaited: 0,
            stored: 0,
        }
    }

    /// The CPS to ask now, besides those that are asked already, if more are needed.
    pub fn ask_next(&mut self) -> Option<CpsUri> {
        if self.stored + self.awaited >= self.wanted || self.requests_left == 0 {
            return None;
        }
        let cps = self.unasked.pop()?;
        self.requests_left -= 1;
        self.awaited += 1;
        Some(cps)
    }

    /// One that was asked has not answered for long: it may yet, and is not counted on.
    pub const fn is_late(&mut self) {
        self.awaited = self.awaited.saturating_sub(1);
    }

    /// What came of one that was asked, and was late or not.
    pub const fn has_ended(&mut self, end: CopyEnd, was_late: bool) {
        if !was_late {
            self.is_late();
        }
        match end {
            CopyEnd::Stored => self.stored += 1,
            CopyEnd::Failed => {}
            CopyEnd::NothingSpent => self.requests_left += 1,
        }
    }

    /// Copies that are stored.
    #[must_use]
    pub const fn stored(&self) -> usize {
        self.stored
    }

    /// Whether as many copies are stored as are wanted.
    #[must_use]
    pub const fn is_fulfilled(&self) -> bool {
        self.stored >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn placement(cpss: usize, copies: u64) -> Placement {
        let uri = |name: &str| format!("https://{name}.example").parse().unwrap();
        let more = ["b", "c"].into_iter().take(cpss - 1).map(uri);
        Placement::new(uri("a"), more.collect(), Some(copies)).unwrap()
    }

    fn plan(cpss: usize, copies: u64) -> CopyPlan {
        let placement = placement(cpss, copies);
        CopyPlan::new(&placement, CopyLimits::of(&placement), &mut rand::rng())
    }

    fn asked(plan: &mut CopyPlan) -> usize {
        std::iter::from_fn(|| plan.ask_next()).count()
    }

    #[test]
    fn as_many_cpss_are_asked_as_copies_are_wanted_and_another_for_each_that_fails() {
        let mut plan = plan(3, 2);
        assert_eq!(asked(&mut plan), 2);
        plan.has_ended(CopyEnd::Stored, false);
        assert_eq!(asked(&mut plan), 0);
        plan.has_ended(CopyEnd::Failed, false);
        assert_eq!(asked(&mut plan), 1);
        plan.has_ended(CopyEnd::Failed, false);
        // There is no fourth.
        assert_eq!((asked(&mut plan), plan.stored()), (0, 1));
        assert!(!plan.is_fulfilled());
    }

    #[test]
    fn another_is_asked_for_one_that_is_late_and_what_comes_late_counts() {
        let mut plan = plan(3, 1);
        assert_eq!(asked(&mut plan), 1);
        plan.is_late();
        assert_eq!(asked(&mut plan), 1);
        plan.has_ended(CopyEnd::Stored, true);
        assert!(plan.is_fulfilled());
        plan.has_ended(CopyEnd::Failed, false);
        assert_eq!(asked(&mut plan), 0);
    }

    #[test]
    fn every_cps_gets_its_share_wherever_the_record_names_it() {
        const CALLS: usize = 3_000;
        let mut counts = HashMap::<CpsUri, usize>::new();
        for _ in 0..CALLS {
            let first = plan(3, 1).ask_next().unwrap();
            *counts.entry(first).or_default() += 1;
        }
        // A thousand each, with a standard deviation of 26.
        assert_eq!(counts.len(), 3);
        assert!(
            counts.values().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_requests_of_a_call_are_bounded_whatever_its_records_say() {
        let limits = |copies, requests| CopyLimits { copies, requests };
        let shared = |max, keys: &[(usize, u64)]| {
            let keys: Vec<_> = keys.iter().map(|key| placement(key.0, key.1)).collect();
            CopyLimits::share_out(max, &keys)
        };
        assert_eq!(shared(8, &[(3, 2)]), [limits(2, 3)]);
        assert_eq!(shared(1, &[(3, 2), (1, 1)]), [limits(1, 1)]);
        assert_eq!(shared(4, &[(3, 2), (3, 1)]), [limits(2, 3), limits(1, 1)]);
        assert_eq!(shared(3, &[(1, 1); 5]), [limits(1, 1); 3]);
        let many = shared(8, &[(3, 1); 8]);
        assert_eq!(many.iter().map(|share| share.requests).sum::<usize>(), 8);
        let mut plan = CopyPlan::new(&placement(3, 2), limits(1, 1), &mut rand::rng());
        assert_eq!(asked(&mut plan), 1);
        plan.has_ended(CopyEnd::Failed, false);
        assert_eq!(asked(&mut plan), 0);
    }

    #[test]
    fn what_costs_nothing_takes_nothing_from_what_a_call_may_cost() {
        let limits = CopyLimits {
            copies: 1,
            requests: 1,
        };
        let mut plan = CopyPlan::new(&placement(3, 1), limits, &mut rand::rng());
        for end in [CopyEnd::NothingSpent, CopyEnd::NothingSpent] {
            assert_eq!(asked(&mut plan), 1);
            plan.has_ended(end, false);
        }
        assert_eq!(asked(&mut plan), 1);
        plan.has_ended(CopyEnd::NothingSpent, false);
        assert_eq!(asked(&mut plan), 0, "there is no fourth");
    }
}
