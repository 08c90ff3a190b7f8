use std::time::Duration;

use pennyblack_roster::{Governors, Members, SignedRoster, Validity};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{KeyName, NoteSigner};
use tempfile::TempDir;

use super::*;

const BEGIN: UnixTime = UnixTime(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn key(name: &str) -> NoteSigner {
    let name: KeyName = name.parse().unwrap();
    NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng())
}

fn member_of(role: Role, uri: &str, operator: &str) -> Member {
    let (uri, operator) = (uri.parse().unwrap(), operator.parse().unwrap());
    let log = format!("{}/log", pennyblack_http::ServiceUri::authority(&uri));
    let keys = (role != Role::Relay).then(|| key(&log).verifier().clone());
    Member::new(role, uri, operator, keys.into_iter().collect()).unwrap()
}

/// A directory with a roster for a day: two CPSs, and a relay of the second one's operator.
fn rosters() -> TempDir {
    let governor = key("governor.example");
    let members = vec![
        member_of(Role::Cps, "https://cps-a.example", "operator-a"),
        member_of(Role::Cps, "https://cps-b.example", "operator-b"),
        member_of(Role::Relay, "https://relay.example", "operator-b"),
    ];
    let roster = Roster {
        origin: "fed.example".parse().unwrap(),
        sequence: "1".parse().unwrap(),
        validity: Validity::new(BEGIN, BEGIN.plus(DAY)).unwrap(),
        governors: Governors::new(1, vec![governor.verifier().clone()]).unwrap(),
        members: Members::new(members).unwrap(),
    };
    let signed = SignedRoster::sign(roster, &governor).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut kept = KeptRosters::open(home.path(), Some(signed.pin())).unwrap();
    kept.offer(signed).unwrap();
    home
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
        assert!(
            matches!(refused, RelayRosterError::NotCurrent { .. }),
            "{refused}"
        );
    }
}
