//! Two sides measured by turns in one run, and what their ratio came to. A
//! machine that is slow for a second is slow for both.

/// The middle of some values and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub high: f64,
}

impl Spread {
    /// Of at least one value.
    ///
    /// # Panics
    /// Without a value.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        assert!(!sorted.is_empty(), "a spread of nothing");
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self {
            low: sorted[0],
            median,
            high: sorted[sorted.len() - 1],
        }
    }

    /// A value that was measured once.
    #[must_use]
    pub const fn once(value: f64) -> Self {
        Self {
            low: value,
            median: value,
            high: value,
        }
    }
}

/// What both sides cost, pair by pair, in seconds for one item.
#[derive(Debug, Clone)]
pub struct Pairs {
    costs: Vec<(f64, f64)>,
}

impl Pairs {
    /// Measures `ours` and `floor` by turns, after a turn of each that does not
    /// count. Each returns seconds for one item; which of them goes first
    /// alternates, so that neither always finds the caches warm.
    pub fn measure(
        pairs: usize,
        mut ours: impl FnMut() -> f64,
        mut floor: impl FnMut() -> f64,
    ) -> Self {
        ours();
        floor();
        let turn = |index: usize| {
            if index.is_multiple_of(2) {
                let ours = ours();
                (ours, floor())
            } else {
                let floor = floor();
                (ours(), floor)
            }
        };
        Self {
            costs: (0..pairs).map(turn).collect(),
        }
    }

    /// From costs that were measured by turns elsewhere: ours first.
    #[must_use]
    pub const fn of(costs: Vec<(f64, f64)>) -> Self {
        Self { costs }
    }

    /// Our speed as a part of the floor's.
    #[must_use]
    pub fn speed(&self) -> Spread {
        Spread::of(self.costs.iter().map(|(ours, floor)| floor / ours))
    }

    /// Our cost as a multiple of the floor's.
    #[must_use]
    pub fn cost(&self) -> Spread {
        Spread::of(self.costs.iter().map(|(ours, floor)| ours / floor))
    }

    /// Our own costs, in seconds.
    #[must_use]
    pub fn ours(&self) -> Spread {
        Spread::of(self.costs.iter().map(|(ours, _)| *ours))
    }

    /// The floor's costs, in seconds.
    #[must_use]
    pub fn floor(&self) -> Spread {
        Spread::of(self.costs.iter().map(|(_, floor)| *floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).median, 2.0);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let pairs = Pairs::of(vec![(2.0, 1.0), (20.0, 10.0), (4.0, 2.0)]);
        assert_eq!(pairs.speed(), Spread::once(0.5));
        assert_eq!(pairs.cost(), Spread::once(2.0));
    }

    #[test]
    fn the_first_turn_of_each_side_does_not_count_and_the_order_alternates() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name: char| {
            order.borrow_mut().push(name);
            1.0
        };
        Pairs::measure(3, || side('a'), || side('b'));
        assert_eq!(order.into_inner(), "ababbaab");
    }
}
