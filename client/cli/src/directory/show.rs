//! `directory show` and `directory find`: what a directory has. Not here: verifying it, which is
//! done when it is used.

use std::path::{Path, PathBuf};

use clap::Args;
use console::style;
use indicatif::HumanCount;
use pennyblack_client::directory::{Directory, FollowedCps};
use pennyblack_numbering::table_file;
use pennyblack_protocol::key_record::KeyRecord;
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde_json::{Value, json};

use super::super::options::typed_number;
use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, numbers, words};
use super::super::wording::{count, folded, plural, printable};

/// `directory show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack directory show --db directory.db")]
pub(crate) struct ShowArguments {
    /// The directory's file.
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
}

/// `directory find`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack directory find --db directory.db 12155550100

Exit code 8: there is none. Records for all numbers of an SPC are found with the
numbering table.")]
pub(crate) struct FindArguments {
    /// The directory's file.
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Numbering table: a CSV file of SPC, first number, count.
    #[arg(long, value_name = "FILE")]
    numbering: Option<PathBuf>,
    /// The number.
    #[arg(value_name = "NUMBER", value_parser = typed_number::<TelephoneNumber>)]
    number: TelephoneNumber,
}

fn existing(path: &Path) -> Result<Directory, Failure> {
    Directory::existing(path).map_err(|error| Failure::from(error).of_option("--db"))
}

/// Shows how far each CPS was followed.
pub(super) fn show(arguments: &ShowArguments) -> Result<Outcome, Failure> {
    let state = existing(&arguments.db)?.state(Clock::system().now())?;
    let mut table = Table::new([
        words("CPS"),
        numbers("records"),
        numbers("not trusted"),
        numbers("no room"),
        words("as of").whole(),
    ]);
    for cps in &state.cpss {
        let counts = [cps.records, cps.refused, cps.crowded];
        let [records, refused, crowded] = counts.map(|count| HumanCount(count).to_string());
        let complete = cps
            .complete
            .map_or_else(|| "never".to_owned(), |at| at.to_string());
        table.row([
            cps.authority.to_string(),
            records,
            refused,
            crowded,
            complete,
        ]);
    }
    let text = format!(
        "{} at hand, of {}; {} waiting\n{table}",
        plural(state.records, "key record"),
        plural(state.signers, "signer"),
        state.waiting,
    );
    let cpss: Vec<Value> = state.cpss.iter().map(entry_of_cps).collect();
    let json = json!({
        "records": state.records,
        "signers": state.signers,
        "waiting": state.waiting,
        "cpss": cpss,
    });
    Ok(Outcome::done(json, text))
}

fn entry_of_cps(cps: &FollowedCps) -> Value {
    json!({
        "cps": cps.authority,
        "records": cps.records,
        "not_trusted": cps.refused,
        "no_room": cps.crowded,
        "position": cps.position,
        "log_entries": cps.log_entries,
        "as_of": cps.complete,
    })
}

/// Shows the records of a number.
pub(super) fn find(arguments: &FindArguments) -> Result<Outcome, Failure> {
    let directory = existing(&arguments.db)?;
    let numbering = arguments
        .numbering
        .as_deref()
        .map(table_file::read)
        .transpose();
    let numbering = numbering.map_err(|error| Failure::from(error).of_option("--numbering"))?;
    let (number, now) = (&arguments.number, Clock::system().now());
    let spcs = numbering.map_or_else(Vec::new, |table| table.holders_of(number));
    let found = directory.records_of(number, &spcs, now)?;
    if found.records.is_empty() {
        let text = format!("not-in-directory: there is no key record for {number} here");
        return Err(Failure::new(Exit::NoKey, text));
    }
    let mut lines = vec![format!(
        "{} for {number}",
        plural(found.records.len() as u64, "key record")
    )];
    let mut entries = Vec::new();
    for record in &found.records {
        let claims = record.record();
        lines.extend(described(claims));
        entries.push(json!({
            "mailbox": claims.key.mailbox().to_string(),
            "iss": claims.iss,
            "numbers": claims.coverage.to_string(),
            "cpss": cpss_of(claims),
            "copies": claims.placement.copies(),
            "iat": claims.iat,
            "exp": claims.exp,
            "record": record.as_str(),
        }));
    }
    if found.is_partial {
        lines.push("and more, which are less specific".to_owned());
    }
    let json = json!({
        "number": number.to_string(),
        "records": entries,
        "is_partial": found.is_partial,
    });
    Ok(Outcome::done(json, lines.join("\n")))
}

fn cpss_of(claims: &KeyRecord) -> Vec<String> {
    claims.placement.cpss().map(ToString::to_string).collect()
}

fn described(claims: &KeyRecord) -> Vec<String> {
    let (iss, coverage) = (
        printable(&claims.iss),
        printable(&claims.coverage.to_string()),
    );
    let placement = &claims.placement;
    let copies = count(placement.copies() as u64, "copy", "copies");
    vec![
        format!("{} {}", style("mailbox").green(), claims.key.mailbox()),
        folded(&format!("  by {iss}, for {coverage}, until {}", claims.exp)),
        folded(&format!("  {copies} at {}", cpss_of(claims).join(", "))),
    ]
}
