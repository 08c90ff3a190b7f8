//! What a cost does while the thing it should not depend on grows: its values at
//! each size, what they were expected to do, and the verdict. How it is measured
//! is told in the files beside; how it is shown, in `page`.

use crate::finding::{Finding, Goal, Unit, Verdict};
use crate::pairs::{Pairs, Spread};

/// How much more a cost may be at the largest size than at the smallest before it
/// has grown: caches miss more often, and machines are not quiet.
pub const SLACK: f64 = 1.6;

/// What "as the work does" means for a cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expectation {
    /// One operation costs the same at any size: at most so many times as much at
    /// the largest size as at the smallest.
    Flat(f64),
    /// One operation costs nearly the same at any size: at most so much more, in the
    /// curve's unit, at the largest size than at the smallest. For look-ups in
    /// memory, which take longer when it is not in the processor's caches any more.
    Near(f64),
    /// The whole costs as much as there is: at most so many times as much for each
    /// of the largest size as for each of the smallest.
    Linear(f64),
    /// There is a goal: at most so much, in the curve's unit, at the largest size.
    AtMost(f64),
}

impl Expectation {
    /// In words, for the table.
    #[must_use]
    pub fn words(self, unit: Unit) -> String {
        match self {
            Self::Near(max) => format!("nearly the same (≤ {max} {} more)", unit.sign()),
            Self::Flat(max) => format!("the same at any size (≤ {max} x)"),
            Self::Linear(max) => format!("in proportion (each ≤ {max} x)"),
            Self::AtMost(max) => format!("≤ {max} {}", unit.sign()),
        }
    }
}

/// The values at one size, one for each turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// How much there is.
    pub size: f64,
    /// In the curve's unit, in the order of the turns.
    pub values: Vec<f64>,
}

impl Sample {
    /// Their middle and how far they lie apart.
    #[must_use]
    pub fn spread(&self) -> Spread {
        Spread::of(self.values.iter().copied())
    }
}

/// One cost at growing sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Of what.
    pub name: String,
    /// What it should do.
    pub expectation: Expectation,
    /// From the smallest size to the largest.
    pub samples: Vec<Sample>,
}

impl Series {
    /// Of these values; the samples in the order of their sizes.
    #[must_use]
    pub fn new(name: impl Into<String>, expectation: Expectation, samples: Vec<Sample>) -> Self {
        Self {
            name: name.into(),
            expectation,
            samples,
        }
    }

    /// By how much it has grown: the cost at the largest size, of one operation or
    /// for each, as a multiple of that at the smallest, turn by turn.
    #[must_use]
    pub fn growth(&self) -> Spread {
        let (first, last) = self.ends();
        let turns = self.turns();
        let costs = turns.map(|(small, large)| match self.expectation {
            Expectation::Flat(_) | Expectation::Near(_) | Expectation::AtMost(_) => (large, small),
            Expectation::Linear(_) => (large / last.size, small / first.size),
        });
        Pairs::of(costs.collect()).cost()
    }

    /// Whether it did what it should.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (max, value) = match self.expectation {
            Expectation::Flat(max) | Expectation::Linear(max) => (max, self.growth()),
            Expectation::Near(max) => {
                let more = self.turns().map(|(small, large)| large - small);
                (max, Spread::of(more))
            }
            Expectation::AtMost(max) => (max, self.ends().1.spread()),
        };
        Finding::measured(&self.name, "", Goal::AtMost(max), Unit::Times, value).verdict()
    }

    /// The most it may be at its smallest and at its largest size: size and value.
    #[must_use]
    pub fn limit(&self) -> [(f64, f64); 2] {
        let (first, last) = self.ends();
        let cost = first.spread().median;
        let at = |size: f64| match self.expectation {
            Expectation::Flat(max) => (size, cost * max),
            Expectation::Near(max) => (size, cost + max),
            Expectation::Linear(max) => (size, cost * max * size / first.size),
            Expectation::AtMost(max) => (size, max),
        };
        [at(first.size), at(last.size)]
    }

    /// The values at the smallest and at the largest size, turn by turn.
    fn turns(&self) -> impl Iterator<Item = (f64, f64)> {
        let (first, last) = self.ends();
        let large = last.values.iter().copied();
        first.values.iter().copied().zip(large)
    }

    fn ends(&self) -> (&Sample, &Sample) {
        (
            self.samples.first().expect("a series of nothing"),
            self.samples.last().expect("a series of nothing"),
        )
    }
}

/// Costs that grow, or do not, with the same thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Its file's name, without the ending.
    pub name: &'static str,
    /// In one line.
    pub title: &'static str,
    /// What there is more and more of.
    pub growing: &'static str,
    /// What is measured, for one.
    pub cost: &'static str,
    /// In what.
    pub unit: Unit,
    /// The costs.
    pub series: Vec<Series>,
}

