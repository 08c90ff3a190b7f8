//! What CPS and relay saw, side by side, on a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use console::style;
use indicatif::HumanCount;
use pennyblack_testbed::demo::{Asked, CpsVisitor, RelayVisitor, Report, Way};

use super::super::table::{Cell, Color, Table, words};
use super::super::wording::{count, plural, time_of_day, wrapped};

/// Who asked whom, one address a row.
pub(super) fn table(report: &Report) -> Table {
    let (relay, cps) = (&report.relay_sight.visitors, &report.cps_sight.visitors);
    let mut rows: BTreeMap<IpAddr, (Option<&RelayVisitor>, Option<&CpsVisitor>)> = BTreeMap::new();
    for visitor in relay {
        rows.entry(visitor.address).or_default().0 = Some(visitor);
    }
    for visitor in cps {
        rows.entry(visitor.address).or_default().1 = Some(visitor);
    }
    let mut table = Table::new([
        words("address").whole(),
        words("whose").whole(),
        words("what the relay saw"),
        words("what the CPS saw"),
    ]);
    for (address, (at_relay, at_cps)) in rows {
        let named = at_relay.map(|visitor| visitor.whose);
        let named = named.or(at_cps.map(|visitor| visitor.whose)).flatten();
        let is_seen = report.cps_sight.carriers_seen.contains(&address);
        let at_cps = Cell::new(at_cps.map(of_cps).unwrap_or_default());
        table.row([
            Cell::new(address),
            Cell::new(named.unwrap_or("unknown")),
            Cell::new(at_relay.map(of_relay).unwrap_or_default()),
            match is_seen {
                true => at_cps.fg(Color::Red),
                false => at_cps,
            },
        ]);
    }
    table
}

fn of_relay(visitor: &RelayVisitor) -> String {
    let requests = visitor.requests.iter();
    let requests = requests.map(|(gateway, number)| {
        let requests = plural(*number, "request");
        format!("{requests} for “{gateway}”")
    });
    requests.collect::<Vec<_>>().join(", ")
}

fn of_cps(visitor: &CpsVisitor) -> String {
    let asked = visitor.asked.iter().map(|(asked, number)| match asked {
        Asked::SealedRequest => plural(*number, "sealed request"),
        Asked::Store => plural(*number, "store"),
        Asked::LookUp => plural(*number, "look-up"),
        Asked::KeyFetch => count(*number, "fetch of its keys", "fetches of its keys"),
        Asked::LogReading => count(*number, "reading of its log", "readings of its log"),
        Asked::KeyRecord => plural(*number, "key record"),
        Asked::Poll => plural(*number, "poll"),
        Asked::DoubleSpends => "its log of double spends".to_owned(),
        Asked::Other => count(*number, "other request", "other requests"),
    });
    asked.collect::<Vec<_>>().join(", ")
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
        "Requests had {} bytes and answers {}, from {} to {}.",
        sizes(|one| &one.request_bytes),
        sizes(|one| &one.answer_bytes),
        time_of_day(first),
        time_of_day(last),
    ))
}

fn conclusion(report: &Report) -> String {
    let sight = &report.cps_sight;
    if !sight.addresses_differ {
        return "This system has one address for all, so addresses tell nobody apart. On Linux \
                each participant has an address of its own."
            .to_owned();
    }
    let seen: Vec<_> = sight.carriers_seen.iter().map(IpAddr::to_string).collect();
    match (report.way, seen.is_empty()) {
        (_, true) => "Carriers fetch the CPS's keys themselves, ahead of calls. No store and no \
                      look-up came to the CPS from an address of theirs."
            .to_owned(),
        (Way::Direct, false) => format!(
            "Without the relay the CPS sees who stores what: stores and look-ups came from {}.",
            seen.join(", ")
        ),
        (Way::Relay, false) => {
            let text = format!(
                "Stores or look-ups came to the CPS from {}.",
                seen.join(", ")
            );
            style(text).red().to_string()
        }
    }
}

/// What was searched for and found, for the summary.
pub(super) fn searched(report: &Report) -> String {
    let (cps, relay) = (&report.cps_sight, &report.relay_sight);
    let cps = (
        cps.bytes,
        cps.searched_for,
        "who called or stored (numbers, SPCs, addresses, PASSporTs)",
        &cps.found[..],
    );
    let relay = (
        relay.bytes,
        relay.searched_for,
        "what was asked (mailboxes, tokens, numbers, PASSporTs)",
        &relay.found[..],
    );
    [("CPS", cps), ("Relay", relay)]
        .map(|(who, (bytes, things, what, found))| {
            let found = match found {
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
        .join("\n")
}
