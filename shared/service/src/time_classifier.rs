//! For tests: whether an observer who measures times can tell two kinds of request apart.
//! Requests of the two are made in pairs, each pair in random order; the classifier looks at
//! single times (the area under the ROC curve, AUC: the chance that a time of the one kind is
//! longer than one of the other), at which of a pair is slower (requests of one time share
//! their noise), and at means, which many pairs make sharp.
//!
//! **It trusts the random order, and nothing else about the machine.** Where the kinds do not
//! differ, each difference within a pair is as likely positive as negative, however large it
//! is. So means are compared with the root of the mean square of the same differences: by
//! chance they pass `t` times what is to be expected in at most `2 exp(-t²/2)` of all runs
//! (Efron 1969), also where the machine stands still for a second in one of the pairs.

#![allow(clippy::cast_precision_loss, reason = "counts of polls are small")]

use std::fmt;

/// Pairs before two kinds are found alike.
const FEWEST_PAIRS: usize = 4_000;
/// Pairs after which all is decided. By chance alone two kinds that do not differ then still
/// look different in one of fifty thousand measurements at most.
const MOST_PAIRS: usize = 24_000;
/// Pairs between two looks.
const LOOK_EVERY: usize = 1_000;
/// What the upper 95 % bound of the AUC may be; 0.5 is no knowledge.
const HIGHEST_AUC: f64 = 0.52;
/// What the upper 95 % bound of the chance to be the slower of a pair may be.
const HIGHEST_SLOWER: f64 = 0.53;
/// Standard errors of a 95 % interval.
const INTERVAL: f64 = 1.96;
/// Standard errors beyond which nothing is by chance.
const CERTAIN: f64 = 4.5;

/// Times of two kinds of request in pairs, in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    times: [Vec<f64>; 2],
}

/// A comparison of two kinds that goes on until it is decided.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    pairs: Pairs,
    /// What was different in the pairs before these.
    doubted: Option<Finding>,
}

/// How a comparison ends.
#[derive(Debug, Clone, Copy)]
pub enum Decision {
    /// No observer tells them apart.
    Alike(Finding),
    /// One does, in two measurements, one after the other.
    Different([Finding; 2]),
}

/// What the times of two kinds show.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// How many pairs.
    pub pairs: usize,
    /// The area under the ROC curve, 0.5 or more.
    pub auc: f64,
    /// Its upper 95 % bound.
    pub auc_bound: f64,
    /// How often the same one of a pair is slower, 0.5 or more.
    pub slower: f64,
    /// Its upper 95 % bound.
    pub slower_bound: f64,
    /// The mean of the differences, in microseconds.
    pub mean: f64,
    /// What it may be by chance: the 95 % interval of as many pairs as are needed at least.
    pub chance: f64,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alike(finding) => write!(f, "alike: {finding}"),
            Self::Different([first, again]) => write!(f, "different: {first}; again: {again}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pairs,
            auc,
            auc_bound,
            slower,
            slower_bound,
            mean,
            chance,
        } = self;
        write!(
            f,
            "{pairs} pairs: AUC {auc:.4}, at most {auc_bound:.4}; the slower one {slower:.4}, \
             at most {slower_bound:.4}; means differ by {mean:+.1} µs, by chance ±{chance:.1} µs"
        )
    }
}

impl Finding {
    /// Whether more pairs would not change it.
    fn is_certain(&self) -> bool {
        let least = |value: f64, bound: f64| {
            let error = (bound - value) / INTERVAL;
            CERTAIN.mul_add(-error, value)
        };
        least(self.auc, self.auc_bound) > HIGHEST_AUC
            || least(self.slower, self.slower_bound) > HIGHEST_SLOWER
    }

    fn is_alike(&self) -> bool {
        self.auc_bound <= HIGHEST_AUC
            && self.slower_bound <= HIGHEST_SLOWER
            && self.mean.abs() <= self.chance
    }
}

impl Comparison {
    /// Adds a time of each kind, in microseconds. What it decides: nothing as long as more
    /// pairs are needed.
    ///
    /// **What looks different is measured afresh**, and is different if it is so again: what
    /// the machine did for a minute passes, a leak does not.
    pub fn push(&mut self, one: f64, other: f64) -> Option<Decision> {
        self.pairs.push(one, other);
        if !self.pairs.len().is_multiple_of(LOOK_EVERY) {
            return None;
        }
        let finding = self.pairs.finding();
        let are_enough = finding.pairs >= FEWEST_PAIRS;
        let is_different = finding.is_certain() || finding.pairs >= MOST_PAIRS;
        if are_enough && finding.is_alike() {
            Some(Decision::Alike(finding))
        } else if !is_different {
            None
        } else if let Some(first) = self.doubted {
            Some(Decision::Different([first, finding]))
        } else {
            *self = Self {
                pairs: Pairs::default(),
                doubted: Some(finding),
            };
            None
        }
    }
}

impl Pairs {
    /// Adds a time of each kind.
    pub fn push(&mut self, one: f64, other: f64) {
        let [ones, others] = &mut self.times;
        ones.push(one);
        others.push(other);
    }

    const fn len(&self) -> usize {
        let [ones, _] = &self.times;
        ones.len()
    }

