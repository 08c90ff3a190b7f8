//! `directory hints`: which CPS a certificate or an advertisement names, and whether the
//! roster has it. **Nothing is connected to.**

use std::path::{Path, PathBuf};

use clap::Args;
use pennyblack_client::hints::{hinted_member, read_hints};
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::{
    DirectoryHint, EXPERIMENTAL_CPS_URI_OID, HintedCps, MAX_ADVERTISEMENT_SIZE, ObjectIdentifier,
};
use pennyblack_storage::limited_file;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, words};
use super::super::wording::printable;

/// `directory hints`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # the CPS that a STIR certificate names, and whether the federation has it
  pennyblack directory hints carrier-b.pem --rosters rosters
  # a CPS advertisement (RFC 9888 section 4)
  pennyblack directory hints advertisement.json --rosters rosters

A hint says where to look, and nothing more: it is no authority for a key, and
nothing connects to a CPS that the roster does not have. `pennyblack call
--hints FILE --rosters DIR` asks the CPS that is hinted at for the called
number.")]
pub(crate) struct Hints {
    /// A certificate in PEM or DER, or a CPS advertisement (JSON).
    #[arg(value_name = "CERT|FILE")]
    file: PathBuf,
    /// Directory of `federation fetch`, to see which of these CPSs the newest roster has.
    #[arg(long, value_name = "DIR")]
    rosters: Option<PathBuf>,
    /// Object identifier of the certificate's extension.
    #[arg(long, value_name = "OID", default_value = EXPERIMENTAL_CPS_URI_OID)]
    cps_uri_oid: ObjectIdentifier,
}

/// The hints of a file.
pub(crate) fn of_file(file: &Path, oid: &ObjectIdentifier) -> Result<Vec<DirectoryHint>, Failure> {
    let named = |why: String| Failure::new(Exit::Failed, format!("{}: {why}", file.display()));
    let read = limited_file::read(file, MAX_ADVERTISEMENT_SIZE);
    let read = read.map_err(|error| named(error.to_string()))?;
    read_hints(&read, oid).map_err(|error| named(printable(&error.to_string())))
}

/// Shows them.
pub(super) fn show(arguments: &Hints) -> Result<Outcome, Failure> {
    let hints = of_file(&arguments.file, &arguments.cps_uri_oid)?;
    let now = Clock::system().now();
    let roster = arguments.rosters.as_deref();
    let roster = roster.map(|directory| RosterCpss::read(directory, RosterUse::Storing, now));
    let roster = roster.transpose()?;
    Ok(report(&hints, roster.as_ref()))
}

fn report(hints: &[DirectoryHint], roster: Option<&RosterCpss>) -> Outcome {
    let mut table = Table::new([words("numbers"), words("hinted CPS"), words("roster")]);
    let (mut known, mut strangers) = (0_u64, 0_u64);
    for DirectoryHint { of, cpss } in hints {
        let numbers: Vec<_> = of.iter().map(ToString::to_string).collect();
        for cps in cpss {
            let (numbers, uri) = (numbers.join(", "), cps.to_string());
            table.row([numbers, uri, standing(cps, roster)]);
            match roster.map(|roster| hinted_member(cps, roster)) {
                Some(Some(_)) => known += 1,
                Some(None) => strangers += 1,
                None => {}
            }
        }
    }
    let entries: Vec<_> = hints.iter().map(|hint| entry(hint, roster)).collect();
    let json = json!({
        "federation": roster.map(RosterCpss::federation),
        "hints": entries,
    });
    let mut outcome = Outcome::done(json, table.to_string());
    match (roster, known, strangers) {
        (None, ..) => outcome.note(&"--rosters DIR says which of them the federation has"),
        (Some(_), 0, 1..) => outcome.note(
            &"the roster has none of them, so nothing asks them: ask a governor, or the holder of \
              the numbers for a CPS of the federation",
        ),
        _ => {}
    }
    outcome
}

fn standing(cps: &HintedCps, roster: Option<&RosterCpss>) -> String {
    match roster.map(|roster| hinted_member(cps, roster)) {
        None => "not asked".to_owned(),
        Some(None) => "not there".to_owned(),
        Some(Some(member)) => format!("of {}", member.operator),
    }
}

fn entry(hint: &DirectoryHint, roster: Option<&RosterCpss>) -> Value {
    let numbers: Vec<_> = hint.of.iter().map(ToString::to_string).collect();
    let cps = |cps: &HintedCps| {
        let member = roster.and_then(|roster| hinted_member(cps, roster));
        let member = member.map(|member| {
            json!({ "cps": member.address.to_string(), "operator": member.operator.to_string() })
        });
        json!({ "uri": cps.to_string(), "member": member })
    };
    let cpss: Vec<_> = hint.cpss.iter().map(cps).collect();
    json!({ "numbers": numbers, "cpss": cpss })
}
