//! Where values lie on an axis, which is logarithmic or begins at zero, and which of
//! them are written beside it.

/// A vertical axis is logarithmic when values lie further apart than this.
const LOGARITHMIC_FROM: f64 = 30.0;
/// About so many lines cross a chart whose axis begins at zero.
const STEPS: f64 = 5.0;

/// Where values lie between two places on the chart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    division: Division,
    values: (f64, f64),
    places: (f64, f64),
}

#[derive(Debug, Clone, Copy)]
enum Division {
    /// Each value ten times as far as a tenth of it.
    Logarithmic,
    /// A line at each multiple of this.
    Every(f64),
}

impl Scale {
    /// From the least to the most, each ten times as far as a tenth of it.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (min, max) = ends(values.filter(|value| *value > 0.0));
        Self {
            division: Division::Logarithmic,
            values: (min, max.max(min * 1.001)),
            places,
        }
    }

    /// From zero if the values allow it, with room above them.
    pub(super) fn fitting(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (min, max) = ends(values.filter(|value| *value > 0.0));
        if max / min > LOGARITHMIC_FROM {
            return Self::logarithmic([min / 1.8, max * 1.8].into_iter(), places);
        }
        let max = max * 1.15;
        Self {
            division: Division::Every(round_step(max / STEPS)),
            values: (0.0, max),
            places,
        }
    }

    /// From zero to a line at or above every value, each line at a whole number.
    pub(super) fn whole(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let max = values.fold(1.0, f64::max);
        let step = round_step(max / STEPS).max(1.0);
        Self {
            division: Division::Every(step),
            values: (0.0, step * (max / step).ceil()),
            places,
        }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let (min, max) = self.values;
        let part = match self.division {
            Division::Logarithmic => (value.max(min) / min).ln() / (max / min).ln(),
            Division::Every(_) => (value - min) / (max - min),
        };
        let (first, last) = self.places;
        first + (last - first) * part
    }

    /// Round values for lines across the chart.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (min, max) = self.values;
        let step = match self.division {
            Division::Logarithmic => return decades(min, max),
            Division::Every(step) => step,
        };
        let count = ((max - min) / step).floor() as u32;
        (0..=count).map(|n| min + step * f64::from(n)).collect()
    }
}

/// Powers of ten, and where there are few of them 2 and 5 times these.
fn decades(min: f64, max: f64) -> Vec<f64> {
    let factors: &[f64] = if max / min < 300.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let decades = min.log10().floor() as i32..=max.log10().floor() as i32;
    let ticks = decades.flat_map(|decade| {
        let decade = 10f64.powi(decade);
        factors.iter().map(move |factor| factor * decade)
    });
    ticks.filter(|tick| (min..=max).contains(tick)).collect()
}

/// The smallest and the largest; 1 and 1 of none.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(min, max)| {
            (min.min(value), max.max(value))
        }))
    });
    ends.unwrap_or((1.0, 1.0))
}

/// 1, 2 or 5 times a power of ten, at least `min`.
fn round_step(min: f64) -> f64 {
    let decade = 10f64.powf(min.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    let enough = steps.into_iter().find(|step| *step >= min * 0.999);
    enough.unwrap_or(decade * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_factors_are_equal_distances() {
        let across = Scale::logarithmic([1.0, 10.0, 100.0].into_iter(), (0.0, 200.0));
        assert!((across.place(1.0)).abs() < 1e-9);
        assert!((across.place(10.0) - 100.0).abs() < 1e-9);
        assert!((across.place(100.0) - 200.0).abs() < 1e-9);
        assert_eq!(across.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn values_near_each_other_are_drawn_from_zero() {
        let upward = Scale::fitting([4.0, 8.0].into_iter(), (100.0, 0.0));
        assert!((upward.place(0.0) - 100.0).abs() < 1e-9);
        let [four, eight] = [4.0, 8.0].map(|value| 100.0 - upward.place(value));
        assert!((eight - 2.0 * four).abs() < 1e-9);
        assert_eq!(upward.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn values_far_from_each_other_are_drawn_by_factors() {
        let upward = Scale::fitting([1.0, 10.0, 100.0].into_iter(), (100.0, 0.0));
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|value| upward.place(value));
        assert!((one - ten - (ten - hundred)).abs() < 1e-9);
        assert!(one < 100.0 && hundred > 0.0);
    }

    #[test]
    fn counts_have_lines_at_whole_numbers_up_to_one_above_them() {
        let ticks = |max: f64| Scale::whole([max].into_iter(), (100.0, 0.0)).ticks();
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        assert_eq!(ticks(3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(7.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(12_345.0), [0.0, 5_000.0, 10_000.0, 15_000.0]);
    }

    #[test]
    fn the_largest_count_is_inside_the_chart() {
        let scale = Scale::whole([u64::MAX as f64].into_iter(), (100.0, 0.0));
        assert!((0.0..=100.0).contains(&scale.place(u64::MAX as f64)));
        assert!(scale.ticks().len() < 12);
    }
}
