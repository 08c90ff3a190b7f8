//! Calls go only through relays that the roster allows, and **what is wrong with a directory of
//! rosters is told by all who read it**: `call`, `federation check`, `audit follow` and a gateway.

use std::fs;

use super::*;
use crate::terminal::Scene;

/// No key of the CPS was fetched: the call gets so far when its relay is allowed.
const NO_RELAY: i32 = 13;
const USAGE: i32 = 2;

/// A call through this relay, by a roster in which it has this operator.
fn call(relay: &str, operator: &str, (from, until): (UnixTime, UnixTime)) -> Ended {
    let roster = Council::new().valid(None, operator, (from, until), &[0, 1]);
    let office = office_with(&roster, &[]);
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

/// What may be wrong with a directory of rosters: its files, and what is said of it.
struct Wrong {
    what: &'static str,
    pinned: SignedRoster,
    others: Vec<(&'static str, SignedRoster)>,
    exit: i32,
    says: &'static str,
}

fn all_that_may_be_wrong() -> Vec<Wrong> {
    let (council, others) = (Council::new(), Council::new());
    let first = council.roster(None, &[0, 1]);
    let second = council.roster(Some(&first), &[0, 1]);
    let wrong = |what, others: &[(&'static str, &SignedRoster)], exit, says| Wrong {
        what,
        pinned: first.clone(),
        others: others
            .iter()
            .map(|(name, roster)| (*name, (*roster).clone()))
            .collect(),
        exit,
        says,
    };
    let one_signature = council.roster(Some(&first), &[0]);
    let bypassing = others.roster(Some(&first), &[0, 1]);
    let forked = council.with_operator(Some(&first), "other", &[1, 2]);
    let third = council.roster(Some(&second), &[0, 1]);
    vec![
        wrong(
            "a fork",
            &[("2.roster", &second), ("2-f0f0.fork", &forked)],
            FORK,
            "rosters/2-f0f0.fork: the federation is forked",
        ),
        wrong(
            "a file that is no fork",
            &[("2.roster", &second), ("3-f0f0.fork", &third)],
            1,
            "rosters/3-f0f0.fork: it contradicts nothing: move it away",
        ),
        wrong(
            "one signature of two",
            &[("2.roster", &one_signature)],
            BAD_SIGNATURE,
            "rosters: roster 2 lacks signatures by the governors of roster 1, its predecessor",
        ),
        wrong(
            "the predecessor's governors bypassed",
            &[("2.roster", &bypassing)],
            BAD_SIGNATURE,
            "rosters: roster 2 lacks signatures by the governors of roster 1, its predecessor",
        ),
        wrong(
            "another roster than the pinned one",
            &[("1.roster", &council.with_operator(None, "lie", &[0, 1]))],
            BAD_SIGNATURE,
            "rosters: roster 1 is not the pinned one",
        ),
        wrong(
            "a gap",
            &[("3.roster", &third)],
            1,
            "rosters: after roster 1 comes 2, not 3",
        ),
    ]
}

const GATEWAY: &str = "\
    [gateway]\n role = \"sign\"\n [public]\n listen = \"127.0.0.1:0\"\n \
    [trust]\n roots = \"pki/roots\"\n \
    [store]\n cps = \"https://cps.example\"\n wallet = \"wallet.db\"\n \
    [store.key_records]\n prefixes = [\"1215\"]\n \
    [oblivious]\n relays = [\"https://relay.example/cps\"]\n rosters = \"rosters\"\n \
    [[trunk]]\n name = \"switch\"\n";

/// An office with these rosters.
fn office_with(pinned: &SignedRoster, others: &[(&str, SignedRoster)]) -> Office {
    let office = Office(Scene::new().home);
    fs::create_dir(office.0.path().join("rosters")).unwrap();
    office.write("rosters/pin", &pinned.pin().to_string());
    office.write("rosters/1.roster", &pinned.to_string());
    for (name, roster) in others {
        office.write(&format!("rosters/{name}"), &roster.to_string());
    }
    office.write("gateway.toml", GATEWAY);
    office
}

const CALL: &str = "call --cps https://cps.example --wallet wallet.db --roots pki/roots \
    --orig 12155550100 --dest 12155550100 --cert pki/issued/office.pem \
    --key pki/issued/office.key --relay https://relay.example/cps --rosters rosters";
const CHECK: &str = "federation check rosters";
const FOLLOW: &str = "audit follow --roster rosters --state audit";
const CHECK_CONFIG: &str = "service gateway --config gateway.toml --check-config";

#[test]
fn all_who_read_rosters_tell_what_is_wrong_with_them() {
    for wrong in all_that_may_be_wrong() {
        let office = office_with(&wrong.pinned, &wrong.others);
        for command in [CALL, CHECK, FOLLOW] {
            let ended = office.pennyblack(command);
            println!("{}: {command}", wrong.what);
            ended.exits_with(wrong.exit).has(wrong.says);
        }
        let ended = office.pennyblack(CHECK_CONFIG);
        ended.exits_with(1).has("oblivious.rosters").has(wrong.says);
    }
    let old = (now().minus(20 * DAY), now().minus(8 * DAY));
    let ended = office_with(&Council::new().valid(None, "operator-r", old, &[0, 1]), &[]);
    for (command, exit) in [
        (CALL, NOT_CURRENT),
        (CHECK, NOT_CURRENT),
        (FOLLOW, NOT_CURRENT),
        (CHECK_CONFIG, 1),
    ] {
        println!("an end: {command}");
        ended.pennyblack(command).exits_with(exit);
    }
    let good = office_with(&Council::new().roster(None, &[0, 1]), &[]);
    good.pennyblack(CHECK).exits_with(0);
    good.pennyblack(CALL).exits_with(NO_RELAY);
}