    /// What the times show.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let pairs = self.len();
        let auc = 0.5 + (self.auc() - 0.5).abs();
        let slower = 0.5 + (self.slower() - 0.5).abs();
        let (mean, size) = self.differences();
        Finding {
            pairs,
            auc,
            auc_bound: INTERVAL.mul_add((1.0 / (6.0 * pairs as f64)).sqrt(), auc),
            slower,
            slower_bound: INTERVAL.mul_add((0.25 / pairs as f64).sqrt(), slower),
            mean,
            chance: INTERVAL * size / (FEWEST_PAIRS as f64).sqrt(),
        }
    }

    /// How often a time of the second kind is longer than one of the first; equal times
    /// count half (Mann and Whitney).
    fn auc(&self) -> f64 {
        let [ones, others] = &self.times;
        let kinds = [(ones, 0.0), (others, 1.0)];
        let tagged = kinds.map(|(times, kind)| times.iter().map(move |time| (*time, kind)));
        let mut all: Vec<(f64, f64)> = tagged.into_iter().flatten().collect();
        all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let (mut below, mut won) = (0.0, 0.0);
        for equal in all.chunk_by(|(one, _), (other, _)| one.total_cmp(other).is_eq()) {
            let of_second: f64 = equal.iter().map(|(_, kind)| kind).sum();
            let of_first = equal.len() as f64 - of_second;
            won += of_second * (below + of_first / 2.0);
            below += of_first;
        }
        won / (ones.len() as f64 * others.len() as f64)
    }

    /// How often the second of a pair is the slower one; equal times count half.
    fn slower(&self) -> f64 {
        let [ones, others] = &self.times;
        let slower = others.iter().zip(ones).map(|(other, one)| {
            let order = other.total_cmp(one) as i8;
            f64::from(order) / 2.0 + 0.5
        });
        slower.sum::<f64>() / self.len() as f64
    }

    /// Mean of the differences, and the root of the mean of their squares.
    fn differences(&self) -> (f64, f64) {
        let [ones, others] = &self.times;
        let differences = || others.iter().zip(ones).map(|(other, one)| other - one);
        let pairs = self.len() as f64;
        let squares: f64 = differences().map(|one| one.powi(2)).sum();
        (differences().sum::<f64>() / pairs, (squares / pairs).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even noise of one millisecond, the same in each run.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        move || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap();
            1_000.0 * f64::from(top) / f64::from(u32::MAX)
        }
    }

    /// Pairs of `of_a_pair`, each in random order, until it is decided.
    fn decided(mut of_a_pair: impl FnMut() -> (f64, f64)) -> Decision {
        let mut comparison = Comparison::default();
        loop {
            let (one, other) = of_a_pair();
            if let Some(decision) = comparison.push(one, other) {
                return decision;
            }
        }
    }

    /// What is decided about a leak of so many microseconds.
    fn leaking(seed: u64, leak: f64) -> Decision {
        let mut noise = noise(seed);
        decided(|| (noise(), leak + noise()))
    }

    #[test]
    fn two_kinds_that_are_the_same_are_alike_in_every_run() {
        for seed in 0..200 {
            let decision = leaking(seed, 0.0);
            assert!(
                matches!(decision, Decision::Alike(_)),
                "seed {seed}: {decision}"
            );
        }
    }

    #[test]
    fn a_leak_of_fifty_microseconds_in_a_millisecond_of_noise_is_found() {
        for leak in (0..30).flat_map(|seed| [(seed, 50.0), (seed, -50.0)]) {
            let decision = leaking(leak.0, leak.1);
            assert!(
                matches!(decision, Decision::Different(_)),
                "{leak:?}: {decision}"
            );
        }
    }

    #[test]
    fn a_leak_far_below_noise_that_both_of_a_pair_share_is_found() {
        let mut noise = noise(1);
        let decision = decided(|| {
            let shared = 100.0 * noise();
            let one = shared + 0.02 * noise();
            (one, shared + 10.0 + 0.02 * noise())
        });
        assert!(matches!(decision, Decision::Different(_)), "{decision}");
    }

    /// A machine that stands still for a second while one of a pair is under way, a few times
    /// in all: the mean of 4,000 differences is then 250 µs or more.
    #[test]
    fn a_machine_that_stands_still_now_and_then_makes_no_difference() {
        for seed in 0..50 {
            let mut noise = noise(seed);
            let mut stands_still = move || if noise() < 0.5 { 1e6 } else { noise() };
            let decision = decided(|| (stands_still(), stands_still()));
            assert!(
                matches!(decision, Decision::Alike(_)),
                "seed {seed}: {decision}"
            );
        }
    }

    #[test]
    fn the_area_is_that_of_the_definition() {
        let mut pairs = Pairs::default();
        for (one, other) in [(1.0, 2.0), (3.0, 3.0), (5.0, 4.0)] {
            pairs.push(one, other);
        }
        // 2 > 1; 3 > 1 and 3 = 3; 4 > 1, 4 > 3: 4.5 of 9.
        assert!((pairs.auc() - 0.5).abs() < 1e-12);
        pairs.push(0.0, 9.0);
        let by_definition = (4.5 + 4.0 + 3.0) / 16.0;
        assert!((pairs.auc() - by_definition).abs() < 1e-12);
    }
}
