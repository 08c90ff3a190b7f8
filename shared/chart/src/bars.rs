//! A bar chart as SVG: groups of bars side by side, each with its exact value for
//! whoever points at it. Not here: what is drawn.

use std::fmt::{self, Display, Formatter};

use super::text::{Count, Escaped};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
/// Room for the numbers of the axis, at the left.
const LEFT: f64 = 90.0;
/// Room for the labels, below.
const BELOW: f64 = 28.0;
const TOP: f64 = 8.0;
/// Widest a group of bars becomes.
const WIDEST: f64 = 120.0;
/// Labels that fit side by side.
const MOST_LABELS: usize = 8;
/// Lines of the grid.
const LINES: u64 = 4;

/// What stands over one label: a bar for each series, or none where nothing is known.
pub struct Bar {
    /// What it is.
    pub label: String,
    /// One value a series.
    pub values: Vec<Option<u64>>,
}

/// The chart.
pub struct Chart<'a> {
    /// From left to right.
    pub bars: Vec<Bar>,
    /// What the series are called.
    pub series: &'a [&'a str],
}

impl Chart<'_> {
    /// The top of the axis: a multiple of the lines, so that each has a whole number.
    fn top(&self) -> u64 {
        let values = self.bars.iter().flat_map(|bar| &bar.values);
        let highest = values.flatten().copied().max().unwrap_or(0).max(LINES);
        let magnitude = 10_u64.pow(highest.ilog10());
        let steps = [1, 2, 4, 8, 10].map(|step| magnitude.saturating_mul(step));
        let top = steps.into_iter().find(|top| *top >= highest);
        top.unwrap_or(u64::MAX).next_multiple_of(LINES)
    }

    fn is_empty(&self) -> bool {
        let mut values = self.bars.iter().flat_map(|bar| &bar.values);
        !values.any(|value| value.is_some_and(|value| value > 0))
    }

    fn grid(&self, top: u64, f: &mut Formatter<'_>) -> fmt::Result {
        for line in 0..=LINES {
            let value = top / LINES * line;
            let y = height(value, top);
            write!(
                f,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                Count(value),
            )?;
        }
        Ok(())
    }

    fn legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<p class=\"legend\">")?;
        for (number, name) in self.series.iter().enumerate() {
            write!(f, "<span class=\"key{number}\">{}</span>", Escaped(name))?;
        }
        f.write_str("</p>")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a length on a screen")]
fn height(value: u64, top: u64) -> f64 {
    let part = value as f64 / top.max(1) as f64;
    TOP + (HEIGHT - TOP) * (1.0 - part)
}

#[expect(clippy::cast_precision_loss, reason = "a length on a screen")]
fn share(whole: f64, of: usize) -> f64 {
    whole / of.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a length on a screen")]
fn offset(width: f64, number: usize) -> f64 {
    width * number as f64
}

impl Display for Chart<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("<p class=\"none\">Nothing in this period yet.</p>");
        }
        self.legend(f)?;
        let top = self.top();
        let bottom = HEIGHT + BELOW;
        write!(f, "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {bottom}\">")?;
        self.grid(top, f)?;
        let group = share(WIDTH - LEFT, self.bars.len()).min(WIDEST);
        let bar = share(group * 0.8, self.series.len());
        let labelled = self.bars.len().div_ceil(MOST_LABELS).max(1);
        for (place, one) in self.bars.iter().enumerate() {
            let left = LEFT + offset(group, place) + group * 0.1;
            for (number, value) in one.values.iter().enumerate() {
                let Some(value) = *value else { continue };
                let (x, y) = (left + offset(bar, number), height(value, top));
                write!(
                    f,
                    "<rect class=\"bar{number}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{:.2}\">\
                     <title>{}: {} {}</title></rect>",
                    bar * 0.92,
                    HEIGHT - y,
                    Escaped(&one.label),
                    Count(value),
                    Escaped(self.series.get(number).copied().unwrap_or_default()),
                )?;
            }
            if place.is_multiple_of(labelled) {
                let (x, y) = (left + group * 0.4, HEIGHT + 18.0);
                let label = Escaped(&one.label);
                write!(
                    f,
                    "<text class=\"axis\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>"
                )?;
            }
        }
        f.write_str("</svg>")
    }
}