/// Measures `N` costs of every scene by turns, after one turn that does not count;
/// the order of the scenes alternates. Returns the samples of each cost.
pub fn by_turns<S, const N: usize>(
    turns: usize,
    scenes: &mut [(f64, S)],
    mut measure: impl FnMut(&mut S) -> [f64; N],
) -> [Vec<Sample>; N] {
    let empty = |(size, _): &(f64, S)| Sample {
        size: *size,
        values: Vec::with_capacity(turns),
    };
    let mut costs = [(); N].map(|()| scenes.iter().map(empty).collect::<Vec<_>>());
    for turn in 0..=turns {
        let mut order: Vec<usize> = (0..scenes.len()).collect();
        if !turn.is_multiple_of(2) {
            order.reverse();
        }
        for place in order {
            let values = measure(&mut scenes[place].1);
            if turn > 0 {
                for (samples, value) in costs.iter_mut().zip(values) {
                    samples[place].values.push(value);
                }
            }
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(expectation: Expectation, samples: &[(f64, &[f64])]) -> Series {
        let samples = samples.iter().map(|(size, values)| Sample {
            size: *size,
            values: values.to_vec(),
        });
        Series::new("a cost", expectation, samples.collect())
    }

    #[test]
    fn a_flat_cost_may_not_grow_by_more_than_its_limit() {
        let at_100 = |value: f64| {
            let samples: &[(f64, &[f64])] = &[(1.0, &[2.0]), (10.0, &[9.0]), (100.0, &[value])];
            series(Expectation::Flat(1.5), samples).verdict()
        };
        assert_eq!(at_100(1.0), Verdict::Met);
        assert_eq!(at_100(3.0), Verdict::Met);
        assert_eq!(at_100(6.0), Verdict::Missed(1.0));
    }

    #[test]
    fn a_linear_cost_is_judged_for_each() {
        let at_100 = |value: f64| {
            series(
                Expectation::Linear(1.5),
                &[(1.0, &[2.0]), (100.0, &[value])],
            )
        };
        assert_eq!(at_100(200.0).growth(), Spread::once(1.0));
        assert_eq!(at_100(300.0).verdict(), Verdict::Met);
        assert_eq!(at_100(600.0).verdict(), Verdict::Missed(1.0));
        assert_eq!(at_100(600.0).limit(), [(1.0, 3.0), (100.0, 300.0)]);
    }

    #[test]
    fn a_look_up_may_miss_a_cache_but_may_not_go_through_everything() {
        let at_100 =
            |value: f64| series(Expectation::Near(2.0), &[(1.0, &[0.5]), (100.0, &[value])]);
        assert_eq!(at_100(2.5).verdict(), Verdict::Met);
        assert_eq!(at_100(4.5).verdict(), Verdict::Missed(1.0));
        assert_eq!(at_100(4.5).growth(), Spread::once(9.0));
        assert_eq!(at_100(4.5).limit(), [(1.0, 2.5), (100.0, 2.5)]);
    }

    #[test]
    fn a_goal_is_for_the_largest_size_whatever_the_smallest_costs() {
        let at_100 = |value: f64| {
            let samples: &[(f64, &[f64])] = &[(1.0, &[0.001]), (100.0, &[value])];
            series(Expectation::AtMost(20.0), samples)
        };
        assert_eq!(at_100(20.0).verdict(), Verdict::Met);
        assert_eq!(at_100(30.0).verdict(), Verdict::Missed(0.5));
        assert_eq!(at_100(30.0).limit(), [(1.0, 20.0), (100.0, 20.0)]);
    }

    #[test]
    fn sizes_are_compared_turn_by_turn() {
        // A machine that was slow in the second turn was slow for both.
        let samples: &[(f64, &[f64])] = &[(1.0, &[1.0, 10.0, 1.0]), (100.0, &[2.0, 20.0, 2.0])];
        let growth = series(Expectation::Flat(1.5), samples).growth();
        assert_eq!(growth, Spread::once(2.0));
    }

    #[test]
    fn the_first_turn_does_not_count_and_the_order_alternates() {
        let mut order = Vec::new();
        let mut scenes = [(1.0, 'a'), (10.0, 'b')];
        let [samples] = by_turns(2, &mut scenes, |scene| {
            order.push(*scene);
            [order.len() as f64]
        });
        assert_eq!(order, ['a', 'b', 'b', 'a', 'a', 'b']);
        assert_eq!(samples[0].values, [4.0, 5.0]);
        assert_eq!(samples[1].values, [3.0, 6.0]);
    }
}
