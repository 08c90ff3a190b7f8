//! How findings are shown: a table for people, Markdown for the documentation,
//! JSON for programs.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::finding::{Finding, Goal, Outcome, Unit, Verdict};
use crate::machine::Machine;
use crate::pairs::Spread;

/// Everything that was found in one run, by row.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// What each value is, as a sentence.
    pub method: String,
    /// What the values are measured against: the head of that column.
    pub against: &'static str,
    /// What, in the order of the table of goals.
    pub findings: Vec<(&'static str, Finding)>,
}

impl Report {
    /// A table for people, with the notes under it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(self.columns());
        for (row, finding) in &self.findings {
            table.add_row(cells(row, finding));
        }
        format!("{}\n{table}\n\n{}", self.heading(), self.notes(""))
    }

    /// The same in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let rule = self.columns().map(|_| "---").join(" | ");
        let mut text = format!(
            "{}\n\n| {} |\n| {rule} |\n",
            self.heading(),
            self.columns().join(" | ")
        );
        for (row, finding) in &self.findings {
            text.push_str(&format!("| {} |\n", cells(row, finding).join(" | ")));
        }
        format!("{text}\n{}", self.notes("- "))
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings = self.findings.iter().map(|(row, finding)| {
            let (goal, direction) = match finding.goal {
                Goal::AtLeast(goal) => (goal, "at_least"),
                Goal::AtMost(goal) => (goal, "at_most"),
            };
            let (value, reason) = match &finding.outcome {
                Outcome::Measured(Spread { low, median, high }) => {
                    (json!({ "median": median, "low": low, "high": high }), None)
                }
                Outcome::NotMeasured(why) => (Value::Null, Some(why)),
            };
            json!({
                "row": row,
                "what": finding.what,
                self.against: finding.against,
                "goal": goal,
                "direction": direction,
                "unit": finding.unit.sign(),
                "value": value,
                "verdict": verdict_word(finding.verdict()),
                "not_measured_because": reason,
                "notes": finding.notes,
            })
        });
        json!({
            "machine": self.machine,
            "method": self.method,
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    const fn columns(&self) -> [&str; 6] {
        ["row", "what", self.against, "goal", "measured", "verdict"]
    }

    fn heading(&self) -> String {
        format!(
            "{}; {} cores; {}. {}",
            self.machine.processor, self.machine.cores, self.machine.system, self.method
        )
    }

    fn notes(&self, bullet: &str) -> String {
        let mut text = String::new();
        for (row, finding) in &self.findings {
            for note in &finding.notes {
                text.push_str(&format!("{bullet}{row}: {note}\n"));
            }
        }
        text
    }
}

fn cells(row: &str, finding: &Finding) -> [String; 6] {
    let goal = match finding.goal {
        Goal::AtLeast(goal) => format!("≥ {}", in_unit(goal, finding.unit)),
        Goal::AtMost(goal) => format!("≤ {}", in_unit(goal, finding.unit)),
    };
    let measured = match &finding.outcome {
        Outcome::Measured(value) => spread(value, finding.unit),
        Outcome::NotMeasured(_) => "–".to_owned(),
    };
    let verdict = match (&finding.outcome, finding.verdict()) {
        (Outcome::NotMeasured(why), _) => format!("not measured: {why}"),
        (_, Verdict::Missed(part)) if part.is_finite() => {
            format!("missed by {:.1} %", part * 100.0)
        }
        (_, verdict) => verdict_word(verdict).to_owned(),
    };
    [
        row.to_owned(),
        finding.what.clone(),
        finding.against.clone(),
        goal,
        measured,
        verdict,
    ]
}

fn spread(value: &Spread, unit: Unit) -> String {
    let median = in_unit(value.median, unit);
    if value.low == value.high {
        return median;
    }
    format!("{median} ({} to {})", number(value.low), number(value.high))
}

fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => format!("{value:.0}"),
        _ => format!("{} {}", number(value), unit.sign()),
    }
}

/// Three digits that matter.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed(_) => "missed",
        Verdict::NotMeasured => "not measured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let met = Finding::measured(
            "stores",
            "no-op",
            Goal::AtLeast(0.8),
            Unit::Times,
            Spread::of([0.7, 0.9, 0.91]),
        );
        let unknown = Finding::not_measured(
            "peer",
            "Redis",
            Goal::AtLeast(5.0),
            Unit::Times,
            "not installed",
        );
        Report {
            machine: Machine::here(),
            method: "Median of 3 pairs.".to_owned(),
            against: "against",
            findings: vec![("store", met.note("9 µs")), ("peer", unknown)],
        }
    }

    #[test]
    fn every_line_says_goal_value_and_verdict() {
        let text = report().markdown();
        assert!(
            text.contains("| store | stores | no-op | ≥ 0.80 x | 0.90 x (0.70 to 0.91) | met |")
        );
        assert!(
            text.contains("| – | not measured: not installed |"),
            "{text}"
        );
        assert!(text.contains("- store: 9 µs"));
    }

    #[test]
    fn programs_read_the_reason_why_something_was_not_measured() {
        let json = report().json();
        assert_eq!(json["findings"][0]["verdict"], "met");
        assert_eq!(json["findings"][1]["value"], Value::Null);
        assert_eq!(json["findings"][1]["not_measured_because"], "not installed");
    }
}
