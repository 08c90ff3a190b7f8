//! A bar chart within a page: groups of bars side by side, each with its exact value
//! for those who point at it. The page's style says how its classes look. Not here:
//! what is drawn.

use std::fmt::{self, Display, Formatter};

use super::scale::Scale;
use super::svg;
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

/// What stands over one label: a bar for each series, or none where nothing is known.
pub struct Group {
    /// What the bars are of.
    pub label: String,
    /// A value for each series.
    pub values: Vec<Option<u64>>,
}

/// The chart, with its legend before it.
pub struct BarChart<'a> {
    /// From left to right.
    pub groups: Vec<Group>,
    /// What the bars of each group are.
    pub series: &'a [&'a str],
}

impl BarChart<'_> {
    fn values(&self) -> impl Iterator<Item = u64> {
        self.groups
            .iter()
            .flat_map(|group| &group.values)
            .flatten()
            .copied()
    }

    fn draw_legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<p class=\"legend\">")?;
        for (number, name) in self.series.iter().enumerate() {
            write!(f, "<span class=\"key{number}\">{}</span>", Escaped(name))?;
        }
        f.write_str("</p>")
    }

    fn draw_group(
        &self,
        f: &mut Formatter<'_>,
        group: &Group,
        (left, width): (f64, f64),
        upward: &Scale,
    ) -> fmt::Result {
        let bar = width / self.series.len().max(1) as f64;
        for (number, value) in group.values.iter().enumerate() {
            let Some(value) = *value else { continue };
            let (x, y) = (left + bar * number as f64, upward.place(value as f64));
            writeln!(
                f,
                "<rect class=\"bar{number}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" \
                 height=\"{:.2}\"><title>{}: {} {}</title></rect>",
                bar * 0.92,
                HEIGHT - y,
                Escaped(&group.label),
                Count(value),
                Escaped(self.series.get(number).copied().unwrap_or_default()),
            )?;
        }
        Ok(())
    }
}

impl Display for BarChart<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.values().all(|value| value == 0) {
            return f.write_str("<p class=\"none\">Nothing in this period yet.</p>");
        }
        self.draw_legend(f)?;
        let bottom = HEIGHT + BELOW;
        writeln!(f, "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {bottom}\">")?;
        let upward = Scale::whole(self.values().map(|value| value as f64), (HEIGHT, TOP));
        for value in upward.ticks() {
            let y = upward.place(value);
            svg::rule(f, "grid", (LEFT, y), (WIDTH, y))?;
            svg::text(f, "axis", (LEFT - 8.0, y + 4.0), "end", Count(value as u64))?;
        }
        let width = ((WIDTH - LEFT) / self.groups.len().max(1) as f64).min(WIDEST);
        let labelled = self.groups.len().div_ceil(MOST_LABELS).max(1);
        for (place, group) in self.groups.iter().enumerate() {
            let left = LEFT + width * place as f64 + width * 0.1;
            self.draw_group(f, group, (left, width * 0.8), &upward)?;
            if place.is_multiple_of(labelled) {
                let below = (left + width * 0.4, HEIGHT + 18.0);
                svg::text(f, "axis", below, "middle", &group.label)?;
            }
        }
        f.write_str("</svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[Option<u64>]) -> String {
        let group = |value: &Option<u64>| Group {
            label: "<day>".to_owned(),
            values: vec![*value, *value],
        };
        let chart = BarChart {
            groups: values.iter().map(group).collect(),
            series: &["one", "other"],
        };
        chart.to_string()
    }

    #[test]
    fn each_known_value_has_a_bar_that_tells_it() {
        let drawn = chart(&[Some(1_234), None, Some(0)]);
        assert_eq!(drawn.matches("<rect").count(), 4);
        assert!(
            drawn.contains("<title>&lt;day&gt;: 1\u{202f}234 other</title>"),
            "{drawn}"
        );
        assert!(drawn.contains(">1\u{202f}500</text>"), "{drawn}");
    }

    #[test]
    fn nothing_is_said_in_words() {
        for values in [&[][..], &[None], &[Some(0), None]] {
            assert!(chart(values).contains("Nothing in this period yet."));
        }
    }
}
