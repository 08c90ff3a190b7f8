//! Rosters for tests: one governor, for a day.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_roster::{
    Governors, KeptRosters, Member, Members, Position, Role, Roster, SignedRoster, Validity,
};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{KeyName, NoteSigner};
use tempfile::TempDir;

pub(crate) const BEGIN: UnixTime = UnixTime(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

fn key(name: &str) -> NoteSigner {
    let name: KeyName = name.parse().unwrap();
    NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng())
}

pub(crate) fn member_of(role: Role, uri: &str, operator: &str) -> Member {
    let (uri, operator) = (uri.parse().unwrap(), operator.parse().unwrap());
    let log = format!("{}/log", pennyblack_http::ServiceUri::authority(&uri));
    let keys = (role != Role::Relay).then(|| key(&log).verifier().clone());
    Member::new(role, uri, operator, keys.into_iter().collect()).unwrap()
}

/// A directory with a roster of these members.
pub(crate) fn directory_with(members: Vec<Member>) -> TempDir {
    directory_of(&first_roster(&key("governor.example"), members)).0
}

/// The same, with a successor that has these members, and begins then.
pub(crate) fn directory_of_two(
    members: Vec<Member>,
    (others, begins): (Vec<Member>, UnixTime),
) -> TempDir {
    let governor = key("governor.example");
    let first = first_roster(&governor, members);
    let successor = Roster {
        position: Position::After(first.pin()),
        validity: Validity::new(begins, begins.plus(DAY)).unwrap(),
        members: Members::new(others).unwrap(),
        ..first.roster().clone()
    };
    let (home, mut kept) = directory_of(&first);
    let successor = SignedRoster::sign(successor, &governor).unwrap();
    kept.offer(successor).unwrap();
    home
}

fn first_roster(governor: &NoteSigner, members: Vec<Member>) -> SignedRoster {
    let roster = Roster {
        origin: "fed.example".parse().unwrap(),
        position: Position::First,
        validity: Validity::new(BEGIN, BEGIN.plus(DAY)).unwrap(),
        governors: Governors::new(1, vec![governor.verifier().clone()]).unwrap(),
        members: Members::new(members).unwrap(),
    };
    SignedRoster::sign(roster, governor).unwrap()
}

fn directory_of(first: &SignedRoster) -> (TempDir, KeptRosters) {
    let home = tempfile::tempdir().unwrap();
    let mut kept = KeptRosters::open(home.path(), Some(first.pin())).unwrap();
    kept.offer(first.clone()).unwrap();
    (home, kept)
}
