//! What measuring a row of the table of goals came to: a value next to its goal,
//! and the verdict. How it is shown is `report`'s part.

use crate::pairs::Spread;

/// What a value should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// In what a value is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A multiple of the floor or peer.
    Times,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// So many a second.
    PerSecond,
    /// Parts of a hundred.
    Percent,
    /// Nothing: things are counted.
    Count,
}

impl Unit {
    /// The sign after a value.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Times => "x",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::PerSecond => "/s",
            Self::Percent => "%",
            Self::Count => "",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A value.
    Measured(Spread),
    /// None, and why.
    NotMeasured(String),
}

/// Whether a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Reached, by the median.
    Met,
    /// Missed; by how much of the goal (0.1 is a tenth). Infinite if the goal is nothing.
    Missed(f64),
    /// Unknown.
    NotMeasured,
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is measured.
    pub what: String,
    /// Against what.
    pub against: String,
    /// What it should be.
    pub goal: Goal,
    /// In what.
    pub unit: Unit,
    /// What it is.
    pub outcome: Outcome,
    /// The absolute values behind it, ours and theirs, and what else to know.
    pub notes: Vec<String>,
}

impl Finding {
    /// A measured line.
    #[must_use]
    pub fn measured(
        what: impl Into<String>,
        against: impl Into<String>,
        goal: Goal,
        unit: Unit,
        value: Spread,
    ) -> Self {
        Self {
            what: what.into(),
            against: against.into(),
            goal,
            unit,
            outcome: Outcome::Measured(value),
            notes: Vec::new(),
        }
    }

    /// A line without a value.
    #[must_use]
    pub fn not_measured(
        what: impl Into<String>,
        against: impl Into<String>,
        goal: Goal,
        unit: Unit,
        why: impl Into<String>,
    ) -> Self {
        Self {
            outcome: Outcome::NotMeasured(why.into()),
            ..Self::measured(what, against, goal, unit, Spread::once(0.0))
        }
    }

    /// With one more thing to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The verdict, by the median.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Outcome::Measured(value) = &self.outcome else {
            return Verdict::NotMeasured;
        };
        let missed = match self.goal {
            Goal::AtLeast(goal) => (goal - value.median) / goal,
            Goal::AtMost(goal) => (value.median - goal) / goal,
        };
        if missed > 0.0 {
            Verdict::Missed(missed)
        } else {
            Verdict::Met
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(goal: Goal, value: f64) -> Verdict {
        Finding::measured("a", "b", goal, Unit::Times, Spread::once(value)).verdict()
    }

    #[test]
    fn a_goal_is_met_at_its_edge_and_missed_beyond_it() {
        assert_eq!(verdict(Goal::AtLeast(0.8), 0.8), Verdict::Met);
        assert_eq!(verdict(Goal::AtMost(2.0), 2.0), Verdict::Met);
        assert_eq!(verdict(Goal::AtLeast(0.8), 0.4), Verdict::Missed(0.5));
        assert_eq!(verdict(Goal::AtMost(2.0), 3.0), Verdict::Missed(0.5));
        assert_eq!(verdict(Goal::AtMost(0.0), 0.0), Verdict::Met);
        assert_eq!(
            verdict(Goal::AtMost(0.0), 1.0),
            Verdict::Missed(f64::INFINITY)
        );
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let finding = Finding::not_measured("a", "b", Goal::AtLeast(1.0), Unit::Times, "no disk");
        assert_eq!(finding.verdict(), Verdict::NotMeasured);
    }
}
