//! Calls go only through relays that the roster allows.

use std::fs;

use super::*;
use crate::terminal::Scene;

/// No key of the CPS was fetched: the call gets so far when its relay is allowed.
const NO_RELAY: i32 = 13;
const USAGE: i32 = 2;

/// A call through this relay, by a roster in which it has this operator.
fn call(relay: &str, operator: &str, (from, until): (UnixTime, UnixTime)) -> Ended {
    let office = Office(Scene::new().home);
    let roster = Council::new().valid(None, operator, (from, until), &[0, 1]);
    fs::create_dir(office.0.path().join("rosters")).unwrap();
    office.write("rosters/pin", &roster.pin().to_string());
    office.write("rosters/1.roster", &roster.to_string());
    office.pennyblack(&format!(
        "call --cps https://cps.example --wallet wallet.db --roots pki/roots \
         --orig 12155550100 --dest 12155550100 --cert pki/issued/office.pem \
         --key pki/issued/office.key --relay {relay} --rosters rosters"
    ))
}

#[test]
fn a_call_goes_through_relays_that_the_roster_allows_and_no_others() {
    let today = (now(), now().plus(DAY));
    let relay = "https://relay.example/cps";
    let allowed = call(relay, "operator-r", today);
    allowed.exits_with(NO_RELAY);
    assert!(!allowed.stderr.contains("unknown:"), "{}", allowed.stderr);
    call(relay, "operator-c", today)
        .exits_with(USAGE)
        .has("--relay: operator-c runs both the relay relay.example and the CPS cps.example");
    call("https://other.example/cps", "operator-r", today)
        .exits_with(USAGE)
        .has("other.example is no relay in the roster of fed.example");
    // A week longer calls come first.
    let ended = |days| (now().minus(20 * DAY), now().minus(days * DAY));
    call(relay, "operator-r", ended(6)).exits_with(NO_RELAY);
    call(relay, "operator-r", ended(8))
        .exits_with(NOT_CURRENT)
        .has("--rosters");
}
