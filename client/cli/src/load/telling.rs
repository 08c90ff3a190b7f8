//! A report as text for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use console::style;
use indicatif::HumanCount;
use pennyblack_testbed::load::{End, Latency, Operation, OperationReport, Preparation, Report};

/// The whole text.
pub(super) fn tell(report: &Report) -> String {
    let mut parts = vec![
        conditions(report),
        preparation(&report.preparation),
        latencies(report).to_string(),
    ];
    parts.extend(report.lateness.map(lateness));
    if report.failed() > 0 {
        parts.push(failures(report).to_string());
    }
    if report.unsent > 0 {
        parts.push(format!(
            "{} {} requests that were due were never sent: all {} connections waited for answers.\n\
             The latencies are too good. Lower --rate, or raise --connections if the service has room.",
            style("overrun:").red(),
            HumanCount(report.unsent),
            report.connections
        ));
    }
    match (report.succeeded(), report.failed()) {
        (0, 0) => parts.push(
            style("no answer came in the measured time")
                .red()
                .to_string(),
        ),
        (0, _) => parts.push(style("nothing succeeded").red().to_string()),
        _ => {}
    }
    parts.join("\n")
}

fn conditions(report: &Report) -> String {
    let pace = match report.rate {
        Some(rate) => format!(
            "open loop at {rate}/s, latencies from when each request was to be sent, at most {} connections",
            report.connections
        ),
        None => format!("closed loop on {} connections", report.connections),
    };
    let ended = match report.ended_by {
        End::Duration => "",
        End::Requests => " (ended because the prepared requests were used up)",
        End::Stopped => " (stopped)",
    };
    format!(
        "{} {}, {pace}; {:.2} s measured after {} s of warm-up{ended}",
        style("load").green(),
        report.mix,
        report.seconds,
        report.warm_up_seconds
    )
}

/// What was done before, since it is not in the numbers.
fn preparation(preparation: &Preparation) -> String {
    if preparation.stores + preparation.draws == 0 {
        return "nothing had to be prepared".to_owned();
    }
    let mut done = Vec::new();
    if preparation.stores > 0 {
        let stores = HumanCount(preparation.stores);
        done.push(format!("{stores} stores (tokens drawn, sealed, signed)"));
    }
    if preparation.draws > 0 {
        let draws = HumanCount(preparation.draws);
        done.push(format!("{draws} draws (blinded, attested)"));
    }
    let mut text = format!(
        "not measured, because done before in {:.1} s: {}",
        preparation.seconds,
        done.join(", ")
    );
    if preparation.renewed > 0 {
        text.push_str(&format!(
            "\n{} of them grew too old and were signed again during the run, between requests",
            HumanCount(preparation.renewed)
        ));
    }
    text
}

fn latencies(report: &Report) -> Table {
    let mut table = table(
        &[""],
        &[
            "succeeded",
            "failed",
            "per second",
            "p50",
            "p99",
            "p99.9",
            "max",
        ],
    );
    for operation in &report.operations {
        let mut row = vec![
            Cell::new(name(report, operation.operation)),
            number(HumanCount(operation.succeeded)),
            number(HumanCount(operation.failed())),
            number(format!("{:.1}", operation.per_second)),
        ];
        row.extend(latency_cells(operation));
        table.add_row(row);
    }
    table
}

/// A draw is as much work as it asks for tokens.
fn name(report: &Report, operation: Operation) -> String {
    match (operation, report.preparation.tokens_in_draw) {
        (Operation::Draw, Some(tokens)) => format!("{operation} of {tokens}"),
        _ => operation.to_string(),
    }
}

fn latency_cells(operation: &OperationReport) -> Vec<Cell> {
    match operation.latency {
        Some(latency) => [
            latency.p50_us,
            latency.p99_us,
            latency.p99_9_us,
            latency.max_us,
        ]
        .map(|micros| number(milliseconds(micros)))
        .to_vec(),
        None => vec![number("–"); 4],
    }
}

/// How much of the latencies is this program's, or its connections' being busy.
fn lateness(late: Latency) -> String {
    format!(
        "requests were sent late by p50 {}, p99 {}, max {}; their latencies include that",
        milliseconds(late.p50_us),
        milliseconds(late.p99_us),
        milliseconds(late.max_us)
    )
}

fn failures(report: &Report) -> Table {
    let mut table = table(&["failures", ""], &["count", "slowest"]);
    for operation in &report.operations {
        for failure in &operation.failures {
            table.add_row([
                Cell::new(operation.operation),
                Cell::new(failure.kind),
                number(HumanCount(failure.count)),
                number(milliseconds(failure.slowest_us)),
            ]);
        }
    }
    table
}

/// With words on the left and, under and beside the last of them, numbers.
fn table(words: &[&str], numbers: &[&str]) -> Table {
    let header = words.iter().map(Cell::new);
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(header.chain(numbers.iter().map(number)));
    table
}

fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn milliseconds(micros: u64) -> String {
    let millis = micros as f64 / 1000.0;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1000.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{:.2} s", millis / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_told_to_three_digits_at_any_size() {
        for (micros, text) in [
            (87, "0.09 ms"),
            (1_234, "1.23 ms"),
            (123_456, "123.5 ms"),
            (2_345_000, "2.35 s"),
        ] {
            assert_eq!(milliseconds(micros), text);
        }
    }
}
