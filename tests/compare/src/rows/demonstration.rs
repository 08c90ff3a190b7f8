//! The demonstration as a newcomer runs it: compiled before, on a terminal.

use std::path::Path;
use std::process::Command;

use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::setting::Setting;
use crate::terminal;

const AGAINST: &str = "a human's patience";

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let program = std::env::current_exe()
        .unwrap()
        .with_file_name("pennyblack");
    let runs: Result<Vec<_>, String> = (0..setting.pairs.min(3)).map(|_| run(&program)).collect();
    let line = |what, max, side: fn(&(f64, f64)) -> f64| {
        let goal = Goal::AtMost(max);
        match &runs {
            Ok(runs) => {
                let value = Spread::of(runs.iter().map(side));
                Finding::measured(what, AGAINST, goal, Unit::Seconds, value)
            }
            Err(why) => Finding::not_measured(what, AGAINST, goal, Unit::Seconds, why),
        }
    };
    vec![
        line("demonstration, whole", 30.0, |(whole, _)| *whole),
        line("demonstration, first output", 1.0, |(_, first)| *first),
    ]
}

/// Seconds until the end, and until something was shown.
fn run(program: &Path) -> Result<(f64, f64), String> {
    let shown = terminal::run(Command::new(program).arg("demo"))
        .map_err(|error| format!("{}: {error}; build the workspace first", program.display()))?;
    if !shown.status.success() {
        return Err(format!("it ended with {}", shown.status));
    }
    let first = shown.first.ok_or("it showed nothing")?;
    Ok((shown.whole.as_secs_f64(), first.as_secs_f64()))
}
