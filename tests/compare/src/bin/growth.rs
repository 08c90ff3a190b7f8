//! Measures what costs do while that grows which they should not depend on, and
//! draws it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pennyblack_compare::growth::CURVES;
use pennyblack_compare::growth::page::Page;
use pennyblack_compare::machine::{self, Machine};
use pennyblack_compare::roles;
use pennyblack_compare::setting::Setting;

/// Measures costs at 1, 10 and 100 times as many tokens, mailboxes, entries, key
/// epochs, connections, key records and rosters, and says which of them grow. Takes
/// some minutes, two gigabytes of disk and some of memory; needs a machine that does
/// nothing else.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only what grows with these; all without one.
    #[arg(value_parser = CURVES.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    curves: Vec<String>,
    /// Take a first look: a quarter of the sizes, few turns.
    #[arg(long)]
    quick: bool,
    /// Print JSON, with every value.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for the documentation.
    #[arg(long)]
    markdown: bool,
    /// Draw a chart of each curve into this directory.
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if roles::play(&arguments) {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let (page, whole) = measure(&arguments);
    let drawn = arguments.out.as_ref().map_or(Ok(()), |out| page.draw(out));
    if arguments.json {
        println!("{:#}", page.json());
    } else if arguments.markdown {
        println!("{}", page.markdown());
    } else {
        println!("{}", page.table());
    }
    if let Err(error) = &drawn {
        eprintln!("the charts could not be written: {error}");
    }
    if whole && drawn.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What was asked for, and whether all of it could be measured.
fn measure(arguments: &Arguments) -> (Page, bool) {
    let setting = if arguments.quick {
        Setting::quick()
    } else {
        Setting::full()
    };
    let mut page = Page {
        machine: Machine::here(),
        turns: setting.pairs,
        curves: Vec::new(),
    };
    machine::pin(setting.cores.load);
    let mut whole = true;
    for (name, measure) in CURVES {
        let wanted = arguments.curves.is_empty() || arguments.curves.iter().any(|one| one == name);
        if !wanted {
            continue;
        }
        eprintln!("measuring {name} …");
        match catch_unwind(AssertUnwindSafe(|| measure(&setting))) {
            Ok(curves) => page.curves.extend(curves),
            Err(_) => {
                eprintln!("{name} could not be measured, for the reason above");
                whole = false;
            }
        }
    }
    (page, whole)
}
