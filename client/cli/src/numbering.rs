//! `pennyblack numbering`: a table of who holds which numbers, from a service that knows. Not
//! here: how the service is asked (`pennyblack_numbering`).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pennyblack_http::ServiceAddress;
use pennyblack_numbering::{NumberingService, table_file};
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_storage::atomic_file;
use serde_json::{Value, json};

use super::options::{NetworkOptions, typed_numbers};
use super::outcome::{Exit, Failure, Outcome};
use super::wording::plural;

/// Most numbers that one run asks about.
const MAX_NUMBERS: u64 = 10_000;

/// What to do with a numbering table.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  pennyblack numbering import --service http://localhost:8080 \\
      --table numbering.csv 12155550100")]
pub(crate) enum NumberingCommand {
    /// Ask a numbering service who holds numbers, and write the answers into a table.
    Import(Import),
}

/// `numbering import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack numbering import --service http://localhost:8080 \\
      --table numbering.csv 12155550100 12155550200+50

The service is asked GET /numbers/TN and answers {\"spc\": \"683G\"}, or 404 if
nobody holds the number. Ask ahead of calls, for example every night: the
service learns which numbers you ask about, and `pennyblack call` never asks it.")]
pub(crate) struct Import {
    /// The numbering service's URL.
    #[arg(long, value_name = "URL")]
    service: ServiceAddress,
    /// The table, which is made if it is missing. Its lines of other numbers stay; comments
    /// do not.
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Numbers, or blocks of them.
    #[arg(required = true, value_name = "TN|START+COUNT", value_parser = typed_numbers)]
    numbers: Vec<NumberRange>,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Does it.
pub(crate) async fn run(command: NumberingCommand) -> Result<Outcome, Failure> {
    let NumberingCommand::Import(import) = command;
    let asked: u64 = import.numbers.iter().map(NumberRange::count).sum();
    if asked > MAX_NUMBERS {
        let text = format!("{asked} numbers are too many for one run: ask about {MAX_NUMBERS}");
        return Err(Failure::new(Exit::Usage, text));
    }
    let table = table_file::read_or_empty(&import.table);
    let mut table = table.map_err(|error| Failure::from(error).of_option("--table"))?;
    let client = import.network.http().client()?;
    let service = NumberingService::new(import.service, client);
    let mut held = 0_u64;
    for number in import.numbers.iter().flat_map(NumberRange::numbers) {
        let holder = service.holder_of(&number).await?;
        held += u64::from(holder.is_some());
        table.assign(&number, holder.as_ref());
    }
    // All or nothing: a table without some of the answers would look complete.
    atomic_file::write_public(&import.table, table.to_csv().as_bytes())
        .map_err(|error| wrong(&import.table, &error))?;
    let file = import.table.display().to_string();
    let json: Value = json!({ "asked": asked, "held": held, "table": file });
    let text = format!(
        "asked about {}, {held} held: {file}",
        plural(asked, "number")
    );
    Ok(Outcome::done(json, text))
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> Failure {
    let text = format!("--table: {}: {error}", path.display());
    Failure::new(Exit::Failed, text)
}
