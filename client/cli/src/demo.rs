//! `pennyblack demo`: the demonstration on a terminal or as JSON, and the hidden
//! command by which it runs the services as processes of this program.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pennyblack_base::time::UnixTime;
use pennyblack_issuer::signer::KeyType;
use pennyblack_testbed::demo::{Audience, CALLS, CallLine, GatewayAnswer, Report, play};

use super::outcome::{Exit, Failure, Outcome, json_of};
use super::signals::Ends;
use super::table::{Attribute, Cell, Color, Table, numbers, words};

/// Calls that are shown line by line.
const SHOWN: usize = 10;

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack demo
  # keep certificates, configuration, logs and databases, to look at them
  pennyblack demo --keep")]
pub(crate) struct DemoArguments {
    /// Keep the directory with all files of the demonstration, and print its path.
    #[arg(long)]
    keep: bool,
    /// The token type: blind-rsa, which anyone can verify; or voprf-ristretto255 or
    /// voprf-p384, for one operator that runs both issuer and CPS.
    #[arg(long, value_name = "TYPE", default_value = "blind-rsa", value_parser = token_type)]
    token_type: KeyType,
}

fn token_type(name: &str) -> Result<KeyType, String> {
    let named = KeyType::ALL.into_iter().find(|one| one.name() == name);
    named.ok_or_else(|| {
        let names: Vec<_> = KeyType::ALL.iter().map(|one| one.name()).collect();
        format!("use {}", names.join(", "))
    })
}

/// `service`, which the demonstration runs.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    service: ServiceName,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ServiceName {
    Issuer,
    Cps,
    Gateway,
}

/// Runs a service in this process, as its own program would.
pub(crate) fn serve(arguments: ServiceArguments) -> ExitCode {
    let line = std::iter::once(OsString::from("pennyblack"))
        .chain(arguments.arguments)
        .collect();
    match arguments.service {
        ServiceName::Issuer => pennyblack_issuer::run(line),
        ServiceName::Cps => pennyblack_cps::run(line),
        ServiceName::Gateway => pennyblack_gateway::run(line),
    }
}

/// Plays it.
pub(crate) async fn run(arguments: DemoArguments, json: bool) -> Result<Outcome, Failure> {
    let mut ends = Ends::catch()?;
    let directory = tempfile::Builder::new()
        .prefix("pennyblack-demo-")
        .tempdir();
    let directory = directory.map_err(|error| {
        let text = format!("no temporary directory: {error}; TMPDIR names where to make it");
        Failure::new(Exit::Failed, text)
    })?;
    let watcher = Watcher::new(json);
    // What is not played to its end kills its services.
    let report = tokio::select! {
        report = play(directory.path(), arguments.token_type, &watcher) => Some(report),
        () = ends.requested() => None,
    };
    watcher.leave();
    let report = report.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "stopped before its end: services and files are gone",
        )
    })?;
    let kept = arguments.keep.then(|| directory.keep());
    let report = report.map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut text = text_of(&report);
    if let Some(path) = kept {
        text.push_str(&format!("\nAll files are in {}\n", path.display()));
    }
    let json = json_of(&report)?;
    let exit = if report.ok { Exit::Done } else { Exit::Failed };
    Ok(Outcome::new(json, text, exit))
}

/// Shows what is going on, on standard error.
struct Watcher {
    bar: ProgressBar,
}

impl Watcher {
    fn new(json: bool) -> Self {
        let target = if json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(CALLS as u64), target);
        let template =
            "{spinner:.green} {msg:36} [{wide_bar:.green/dim}] {pos}/{len} calls {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn leave(&self) {
        self.bar.finish_and_clear();
    }
}

