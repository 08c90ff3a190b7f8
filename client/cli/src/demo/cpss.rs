//! What each CPS of the demonstration stored, what the crash of one came to, and the roster
//! that all were checked by, on a terminal.

use pennyblack_testbed::demo::Report;

use super::super::table::{Cell, Table, numbers, words};
use super::super::wording::{plural, wrapped};

/// What each CPS stored and saw of the calls.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new([
        words("CPS").whole(),
        words("operator").whole(),
        numbers("copies stored"),
        numbers("calls seen"),
        words("in the middle"),
    ]);
    let calls = report.calls.len();
    for cps in &report.cpss {
        let end = match cps.cps == report.crash.cps {
            true => "killed, came back",
            false => "",
        };
        table.row([
            Cell::new(&cps.cps),
            Cell::new(cps.operator),
            Cell::new(cps.copies),
            Cell::new(format!("{} of {calls}", cps.calls_seen)),
            Cell::new(end),
        ]);
    }
    table
}

/// What the table comes to.
pub(super) fn remarks(report: &Report) -> String {
    let text = format!(
        "Each PASSporT was stored at {} of these three, chosen at random, and keys were looked up \
         at one: so each operator saw a part of the calls.",
        report.copies
    );
    wrapped(&text, "", "")
}

/// What the crash came to, for the summary.
pub(super) fn crash(report: &Report) -> String {
    let crash = &report.crash;
    let mut text = format!(
        "{} was killed (SIGKILL) while calls were stored that nobody had asked for, and came back \
         later. {} marked incomplete: it could not be asked. ",
        crash.cps,
        were(crash.incomplete, "verdict"),
    );
    text.push_str(&match crash.lost {
        0 => "None was lost. ".to_owned(),
        lost => format!(
            "Of these, {} lost: those of the calls that it alone held. ",
            were(lost, "verdict")
        ),
    });
    text.push_str(&format!(
        "{} that it left unanswered went to others, and again to it when it was back",
        plural(crash.resent as u64, "request")
    ));
    wrapped(&text, "Crash          ", &" ".repeat(15))
}

/// `1 verdict was`, `2 verdicts were`.
fn were(number: usize, what: &str) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", plural(number as u64, what))
}

/// What relays and CPSs were checked by, for the summary.
pub(super) fn roster(report: &Report) -> String {
    let roster = &report.roster;
    let relays = roster
        .members
        .iter()
        .filter(|member| member.role == "relay");
    let relays = relays.map(|member| format!("{} ({})", member.service, member.operator));
    let text = format!(
        "number {} of {}, signed by {} of {} governors ({}). By it the relay has another operator \
         than each CPS, and no PASSporT went to a CPS that it does not name. Its relays: {}. Pin: {}",
        roster.sequence,
        roster.federation,
        roster.signed_by.len(),
        roster.governors.len(),
        roster.signed_by.join(", "),
        relays.collect::<Vec<_>>().join(", "),
        roster.pin,
    );
    wrapped(&text, "Roster         ", &" ".repeat(15))
}
