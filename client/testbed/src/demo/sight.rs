//! What CPSs and relay saw, when all has ended: who came to each, from what came through its
//! door; and all that each received, keeps, writes and shows, searched for what it must not
//! have.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::calls::customer;
use super::cps::{Cps, Shown};
use super::network::{Conversation, Host, Network};
use super::participants::Participants;
use super::report::{CallLine, CpsView, CpsVisitor, RelayView, RelayVisitor};
use super::search::Needles;
use super::services::Services;
use super::telephones::{CALLED, calling};
use super::traffic::{asked, messages};
use super::{CALLS, DemoError, WhileDoing as _};

/// How a PASSporT begins: `{"alg":"ES256","ppt":"shaken"` in base64url.
const PASSPORT: &str = "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbi";

/// What a CPS stored and saw. `shown` is what its admin address and its double-spend log show.
pub(super) fn of_cps(
    directory: &Path,
    cast: &Participants,
    cps: &Cps,
    network: &Network,
    (calls, shown): (&[CallLine], Shown),
) -> Result<CpsView, DemoError> {
    let (conversations, name) = (cps.door.conversations(), cps.names.short);
    let received: Vec<_> = conversations.iter().map(|it| &it.sent[..]).collect();
    let file = directory.join(format!("{name}.received"));
    fs::write(file, received.concat()).during("writing what came")?;
    let mut held = shown.pages;
    read_all(&directory.join(name), &mut held).during("reading a CPS's files")?;
    let log = fs::read(directory.join(format!("{name}.log")));
    held.push(log.during("reading a CPS's log")?);
    let places: Vec<&[u8]> = held.iter().map(|it| &it[..]).chain(received).collect();
    let needles = who_calls_or_stores(cast, network)?;
    let visitors = cps_visitors(&conversations, network);
    let calling = visitors.iter().filter(|visitor| {
        let mut asked = visitor.asked.keys();
        visitor.stores && asked.any(|asked| asked.is_for_a_call())
    });
    let authority = cps.names.authority()?;
    let mailboxes = calls.iter().flat_map(|call| &call.mailboxes);
    Ok(CpsView {
        operator: cps.names.operator,
        copies: mailboxes
            .filter(|mailbox| mailbox.cpss.contains(&authority))
            .count(),
        calls_seen: calls
            .iter()
            .filter(|call| call.was_seen_by(&authority))
            .count(),
        cps: authority,
        spent: shown.spent,
        addresses_differ: network.is_apart(),
        carriers_seen: calling.map(|visitor| visitor.address).collect(),
        visitors,
        bytes: places.iter().map(|place| place.len()).sum(),
        searched_for: needles.count(),
        found: needles.found_in(places)?,
    })
}

fn cps_visitors(conversations: &[Conversation], network: &Network) -> Vec<CpsVisitor> {
    let mut visitors: BTreeMap<IpAddr, BTreeMap<_, u64>> = BTreeMap::new();
    for conversation in conversations {
        let visitor = visitors.entry(conversation.from).or_default();
        for request in messages(&conversation.sent) {
            *visitor.entry(asked(&request)).or_default() += 1;
        }
    }
    let visitors = visitors.into_iter().map(|(address, asked)| {
        let host = network.host_at(address);
        CpsVisitor {
            address,
            whose: host.map(Host::name),
            stores: host.is_some_and(Host::stores),
            asked,
        }
    });
    visitors.collect()
}

/// The callers' numbers, the storers' codes, names and addresses, and how every PASSporT
/// begins.
fn who_calls_or_stores(cast: &Participants, network: &Network) -> Result<Needles, DemoError> {
    let mut needles = Needles::default();
    for storer in [&cast.carrier_a, &cast.carrier_b, &cast.carrier_c] {
        needles.text(storer.identity.iss());
        needles.text(storer.name);
        needles.text(storer.x5u.to_string());
    }
    for host in Host::ALL {
        if network.is_apart() && host.stores() {
            needles.address(network.address_of(host));
        }
    }
    for number in 0..CALLS {
        needles.text(customer(number)?.to_string());
    }
    needles.text(calling()?.to_string());
    needles.text(PASSPORT);
    Ok(needles)
}

/// What the relay saw. `shown` is what its admin address shows.
pub(super) fn of_relay(
    directory: &Path,
    cast: &Participants,
    services: &Services,
    network: &Network,
    shown: Vec<Vec<u8>>,
) -> Result<RelayView, DemoError> {
    let conversations = services.relay_door.conversations();
    let both = conversations
        .iter()
        .flat_map(|it| [&it.sent[..], &it.answered]);
    let received: Vec<_> = both.collect();
    fs::write(directory.join("relay.received"), received.concat()).during("writing what came")?;
    let mut held = shown;
    held.push(fs::read(directory.join("relay.log")).during("reading the relay's log")?);
    let places: Vec<&[u8]> = held.iter().map(|it| &it[..]).chain(received).collect();
    let needles = what_is_asked(cast)?;
    Ok(RelayView {
        visitors: relay_visitors(&conversations, network),
        bytes: places.iter().map(|place| place.len()).sum(),
        searched_for: needles.count(),
        found: needles.found_in(places)?,
    })
}

fn relay_visitors(conversations: &[Conversation], network: &Network) -> Vec<RelayVisitor> {
    let mut visitors: BTreeMap<IpAddr, RelayVisitor> = BTreeMap::new();
    for conversation in conversations {
        let address = conversation.from;
        let whose = network.host_at(address).map(Host::name);
        let visitor = visitors.entry(address).or_insert_with(|| RelayVisitor {
            address,
            whose,
            first: conversation.first,
            last: conversation.last,
            requests: BTreeMap::new(),
            request_bytes: BTreeMap::new(),
            answer_bytes: BTreeMap::new(),
        });
        visitor.first = visitor.first.min(conversation.first);
        visitor.last = visitor.last.max(conversation.last);
        for request in messages(&conversation.sent) {
            let target = request.start.as_deref().unwrap_or_default();
            let path = target.split(' ').nth(1).unwrap_or_default();
            let gateway = path.trim_start_matches('/').to_owned();
            *visitor.requests.entry(gateway).or_default() += 1;
            *visitor.request_bytes.entry(request.content).or_default() += 1;
        }
        for answer in messages(&conversation.answered) {
            *visitor.answer_bytes.entry(answer.content).or_default() += 1;
        }
    }
    visitors.into_values().collect()
}

/// Mailboxes, tokens, numbers, and where requests for a CPS begin with their tokens.
fn what_is_asked(cast: &Participants) -> Result<Needles, DemoError> {
    let mut needles = Needles::default();
    for callee in &cast.callees {
        needles.text(callee.number.to_string());
        for key in &callee.keys {
            needles.bytes(&key.config().mailbox().0);
        }
    }
    needles.text(CALLED);
    for number in 0..CALLS {
        needles.text(customer(number)?.to_string());
    }
    needles.text(calling()?.to_string());
    for token in cast.spent_tokens() {
        needles.text(token);
    }
    needles.text("PrivateToken");
    needles.text(PASSPORT);
    Ok(needles)
}

fn read_all(path: &Path, contents: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, contents)?;
        } else {
            contents.push(fs::read(&path)?);
        }
    }
    Ok(())
}
