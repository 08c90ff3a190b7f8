//! The demonstration as a newcomer runs it, compiled before.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::setting::Setting;

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let program = std::env::current_exe()
        .unwrap()
        .with_file_name("pennyblack");
    let line = |what: &str, goal, outcome: Result<Spread, String>| {
        let finding = |value| {
            Finding::measured(
                what,
                "a human's patience",
                Goal::AtMost(goal),
                Unit::Seconds,
                value,
            )
        };
        match outcome {
            Ok(value) => finding(value),
            Err(why) => Finding::not_measured(
                what,
                "a human's patience",
                Goal::AtMost(goal),
                Unit::Seconds,
                why,
            ),
        }
    };
    let runs: Result<Vec<_>, String> = (0..setting.pairs.min(3)).map(|_| run(&program)).collect();
    let spread = |pick: fn(&(f64, f64)) -> f64| match &runs {
        Ok(runs) => Ok(Spread::of(runs.iter().map(pick))),
        Err(why) => Err(why.clone()),
    };
    vec![
        line("demonstration, whole", 30.0, spread(|run| run.1)),
        line("demonstration, first output", 1.0, spread(|run| run.0)),
    ]
}

/// Seconds until the first line, and until the end.
fn run(program: &std::path::Path) -> Result<(f64, f64), String> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .arg("demo")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}; build the workspace first", program.display()))?;
    let stderr = child.stderr.take().unwrap();
    let first = std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr).lines();
        let _ = lines.next();
        let first = start.elapsed();
        lines.for_each(drop);
        first
    });
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let whole = start.elapsed();
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    Ok((first.join().unwrap().as_secs_f64(), whole.as_secs_f64()))
}
