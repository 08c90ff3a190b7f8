//! How the report of a demonstration looks on a terminal. Not here: who saw what (`sight`).

use console::style;
use pennyblack_base::authority::Authority;
use pennyblack_testbed::demo::{CallLine, GatewayAnswer, Report, Way};

use super::super::table::{Attribute, Cell, Color, Table, numbers, words};
use super::super::wording::time_of_day;
use super::{cpss, sight};

/// Calls that are shown line by line.
const SHOWN: usize = 10;

pub(super) fn of(report: &Report) -> String {
    let verdict = if report.ok {
        style("Everything was as it should be.").green().bold()
    } else {
        style("Something was not as it should be.").red().bold()
    };
    format!(
        "{}\n{}\n{}\n\n{}\n{}\n{}\n\n{}\n{}\n{ASKED_BY_SIP}\n\n{}\n{}\n\n{}\n{}\n{}\n\n\
         {}\n\n{verdict} ({:.1} s)\n",
        style(format!(
            "The first {} of {} calls",
            SHOWN.min(report.calls.len()),
            report.calls.len()
        ))
        .bold(),
        calls_table(&report.calls),
        seen_of_calls(report.way),
        style("Three CPSs of three operators").bold(),
        cpss::table(report),
        cpss::remarks(report),
        style("Two calls between telephone networks").bold(),
        gateways_table(&report.gateways),
        style("Attempts that should fail").bold(),
        attempts_table(report),
        style("Who asked, by the addresses that connections came from").bold(),
        sight::table(report),
        sight::remarks(report),
        summary(report),
        report.seconds,
    )
}

/// Of what the table of calls has.
const fn seen_of_calls(way: Way) -> &'static str {
    match way {
        Way::Relay => {
            "\
Of each copy its CPS saw the called number, mailbox, bytes, a token and the
relay's address; and the relay the carrier's address, for which CPS, when, and
how many bytes. Nothing else."
        }
        Way::Direct => {
            "\
Of each copy its CPS saw the called number, mailbox, bytes, a token and the
carrier's address, and nothing else."
        }
    }
}

/// Of the table of gateways.
const ASKED_BY_SIP: &str = "\
Each row is an INVITE of a switch to its gateway. Switches know nothing of
Pennyblack; after a 404 they let the call go on as it came.";

/// What is not in the tables, in lines of at most 80 characters.
fn summary(report: &Report) -> String {
    let valid = report.calls.iter().filter(|call| call.is_valid()).count();
    format!(
        "Calls          {valid} of {} verified; {} tokens drawn\n\
         {}\n\
         {}\n\
         {}\n\
         Double spends  {} in the log, {} proven by its own bytes and the issuer's\n\
         \x20              directory:\n\
         \x20              {}",
        report.calls.len(),
        report.tokens_drawn,
        cpss::crash(report),
        cpss::roster(report),
        sight::searched(report),
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
        words("copies at").whole(),
        numbers("bytes"),
    ]);
    for call in calls.iter().take(SHOWN) {
        let boxes = call.mailboxes.iter().map(|one| &one.mailbox);
        let boxes = boxes.map(|id| format!("{}…", id.get(..8).unwrap_or(id)));
        let boxes: Vec<_> = boxes.collect();
        let copies = call.mailboxes.iter().map(|one| letters(&one.cpss));
        let copies: Vec<_> = copies.collect();
        table.row([
            Cell::new(time_of_day(call.at)),
            Cell::new(&call.orig),
            Cell::new(&call.dest),
            Cell::new(call.stored_by),
            verdict_cell(call),
            Cell::new(boxes.join("\n")).fg(Color::DarkGrey),
            Cell::new(copies.join("\n")),
            Cell::new(call.size).fg(Color::DarkGrey),
        ]);
    }
    table
}

/// `a, c` for `cps-a.example` and `cps-c.example`.
fn letters(cpss: &[Authority]) -> String {
    let letters = cpss.iter().map(|cps| {
        let name = cps.as_str();
        let letter = name
            .strip_prefix("cps-")
            .and_then(|rest| rest.split('.').next());
        letter.unwrap_or(name)
    });
    letters.collect::<Vec<_>>().join(", ")
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
        let of_calls = [Way::Relay, Way::Direct].map(seen_of_calls);
        for line in of_calls
            .iter()
            .chain([&ASKED_BY_SIP])
            .flat_map(|text| text.lines())
        {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
