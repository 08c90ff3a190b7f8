//! How curves are shown: charts, a table for people, Markdown for the documentation,
//! JSON for programs.

use std::fs;
use std::io;
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use pennyblack_chart::lines::{Line, LineChart, Point};
use pennyblack_chart::text::short;
use serde_json::{Value, json};

use super::curve::{Curve, Expectation, Series};
use crate::finding::{Unit, Verdict};
use crate::machine::Machine;

/// The head of every table.
const COLUMNS: [&str; 6] = ["curve", "cost", "expected", "measured", "growth", "verdict"];

/// Every curve of one run.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where.
    pub machine: Machine,
    /// How many turns each value is the median of, at the most.
    pub turns: usize,
    /// What.
    pub curves: Vec<Curve>,
}

impl Page {
    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(COLUMNS);
        for cells in self.rows() {
            table.add_row(cells);
        }
        format!("{}\n{table}", self.heading())
    }

    /// The same in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let rule = COLUMNS.map(|_| "---").join(" | ");
        let mut text = format!(
            "{}\n\n| {} |\n| {rule} |\n",
            self.heading(),
            COLUMNS.join(" | ")
        );
        for cells in self.rows() {
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }

    /// The same for programs, with every value.
    #[must_use]
    pub fn json(&self) -> Value {
        let series = |unit: Unit, series: &Series| {
            let growth = series.growth();
            json!({
                "name": series.name,
                "expected": series.expectation.words(unit),
                "samples": series.samples.iter().map(|sample| json!({
                    "size": sample.size,
                    "values": sample.values,
                })).collect::<Vec<_>>(),
                "growth": { "median": growth.median, "low": growth.low, "high": growth.high },
                "verdict": verdict(series),
            })
        };
        let curve = |curve: &Curve| {
            json!({
                "name": curve.name,
                "title": curve.title,
                "growing": curve.growing,
                "cost": curve.cost,
                "unit": curve.unit.sign(),
                "series": curve.series.iter().map(|one| series(curve.unit, one)).collect::<Vec<_>>(),
            })
        };
        json!({
            "machine": self.machine,
            "turns": self.turns,
            "curves": self.curves.iter().map(curve).collect::<Vec<_>>(),
        })
    }

    /// Writes each curve's chart to a file in the directory, which is made if missing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn draw(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for curve in &self.curves {
            let path = directory.join(format!("{}.svg", curve.name));
            fs::write(path, chart(curve).to_string())?;
        }
        Ok(())
    }

    fn heading(&self) -> String {
        format!(
            "{}; {} cores; {}. Medians of up to {} interleaved turns; growth is the cost at the \
             largest size as a multiple of that at the smallest (lowest to highest turn).",
            self.machine.processor, self.machine.cores, self.machine.system, self.turns
        )
    }

    fn rows(&self) -> impl Iterator<Item = [String; 6]> {
        let all = self.curves.iter();
        all.flat_map(|curve| curve.series.iter().map(|series| cells(curve, series)))
    }
}

fn cells(curve: &Curve, series: &Series) -> [String; 6] {
    let sizes = series.samples.iter().map(|sample| short(sample.size));
    let values = series.samples.iter();
    let values = values.map(|sample| short(sample.spread().median));
    let list = |values: Vec<String>| values.join(", ");
    let growth = series.growth();
    let range = if growth.low == growth.high {
        String::new()
    } else {
        format!(" ({} to {})", short(growth.low), short(growth.high))
    };
    [
        curve.name.to_owned(),
        format!("{} at {}", series.name, list(sizes.collect())),
        series.expectation.words(curve.unit),
        format!("{} {}", list(values.collect()), curve.unit.sign()),
        format!("{} x{range}", short(growth.median)),
        verdict(series),
    ]
}

fn verdict(series: &Series) -> String {
    let has_goal = matches!(series.expectation, Expectation::AtMost(_));
    match series.verdict() {
        Verdict::Met if has_goal => "met".to_owned(),
        Verdict::Met => "as the work".to_owned(),
        Verdict::Missed(part) if has_goal => format!("missed by {:.0} %", part * 100.0),
        Verdict::Missed(part) => format!("grows: {:.0} % over its limit", part * 100.0),
        Verdict::NotMeasured => "not measured".to_owned(),
    }
}

fn chart(curve: &Curve) -> LineChart {
    let line = |series: &Series| {
        let points = series.samples.iter().map(|sample| {
            let spread = sample.spread();
            Point {
                size: sample.size,
                low: spread.low,
                value: spread.median,
                high: spread.high,
            }
        });
        Line {
            name: format!("{}: {} x", series.name, short(series.growth().median)),
            points: points.collect(),
            limit: series.limit().to_vec(),
        }
    };
    LineChart {
        title: curve.title.to_owned(),
        across: curve.growing.to_owned(),
        upward: format!("{}: {}", curve.unit.sign(), curve.cost),
        lines: curve.series.iter().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::curve::Sample;

    fn page() -> Page {
        let sample = |size, value: f64| Sample {
            size,
            values: vec![value, value * 1.5, value * 0.9],
        };
        let samples = vec![sample(1e3, 2.0), sample(1e5, 8.0)];
        Page {
            machine: Machine::here(),
            turns: 3,
            curves: vec![Curve {
                name: "sample",
                title: "A sample",
                growing: "things",
                cost: "time for one",
                unit: Unit::Microseconds,
                series: vec![Series::new("one", Expectation::Flat(1.6), samples)],
            }],
        }
    }

    #[test]
    fn a_cost_that_grows_is_said_to() {
        let text = page().markdown();
        let line = "| sample | one at 1 k, 100 k | the same at any size (≤ 1.6 x) | 2, 8 µs | 4 x \
                    | grows: 150 % over its limit |";
        assert!(text.contains(line), "{text}");
        let json = page().json();
        assert_eq!(
            json["curves"][0]["series"][0]["samples"][1]["values"][0],
            8.0
        );
    }

    #[test]
    fn every_curve_has_a_chart_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        page().draw(&home.path().join("new")).unwrap();
        let svg = fs::read_to_string(home.path().join("new/sample.svg")).unwrap();
        assert!(
            svg.contains(">A sample<") && svg.contains(">one: 4 x<"),
            "{svg}"
        );
    }
}
