use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::rosters::testing::{BEGIN, DAY, directory_with, member_of};

/// Two CPSs, and a relay of the second one's operator.
fn rosters() -> TempDir {
    directory_with(vec![
        member_of(Role::Cps, "https://cps-a.example", "operator-a"),
        member_of(Role::Cps, "https://cps-b.example", "operator-b"),
        member_of(Role::Relay, "https://relay.example", "operator-b"),
    ])
}

fn check(cpss: &[&str], relays: &[&str], now: UnixTime) -> Result<(), RelayRosterError> {
    let home = rosters();
    let cpss: Vec<_> = cpss.iter().map(|text| text.parse().unwrap()).collect();
    let relays: Vec<_> = relays.iter().map(|text| text.parse().unwrap()).collect();
    check_relays(home.path(), &cpss, &relays, now)
}

#[test]
fn a_relay_of_another_operator_may_carry_and_one_of_the_cps_s_may_not() {
    let (a, b) = ("https://cps-a.example", "https://cps-b.example");
    let relay = "https://relay.example/x";
    assert!(check(&[a], &[relay], BEGIN).is_ok());
    let refused = check(&[b], &[relay], BEGIN).unwrap_err();
    assert!(
        matches!(refused, RelayRosterError::OneOperator { .. }),
        "{refused}"
    );
    // Of several CPSs the relay names its own.
    assert!(check(&[a, b], &["cps-a.example=https://relay.example/x"], BEGIN).is_ok());
    let refused = check(&[a], &["cps-b.example=https://relay.example/x"], BEGIN).unwrap_err();
    assert!(
        matches!(refused, RelayRosterError::OneOperator { .. }),
        "{refused}"
    );
    // By whatever way a CPS is reached, its name counts.
    assert!(check(&["cps-a.example=http://127.0.0.1:1"], &[relay], BEGIN).is_ok());
}

#[test]
fn who_is_not_in_the_roster_with_that_role_is_refused() {
    for (cps, relay, who) in [
        (
            "https://cps-a.example",
            "https://other.example/x",
            "other.example is no relay",
        ),
        (
            "https://cps-c.example",
            "https://relay.example/x",
            "cps-c.example is no cps",
        ),
        (
            "https://cps-a.example",
            "https://cps-b.example/x",
            "cps-b.example is no relay",
        ),
        (
            "https://relay.example",
            "https://relay.example/x",
            "relay.example is no cps",
        ),
    ] {
        let refused = check(&[cps], &[relay], BEGIN).unwrap_err().to_string();
        assert!(refused.contains(who), "{refused}");
    }
}

#[test]
fn a_roster_that_has_ended_is_good_for_stores_for_a_week() {
    let at = |now| {
        check(
            &["https://cps-a.example"],
            &["https://relay.example/x"],
            now,
        )
    };
    let end = BEGIN.plus(DAY);
    assert!(at(end.plus(7 * DAY).minus(Duration::from_secs(1))).is_ok());
    for now in [end.plus(7 * DAY), BEGIN.minus(DAY)] {
        let refused = at(now).unwrap_err();
        assert!(matches!(refused, RelayRosterError::Roster(_)), "{refused}");
    }
}
