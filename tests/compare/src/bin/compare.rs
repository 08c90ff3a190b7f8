//! Measures every row of the table of goals with its floor or peer in the same
//! run, and prints goal, value and verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pennyblack_compare::machine::{self, Machine};
use pennyblack_compare::report::Report;
use pennyblack_compare::roles;
use pennyblack_compare::rows::{Measure, ROWS};
use pennyblack_compare::setting::Setting;

/// Compares Pennyblack with what cannot be beaten: the floor or the peer of every
/// goal, measured by turns in the same run. Takes some minutes; needs a machine
/// that does nothing else.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only the rows of these names; all without one.
    #[arg(value_parser = ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    rows: Vec<String>,
    /// Take a first look: few, short turns.
    #[arg(long)]
    quick: bool,
    /// Measure this peer too: a clone of the repository
    /// TransNexus/call-placement-service in which `npm ci --omit=dev` was run. Needs
    /// node and redis-server.
    #[arg(long, value_name = "DIRECTORY")]
    transnexus: Option<PathBuf>,
    /// The program `peers`, which runs the peers that are crates. Without this option it
    /// is looked for next to this program and at tests/peers/target/release/peers.
    #[arg(long, value_name = "PROGRAM")]
    peers: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for the documentation.
    #[arg(long)]
    markdown: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if roles::play(&arguments) {
        return ExitCode::SUCCESS;
    }
    compare(&Arguments::parse())
}

fn compare(arguments: &Arguments) -> ExitCode {
    let mut setting = if arguments.quick {
        Setting::quick()
    } else {
        Setting::full()
    };
    setting.transnexus.clone_from(&arguments.transnexus);
    setting.peers.clone_from(&arguments.peers);
    let machine = Machine::here();
    machine::pin(setting.cores.load);
    let mut report = Report {
        machine,
        method: format!(
            "Median of {} interleaved pairs (lowest to highest).",
            setting.pairs
        ),
        against: "against",
        findings: Vec::new(),
    };
    let mut broken = false;
    for (name, measure) in ROWS {
        if arguments.rows.is_empty() || arguments.rows.iter().any(|row| row == name) {
            eprintln!("measuring {name} …");
            broken |= !add_row(&mut report, name, *measure, &setting);
        }
    }
    if arguments.json {
        println!("{:#}", report.json());
    } else if arguments.markdown {
        println!("{}", report.markdown());
    } else {
        println!("{}", report.table());
    }
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Measures a row; false when its scenery broke down, which was said then.
fn add_row(report: &mut Report, name: &'static str, measure: Measure, setting: &Setting) -> bool {
    let measured = catch_unwind(AssertUnwindSafe(|| measure(setting)));
    let Ok(findings) = measured else {
        eprintln!("{name} could not be measured, for the reason above");
        return false;
    };
    report
        .findings
        .extend(findings.into_iter().map(|finding| (name, finding)));
    true
}
