//! What CPSs and relay saw, side by side, on a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use console::style;
use indicatif::HumanCount;
use pennyblack_testbed::demo::{Asked, RelayVisitor, Report, Way};

use super::super::table::{Cell, Color, Table, numbers, words};
use super::super::wording::{time_of_day, wrapped};

/// The services that are asked: the relay, and behind it the CPSs in their order.
const COLUMNS: [&str; 4] = ["relay", "cps-a", "cps-b", "cps-c"];

/// What was asked from one address.
#[derive(Default)]
struct Visitor {
    whose: Option<&'static str>,
    /// How often, at each of [`COLUMNS`].
    asked: BTreeMap<Asked, [Option<u64>; COLUMNS.len()]>,
}

/// Who asked for what, how often, and which services.
pub(super) fn table(report: &Report) -> Table {
    let columns = COLUMNS.map(numbers);
    let mut table = Table::new(
        [
            words("address").whole(),
            words("whose").whole(),
            words("asked for"),
        ]
        .into_iter()
        .chain(columns),
    );
    for (address, visitor) in visitors(report) {
        let mut first = Some((address.to_string(), visitor.whose.unwrap_or("unknown")));
        for (asked, counts) in visitor.asked {
            let (address_cell, whose) = first.take().unwrap_or_default();
            let counts = counts.into_iter().enumerate();
            let counts = counts.map(|(place, count)| {
                let cell = Cell::new(
                    count
                        .map(|count| HumanCount(count).to_string())
                        .unwrap_or_default(),
                );
                match place > 0 && asked.is_for_a_call() && is_seen_carrier(report, address) {
                    true => cell.fg(Color::Red),
                    false => cell,
                }
            });
            let head = [
                Cell::new(address_cell),
                Cell::new(whose),
                Cell::new(name(asked)),
            ];
            table.row(head.into_iter().chain(counts));
        }
    }
    table
}

/// By their addresses.
fn visitors(report: &Report) -> BTreeMap<IpAddr, Visitor> {
    let mut visitors = BTreeMap::<IpAddr, Visitor>::new();
    let mut count = |address: IpAddr, whose, asked, place: usize, number: u64| {
        let visitor = visitors.entry(address).or_default();
        visitor.whose = whose;
        let counts = visitor.asked.entry(asked).or_default();
        if let Some(count) = counts.get_mut(place) {
            *count = Some(count.unwrap_or(0) + number);
        }
    };
    for visitor in &report.relay_sight.visitors {
        let requests = visitor.requests.values().sum::<u64>();
        count(
            visitor.address,
            visitor.whose,
            Asked::SealedRequest,
            0,
            requests,
        );
    }
    for (place, cps) in report.cpss.iter().enumerate() {
        for visitor in &cps.visitors {
            for (asked, number) in &visitor.asked {
                count(visitor.address, visitor.whose, *asked, place + 1, *number);
            }
        }
    }
    visitors
}

fn is_seen_carrier(report: &Report, address: IpAddr) -> bool {
    let mut cpss = report.cpss.iter();
    cpss.any(|cps| cps.carriers_seen.contains(&address))
}

const fn name(asked: Asked) -> &'static str {
    match asked {
        Asked::SealedRequest => "sealed requests",
        Asked::Store => "stores",
        Asked::LookUp => "look-ups",
        Asked::KeyFetch => "keys for relays",
        Asked::LogReading => "its log",
        Asked::KeyRecord => "key records",
        Asked::Poll => "polls",
        Asked::DoubleSpends => "double spends",
        Asked::Other => "other",
    }
}

/// What the table comes to, in lines of at most 80 characters.
pub(super) fn remarks(report: &Report) -> String {
    [lengths(report), Some(conclusion(report))]
        .into_iter()
        .flatten()
        .map(|remark| wrapped(&remark, "", ""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The lengths and times that the relay saw.
fn lengths(report: &Report) -> Option<String> {
    let visitors = &report.relay_sight.visitors;
    let first = visitors.iter().map(|visitor| visitor.first).min()?;
    let last = visitors.iter().map(|visitor| visitor.last).max()?;
    let sizes = |of: fn(&RelayVisitor) -> &BTreeMap<usize, u64>| {
        let sizes: BTreeSet<_> = visitors.iter().flat_map(|one| of(one).keys()).collect();
        let sizes = sizes.into_iter().map(|size| HumanCount(*size as u64));
        let sizes: Vec<_> = sizes.map(|size| size.to_string()).collect();
        sizes.join(" or ")
    };
    Some(format!(
        "At the relay requests had {} bytes and answers {}, from {} to {}.",
        sizes(|one| &one.request_bytes),
        sizes(|one| &one.answer_bytes),
        time_of_day(first),
        time_of_day(last),
    ))
}

fn conclusion(report: &Report) -> String {
    if !report.cpss.iter().all(|cps| cps.addresses_differ) {
        return "This system has one address for all, so addresses tell nobody apart. On Linux \
                each participant has an address of its own."
            .to_owned();
    }
    let seen: BTreeSet<_> = report
        .cpss
        .iter()
        .flat_map(|cps| &cps.carriers_seen)
        .collect();
    let seen: Vec<_> = seen.into_iter().map(IpAddr::to_string).collect();
    match (report.way, seen.is_empty()) {
        (_, true) => "Carriers fetch the CPSs' keys for relays themselves, ahead of calls. No \
                      store and no look-up came to a CPS from an address of theirs."
            .to_owned(),
        (Way::Direct, false) => format!(
            "Without the relay the CPSs see who stores what: stores and look-ups came from {}.",
            seen.join(", ")
        ),
        (Way::Relay, false) => {
            let text = format!(
                "Stores or look-ups came to the CPSs from {}.",
                seen.join(", ")
            );
            style(text).red().to_string()
        }
    }
}

/// What was searched for and found at each, for the summary.
pub(super) fn searched(report: &Report) -> String {
    let cpss = report.cpss.iter().zip(COLUMNS.into_iter().skip(1));
    let cpss = cpss.map(|(cps, name)| {
        let what = "who called or stored (numbers, SPCs, addresses, PASSporTs)";
        (name, cps.bytes, cps.searched_for, what, &cps.found)
    });
    let relay = &report.relay_sight;
    let what = "what was asked (mailboxes, tokens, numbers, PASSporTs)";
    let relay = ("Relay", relay.bytes, relay.searched_for, what, &relay.found);
    cpss.chain([relay])
        .map(|(who, bytes, things, what, found)| {
            let found = match &found[..] {
                [] => style("none found".to_owned()).green(),
                found => style(format!("found: {}", found.join(", "))).red(),
            };
            let text = format!(
                "{} kB that it received, keeps, logs and shows searched for {things} things that \
                 tell {what}: {found}",
                HumanCount(bytes as u64 / 1000)
            );
            wrapped(&text, &format!("{who:15}"), &" ".repeat(15))
        })
        .collect::<Vec<_>>()
        .join("\n")
}
