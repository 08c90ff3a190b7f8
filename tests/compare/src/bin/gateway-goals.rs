//! Measures every goal of the telephone gateway, and prints goal, figure and verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use pennyblack_compare::gateway::{Extent, ROWS};
use pennyblack_compare::machine::Machine;
use pennyblack_compare::report::Report;

/// The programs that are measured.
const PROGRAMS: [&str; 3] = ["pennyblack-issuer", "pennyblack-cps", "pennyblack-gateway"];

/// Measures the goals of the telephone gateway: how long a switch waits, what a call costs,
/// and that no fault behind the gateway costs a call or a token. Starts an issuer, a CPS and a
/// gateway on free ports of this machine, for each row anew, and ends them.
///
/// All rows take 22 minutes, of which the row `memory` takes 15. What is measured in milliseconds
/// needs a machine that does nothing else.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only the rows of these names; all without one.
    #[arg(value_parser = ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    rows: Vec<String>,
    /// Take a first look: a tenth of the calls, six minutes of memory.
    #[arg(long)]
    quick: bool,
    /// The directory of the three programs. Default: that of this program.
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for the documentation.
    #[arg(long)]
    markdown: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let programs = match programs(arguments.programs.as_deref()) {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let extent = Extent {
        programs,
        quick: arguments.quick,
    };
    let (report, is_whole) = measure(&arguments.rows, &extent);
    if arguments.json {
        println!("{:#}", report.json());
    } else if arguments.markdown {
        println!("{}", report.markdown());
    } else {
        println!("{}", report.table());
    }
    if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The directory, if all programs are in it.
fn programs(named: Option<&Path>) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = named.or(own.parent()).unwrap_or(Path::new("."));
    for program in PROGRAMS {
        if !directory.join(program).is_file() {
            return Err(format!(
                "{program} is not in {}: run `cargo build --release --workspace`, or name the \
                 directory of the programs with --programs",
                directory.display()
            ));
        }
    }
    Ok(directory.to_owned())
}

/// What was asked for, and whether all of it could be measured.
fn measure(rows: &[String], extent: &Extent) -> (Report, bool) {
    let mut report = Report {
        machine: Machine::here(),
        method: "Issuer, CPS, gateway and switches on the same machine.".to_owned(),
        against: "CPS",
        findings: Vec::new(),
    };
    let mut is_whole = true;
    for (name, measure) in ROWS {
        if !rows.is_empty() && !rows.iter().any(|row| row == name) {
            continue;
        }
        eprintln!("measuring {name} …");
        match catch_unwind(AssertUnwindSafe(|| measure(extent))) {
            Ok(findings) => {
                let findings = findings.into_iter().map(|finding| (*name, finding));
                report.findings.extend(findings);
            }
            Err(_) => {
                eprintln!("{name} could not be measured, for the reason above");
                is_whole = false;
            }
        }
    }
    (report, is_whole)
}
