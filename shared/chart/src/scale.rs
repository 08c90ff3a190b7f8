//! Where values lie on a chart: axes that are logarithmic or begin at zero.

use super::lines::{Line, PLOT};

/// A vertical axis is logarithmic when values lie further apart than this.
const LOGARITHMIC_FROM: f64 = 30.0;

pub(super) struct Scales {
    pub(super) across: Scale,
    pub(super) upward: Scale,
}

impl Scales {
    pub(super) fn of(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let limits = || lines.iter().flat_map(|line| &line.limit);
        let sizes = points().map(|point| point.size);
        let values = points().flat_map(|point| [point.low, point.value, point.high]);
        let values = values.chain(limits().map(|(_, value)| *value));
        let (left, top, right, bottom) = PLOT;
        Self {
            across: Scale::logarithmic(sizes, (left + 40.0, right - 40.0)),
            upward: Scale::fitting(values, (bottom, top)),
        }
    }

    pub(super) fn of_point(&self, size: f64, value: f64) -> (f64, f64) {
        (self.across.place(size), self.upward.place(value))
    }
}

/// Where values lie between two places on the chart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    logarithmic: bool,
    values: (f64, f64),
    places: (f64, f64),
}

impl Scale {
    /// From the least to the most, each ten times as far as a tenth of it.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (min, max) = ends(values.filter(|value| *value > 0.0));
        Self {
            logarithmic: true,
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
        Self {
            logarithmic: false,
            values: (0.0, max * 1.15),
            places,
        }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let (min, max) = self.values;
        let part = if self.logarithmic {
            (value.max(min) / min).ln() / (max / min).ln()
        } else {
            (value - min) / (max - min)
        };
        let (first, last) = self.places;
        first + (last - first) * part
    }

    /// Round values for lines across the chart.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (min, max) = self.values;
        if self.logarithmic {
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
            return ticks.filter(|tick| (min..=max).contains(tick)).collect();
        }
        let step = round_step((max - min) / 5.0);
        let count = ((max - min) / step).floor() as u32;
        (0..=count).map(|n| min + step * f64::from(n)).collect()
    }
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

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(min: f64) -> f64 {
    let decade = 10f64.powf(min.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    let enough = steps.into_iter().find(|step| *step >= min * 0.999);
    enough.unwrap_or(decade * 10.0)
}
