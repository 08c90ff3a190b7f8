//! From a draft to a roster that is checked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Makes the keys of three governors, and the draft of a federation with them.
pub(super) fn found(office: &Office) -> String {
    let mut draft = "federation fed.example # ours\nthreshold 2\n".to_owned();
    for name in ["a", "b", "c"] {
        let made = office.federation(&format!("key --name {name}.example --out {name}.governor"));
        draft.push_str(&made.exits_with(0).stdout);
    }
    draft.push_str("relay https://relay.example operator-r\n");
    office.write("draft.txt", &draft);
    draft
}

/// Makes the first roster, and its pin.
pub(super) fn first_roster(office: &Office) -> String {
    office
        .federation("new draft.txt --out 1.unsigned")
        .exits_with(0);
    office
        .federation("sign 1.unsigned --key a.governor --out 1.a")
        .exits_with(0);
    office
        .federation("sign 1.a --key c.governor --out 1.roster")
        .exits_with(0);
    let shown = office.federation("show 1.roster --json");
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    shown["pin"].as_str().unwrap().to_owned()
}

#[test]
fn three_governors_make_a_roster_and_its_successor_with_the_commands() {
    let office = Office::new();
    let draft = found(&office);
    let pin = first_roster(&office);
    let shown = office.federation("show 1.roster");
    shown
        .exits_with(0)
        .has("Signed by 2 of 3 governors; 2 are needed")
        .has(&pin);
    shown
        .has("relay https://relay.example operator-r")
        .has("valid for 30 days more");
    assert!(
        shown.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        shown.stdout
    );
    office
        .federation(&format!("check --pin {pin} 1.roster"))
        .exits_with(0);

    // The successor has another member, and is signed in copies that are merged.
    let draft = format!("relay https://other.example operator-o\n{draft}");
    office.write("draft.txt", &draft);
    office
        .federation("new draft.txt --after 1.roster --days 7 --out 2.unsigned")
        .exits_with(0)
        .has("needs 2 of 3 governors to sign it, and 2 of the 3 of roster 1");
    for name in ["a", "b"] {
        let sign = format!("sign 2.unsigned --key {name}.governor --out 2.{name}");
        office
            .federation(&sign)
            .exits_with(0)
            .has("signed by 1 of its 3 governors, 2 are needed");
    }
    let check = format!("check --pin {pin} 2.a 1.roster");
    office
        .federation(&check)
        .exits_with(BAD_SIGNATURE)
        .has("signed by 1 of the 2 governors that must sign: b.example, c.example have not");
    office
        .federation("merge 2.a 2.b --out 2.roster")
        .exits_with(0)
        .has("signed by 2");
    let check = format!("check --pin {pin} 2.roster 1.roster");
    office
        .federation(&check)
        .exits_with(0)
        .has("2 rosters of fed.example");
    office
        .federation("merge 1.a 2.a --out x")
        .exits_with(1)
        .has("it is another roster");
    let other = pin.replace("1:", "2:");
    office
        .federation(&format!("check --pin {other} 1.roster"))
        .exits_with(BAD_SIGNATURE)
        .has("not the pinned one");
}

#[test]
fn the_key_of_a_governor_is_its_own_and_is_never_overwritten() {
    let office = Office::new();
    found(&office);
    let file = office.0.path().join("a.governor");
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let before = fs::read(&file).unwrap();
    office
        .federation("key --name a.example --out a.governor")
        .exits_with(1)
        .has("there already");
    assert_eq!(fs::read(&file).unwrap(), before);
    first_roster(&office);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    office
        .federation("sign 1.unsigned --key a.governor --out x")
        .exits_with(1)
        .has("--key")
        .has("chmod 600");
    office
        .federation("key --name d.example --out d.governor")
        .exits_with(0);
    office
        .federation("sign 1.unsigned --key d.governor --out 1.d")
        .exits_with(0)
        .has("note: d.example is no governor of this roster");
}

#[test]
fn what_is_wrong_with_a_draft_is_said_with_its_line() {
    let office = Office::new();
    let draft = found(&office);
    for (text, why) in [
        (
            draft.replace("threshold 2", "threshold 1"),
            "more than half",
        ),
        (
            draft.replace("operator-r", "Operator"),
            "line 6 of the draft: \"Operator\"",
        ),
        (format!("{draft}relay https://relay.example o\n"), "twice"),
        (draft.replace("relay ", "relais "), "line 6"),
    ] {
        office.write("draft.txt", &text);
        office
            .federation("new draft.txt --out x")
            .exits_with(1)
            .has("draft.txt")
            .has(why);
    }
}

#[test]
fn a_roster_is_good_for_so_long_and_then_for_storing_and_then_for_nothing() {
    let (office, council) = (Office::new(), Council::new());
    let check = |from: UnixTime, until: UnixTime| {
        let roster = council.valid(None, "operator", (from, until), &[0, 1]);
        office.write("1.roster", &roster.to_string());
        office.federation(&format!("check --pin {} 1.roster", roster.pin()))
    };
    let (now, day) = (now(), DAY);
    check(now, now.plus(3 * day))
        .exits_with(0)
        .has("valid for 3 days more");
    check(now.minus(20 * day), now.minus(2 * day))
        .exits_with(NOT_CURRENT)
        .has("one may store by it for 5 days more, and believe nothing new");
    check(now.minus(20 * day), now.minus(8 * day))
        .exits_with(NOT_CURRENT)
        .has("good for nothing");
    check(now.plus(day), now.plus(3 * day))
        .exits_with(NOT_CURRENT)
        .has("not valid yet: it begins in 24 hours");
}