impl Audience for Watcher {
    fn begins(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn calls_done(&self, done: usize) {
        self.bar.set_position(done as u64);
    }
}

fn text_of(report: &Report) -> String {
    let verdict = if report.ok {
        style("Everything was as it should be.").green().bold()
    } else {
        style("Something was not as it should be.").red().bold()
    };
    format!(
        "{}\n{}\n{SEEN_BY_THE_CPS}\n\n{}\n{}\n{ASKED_BY_SIP}\n\n{}\n{}\n\n{}\n\n{verdict} ({:.1} s)\n",
        style(format!(
            "The first {} of {} calls",
            SHOWN.min(report.calls.len()),
            report.calls.len()
        ))
        .bold(),
        calls_table(&report.calls),
        style("Two calls between telephone networks").bold(),
        gateways_table(&report.gateways),
        style("Attempts that should fail").bold(),
        attempts_table(report),
        summary(report),
        report.seconds,
    )
}

/// Of what the table of calls has.
const SEEN_BY_THE_CPS: &str =
    "Of each call the CPS saw mailbox, bytes and a token, and nothing else.";

/// Of the table of gateways.
const ASKED_BY_SIP: &str = "\
Each row is an INVITE of a switch to its gateway. Switches know nothing of
Pennyblack; after a 404 they let the call go on as it came.";

/// What is not in the tables, in lines of at most 80 characters.
fn summary(report: &Report) -> String {
    let valid = report.calls.iter().filter(|call| call.is_valid()).count();
    let sight = &report.cps_sight;
    let found = match sight.found.as_slice() {
        [] => style("none found".to_owned()).green(),
        found => style(format!("found: {}", found.join(", "))).red(),
    };
    format!(
        "Calls          {valid} of {} verified; {} tokens drawn\n\
         Crash          the CPS was killed (SIGKILL) half-way; the request that it left\n\
         \x20              unanswered was sent again and stored once\n\
         Privacy        {} kB of the CPS's files and log searched for {} things that\n\
         \x20              tell who called or stored (numbers, SPCs, PASSporTs): {found}\n\
         Double spends  {} in the log, {} proven by its own bytes and the issuer's\n\
         \x20              directory:\n\
         \x20              {}",
        report.calls.len(),
        report.tokens_drawn,
        sight.bytes / 1000,
        sight.searched_for,
        report.evidence.lines,
        report.evidence.proven,
        report.evidence.finding,
    )
}

fn calls_table(calls: &[CallLine]) -> Table {
    let mut table = Table::new([
        words("time").whole(),
        words("calling").whole(),
        words("called").whole(),
        words("stored by"),
        words("verdict").said_once(),
        words("mailbox").whole(),
        numbers("bytes"),
    ]);
    for call in calls.iter().take(SHOWN) {
        let boxes = call.mailboxes.iter().map(|id| id.get(..8).unwrap_or(id));
        let boxes: Vec<_> = boxes.map(|id| format!("{id}…")).collect();
        table.row([
            Cell::new(time_of_day(call.at)),
            Cell::new(&call.orig),
            Cell::new(&call.dest),
            Cell::new(call.stored_by),
            verdict_cell(call),
            Cell::new(boxes.join("\n")).fg(Color::DarkGrey),
            Cell::new(call.size).fg(Color::DarkGrey),
        ]);
    }
    table
}

fn verdict_cell(call: &CallLine) -> Cell {
    let color = if call.is_valid() {
        Color::Green
    } else {
        Color::Red
    };
    Cell::new(call.verdict).fg(color)
}

fn gateways_table(answers: &[GatewayAnswer]) -> Table {
    let mut table = Table::new([
        words(""),
        words("what happens"),
        words("gateway").whole(),
        words("answer"),
    ]);
    for answer in answers {
        table.row([
            mark(answer.ok),
            Cell::new(answer.call),
            Cell::new(answer.gateway),
            Cell::new(observed(answer)),
        ]);
    }
    table
}

/// An answer in words.
fn observed(answer: &GatewayAnswer) -> String {
    let identity = answer.identity.as_ref().map(|_| "Identity".to_owned());
    let verstat = answer.verstat.as_ref();
    let verstat = verstat.map(|verstat| format!("verstat={verstat}"));
    let brought: Vec<_> = identity.into_iter().chain(verstat).collect();
    let mut text = match brought.is_empty() {
        true => format!("{}: {}", answer.code, answer.result),
        false => format!("{} with {}", answer.code, brought.join(" and ")),
    };
    if let Some(copies) = answer.copies {
        let word = if copies == 1 { "copy" } else { "copies" };
        text.push_str(&format!(", {copies} {word} stored"));
    }
    if let Some(reason) = &answer.reason {
        text.push_str(&format!(" ({reason})"));
    }
    if !answer.ok {
        text.push_str(&format!(" (expected: {})", answer.expected));
    }
    text
}

fn mark(ok: bool) -> Cell {
    let (mark, color) = if ok {
        ("✓", Color::Green)
    } else {
        ("✗", Color::Red)
    };
    Cell::new(mark).fg(color).add_attribute(Attribute::Bold)
}

fn attempts_table(report: &Report) -> Table {
    let mut table = Table::new(["", "attempt", "result"].map(words));
    for incident in &report.incidents {
        let observed = if incident.ok {
            incident.observed.clone()
        } else {
            format!("{} (expected: {})", incident.observed, incident.expected)
        };
        table.row([
            mark(incident.ok),
            Cell::new(incident.what),
            Cell::new(observed),
        ]);
    }
    table
}

/// `06:00:05Z`: the day is the same in all rows.
fn time_of_day(time: UnixTime) -> String {
    let text = time.to_string();
    text.split_once('T')
        .map_or(text.clone(), |(_, of_day)| of_day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16) -> GatewayAnswer {
        GatewayAnswer {
            call: "a call",
            gateway: "terminating",
            orig: "17325551000".to_owned(),
            dest: "12155550100".to_owned(),
            code,
            identity: None,
            asserted_identity: None,
            verstat: None,
            result: "No-TN-Validation".to_owned(),
            copies: None,
            reason: None,
            expected: "302",
            ok: true,
        }
    }

    #[test]
    fn an_answer_is_told_in_words() {
        let signed = GatewayAnswer {
            identity: Some("a.b.c".to_owned()),
            copies: Some(1),
            ..answer(302)
        };
        assert_eq!(observed(&signed), "302 with Identity, 1 copy stored");
        let verified = GatewayAnswer {
            identity: Some("a.b.c".to_owned()),
            verstat: Some("TN-Validation-Passed".to_owned()),
            ..answer(302)
        };
        assert_eq!(
            observed(&verified),
            "302 with Identity and verstat=TN-Validation-Passed"
        );
        let nothing = GatewayAnswer {
            reason: Some("no-passport".to_owned()),
            ok: false,
            ..answer(404)
        };
        assert_eq!(
            observed(&nothing),
            "404: No-TN-Validation (no-passport) (expected: 302)"
        );
    }

    #[test]
    fn what_is_written_below_tables_fits_80_columns() {
        for line in SEEN_BY_THE_CPS.lines().chain(ASKED_BY_SIP.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
