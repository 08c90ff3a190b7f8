//! A roster of one governor, kept as a client keeps it.

use std::fs;
use std::path::Path;

use pennyblack_base::time::UnixTime;
use pennyblack_roster::{
    Governors, KeptRosters, Member, Members, Position, Role, Roster, SignedRoster, Validity,
};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{NoteSigner, VerifierKey};

/// A CPS as a roster has it, run by an operator of its own.
///
/// # Panics
/// When the URL or the key is none of a CPS.
#[must_use]
pub fn cps(url: &str, log_key: &VerifierKey) -> Member {
    let uri: pennyblack_base::cps_uri::CpsUri = url.parse().unwrap();
    let operator = format!("of-{}", uri.authority()).replace(':', "-");
    let operator = operator.parse().unwrap();
    Member::new(Role::Cps, uri, operator, vec![log_key.clone()]).unwrap()
}

/// Keeps the first roster of `fed.test` in this directory, in the place of what is there.
///
/// # Panics
/// When it cannot be written.
pub fn keep(directory: &Path, members: Vec<Member>, (from, until): (UnixTime, UnixTime)) {
    let name = "governor.test".parse().unwrap();
    let governor = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
    let roster = Roster {
        origin: "fed.test".parse().unwrap(),
        position: Position::First,
        validity: Validity::new(from, until).unwrap(),
        governors: Governors::new(1, vec![governor.verifier().clone()]).unwrap(),
        members: Members::new(members).unwrap(),
    };
    let signed = SignedRoster::sign(roster, &governor).unwrap();
    // There need not be one.
    let _ = fs::remove_dir_all(directory);
    let mut kept = KeptRosters::open(directory, Some(signed.pin())).unwrap();
    kept.offer(signed).unwrap();
}
