//! The demonstration as a newcomer runs it, compiled before.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::setting::Setting;

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let program = std::env::current_exe()
        .unwrap()
        .with_file_name("pennyblack");
    const WHAT: &str = "demonstration, whole";
    const AGAINST: &str = "a human's patience";
    let goal = Goal::AtMost(30.0);
    let runs: Result<Vec<_>, String> = (0..setting.pairs.min(3)).map(|_| run(&program)).collect();
    let whole = match runs {
        Ok(runs) => Finding::measured(WHAT, AGAINST, goal, Unit::Seconds, Spread::of(runs)),
        Err(why) => Finding::not_measured(WHAT, AGAINST, goal, Unit::Seconds, why),
    };
    let first = Finding::not_measured(
        "demonstration, first output",
        AGAINST,
        Goal::AtMost(1.0),
        Unit::Seconds,
        "progress is shown on a terminal only",
    );
    vec![whole, first]
}

/// Seconds until the end.
fn run(program: &Path) -> Result<f64, String> {
    let start = Instant::now();
    let status = Command::new(program)
        .arg("demo")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("{}: {error}; build the workspace first", program.display()))?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    Ok(start.elapsed().as_secs_f64())
}
