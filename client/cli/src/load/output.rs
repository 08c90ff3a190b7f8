//! A report as text for people.

use console::style;
use indicatif::HumanCount;
use pennyblack_testbed::load::{End, Latency, Operation, OperationReport, Preparation, Report};

use super::super::table::{Table, numbers, words};
use super::super::wording::plural;

/// The whole text.
pub(super) fn text_of(report: &Report) -> String {
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
            "{} {} due and never sent, because all {} waited for answers.\n\
             The latencies are too good. Lower --rate, or raise --connections if the service\n\
             has room.",
            style("overrun:").red(),
            plural(report.unsent, "request"),
            plural(report.connections as u64, "connection")
        ));
    }
    match (report.succeeded(), report.failed()) {
        (0, 0) => parts.push(style(why_nothing(report)).red().to_string()),
        (0, _) => parts.push(style("nothing succeeded").red().to_string()),
        _ => {}
    }
    parts.join("\n")
}

fn why_nothing(report: &Report) -> &'static str {
    match report.ended_by {
        End::Requests => {
            "all prepared requests were sent in the warm-up: raise --requests or lower --warm-up"
        }
        End::Stopped => "the run was stopped before anything was measured",
        End::Duration => "no answer came in the measured time",
    }
}

fn conditions(report: &Report) -> String {
    let pace = match report.rate {
        Some(rate) => format!(
            "open loop at {rate}/s on at most {}",
            plural(report.connections as u64, "connection")
        ),
        None => format!(
            "closed loop on {}",
            plural(report.connections as u64, "connection")
        ),
    };
    let ended = match report.ended_by {
        End::Duration => "",
        End::Requests => " (ended early: all prepared requests were sent)",
        End::Stopped => " (stopped)",
    };
    format!(
        "{} {}, {pace}\n{:.2} s measured after {} s of warm-up{ended}",
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
        let stores = plural(preparation.stores, "store");
        done.push(format!("{stores} (tokens drawn, sealed, signed)"));
    }
    if preparation.draws > 0 {
        let draws = plural(preparation.draws, "draw");
        done.push(format!("{draws} (blinded, attested)"));
    }
    let mut text = format!(
        "prepared in {:.1} s before the run, not measured: {}",
        preparation.seconds,
        done.join(", ")
    );
    if preparation.renewed > 0 {
        text.push_str(&format!(
            "\n{} grew too old: signed again during the run, between requests",
            plural(preparation.renewed, "signature")
        ));
    }
    text
}

fn latencies(report: &Report) -> Table {
    let counted = [
        "succeeded",
        "failed",
        "per second",
        "p50",
        "p99",
        "p99.9",
        "max",
    ];
    let columns = std::iter::once(words("operation")).chain(counted.map(numbers));
    let mut table = Table::new(columns);
    for operation in &report.operations {
        let mut row = vec![
            name(report, operation.operation),
            HumanCount(operation.succeeded).to_string(),
            HumanCount(operation.failed()).to_string(),
            format!("{:.1}", operation.per_second),
        ];
        row.extend(latency_cells(operation));
        table.row(row);
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

fn latency_cells(operation: &OperationReport) -> [String; 4] {
    match operation.latency {
        Some(latency) => [
            latency.p50_us,
            latency.p99_us,
            latency.p99_9_us,
            latency.max_us,
        ]
        .map(milliseconds),
        None => ["–"; 4].map(str::to_owned),
    }
}

/// How much of the latencies is this program's, or its connections' being busy.
fn lateness(late: Latency) -> String {
    format!(
        "latencies count from when a request was due; it was sent late by p50 {}, p99 {}, max {}",
        milliseconds(late.p50_us),
        milliseconds(late.p99_us),
        milliseconds(late.max_us)
    )
}

fn failures(report: &Report) -> Table {
    let mut table = Table::new([
        words("operation"),
        words("failure"),
        numbers("count"),
        numbers("slowest"),
    ]);
    for operation in &report.operations {
        for failure in &operation.failures {
            table.row([
                operation.operation.to_string(),
                failure.kind.to_string(),
                HumanCount(failure.count).to_string(),
                milliseconds(failure.slowest_us),
            ]);
        }
    }
    table
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
