//! `federation check`: whether rosters follow each other, and whether the last one is valid.

use std::path::{Path, PathBuf};

use clap::Args;
use console::style;
use pennyblack_base::time::UnixTime;
use pennyblack_roster::{Chain, KeptRosters, Pin, Standing, directory};
use pennyblack_runtime::clock::Clock;
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, numbers, words};
use super::super::wording::{folded, plural};
use super::exit_of_chain;
use super::show::{standing, standing_word};

/// `federation check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # files, from the pinned one on
  pennyblack federation check --pin 1:9f86d081… 1.roster 2.roster
  # what `federation fetch` keeps, which has its pin
  pennyblack federation check rosters

Exit code 14: the newest has ended or is not valid yet; 20: there is a fork
(files that end in .fork); 24: a roster lacks signatures.")]
pub(crate) struct Check {
    /// A directory of `federation fetch`, or with --pin all rosters from the pinned one on.
    #[arg(required = true, value_name = "DIR|FILE")]
    rosters: Vec<PathBuf>,
    /// The pin of the first roster, as the governors told it.
    #[arg(long, value_name = "SEQUENCE:SHA256")]
    pin: Option<Pin>,
}

/// Checks them.
pub(super) fn check(arguments: &Check) -> Result<Outcome, Failure> {
    let now = Clock::system().now();
    if let Some(pin) = &arguments.pin {
        return Ok(report(&chain_of(pin, &arguments.rosters)?, now));
    }
    let [directory] = arguments.rosters.as_slice() else {
        let text = "--pin is missing: only a directory of `federation fetch` has its pin";
        return Err(Failure::new(Exit::Usage, text));
    };
    Ok(report(&KeptRosters::chain_in(directory)?, now))
}

fn chain_of(pin: &Pin, files: &[PathBuf]) -> Result<Chain, Failure> {
    let mut rosters = Vec::new();
    for file in files {
        rosters.push((directory::read_file(file)?, file));
    }
    rosters.sort_by_key(|(roster, _)| roster.sequence());
    let failed = |error, file: &Path| {
        let exit = exit_of_chain(&error);
        Failure::new(exit, format!("{}: {error}", file.display()))
    };
    let mut rosters = rosters.into_iter();
    let none = || Failure::new(Exit::Usage, "no roster is named");
    let (first, file) = rosters.next().ok_or_else(none)?;
    let mut chain = Chain::begin(pin, first).map_err(|error| failed(error, file))?;
    for (roster, file) in rosters {
        chain.offer(roster).map_err(|error| failed(error, file))?;
    }
    Ok(chain)
}

/// What is good about them, and whether the one in force is valid now.
pub(super) fn report(chain: &Chain, now: UnixTime) -> Outcome {
    let mut table = Table::new([
        numbers("roster"),
        words("valid until").whole(),
        words("signatures").whole(),
        numbers("members"),
    ]);
    let mut entries = Vec::new();
    for signed in chain.rosters() {
        let roster = signed.roster();
        let governors = &roster.governors;
        // They were verified.
        let count = governors
            .who_signed(signed.note())
            .map_or(0, |who| who.len());
        let members = roster.members.iter().count();
        table.row([
            roster.sequence().to_string(),
            roster.validity.until().to_string(),
            format!("{count} of {}", governors.keys().len()),
            members.to_string(),
        ]);
        entries.push(json!({
            "sequence": roster.sequence().get(),
            "pin": signed.pin().to_string(),
            "valid_until": roster.validity.until(),
            "signatures": count,
            "members": members,
        }));
    }
    let (roster, last) = (chain.in_force(now).roster(), chain.last().roster());
    let state = roster.validity.standing(now);
    let mut line = format!(
        "{} of {}, each signed as it must be. Roster {}: {}",
        plural(entries.len() as u64, "roster"),
        roster.origin,
        roster.sequence(),
        standing(&roster.validity, now)
    );
    if last.sequence() != roster.sequence() {
        let begins = last.validity.from();
        line.push_str(&format!(". Roster {} begins at {begins}", last.sequence()));
    }
    let is_current = matches!(state, Standing::Current { .. });
    let line = match is_current {
        true => style(folded(&line)).green(),
        false => style(folded(&line)).red(),
    };
    let json = json!({
        "federation": roster.origin,
        "pin": chain.first().pin().to_string(),
        "newest": last.sequence().get(),
        "in_force": roster.sequence().get(),
        "standing": standing_word(state),
        "rosters": entries,
    });
    let exit = match is_current {
        true => Exit::Done,
        false => Exit::RosterNotCurrent,
    };
    Outcome::new(json, format!("{line}\n{table}"), exit)
}
