//! Rosters in files.

use std::fs;

use super::*;

const AB: &[&str] = &["a.example", "b.example"];

#[test]
fn what_was_kept_is_read_again_and_can_be_served() {
    let (home, council) = (tempfile::tempdir().unwrap(), Council::new());
    let directory = home.path().join("rosters");
    let first = council.roster(1, ABC, AB);
    let mut kept = KeptRosters::open(&directory, Some(first.pin())).unwrap();
    assert!(kept.chain().is_none());
    assert!(matches!(
        KeptRosters::chain_in(&directory),
        Err(RosterDirectoryError::Empty(_))
    ));
    for sequence in 1..=12 {
        let taken = kept.offer(council.roster(sequence, ABC, AB)).unwrap();
        assert_eq!(taken, Offered::Added);
    }
    // One process at a time adds to them, and others may read.
    let refused = KeptRosters::open(&directory, None).unwrap_err();
    assert!(matches!(refused, RosterDirectoryError::InUse(_)));
    let read = KeptRosters::chain_in(&directory).unwrap();
    assert_eq!(Some(&read), kept.chain());
    drop(kept);
    let again = KeptRosters::open(&directory, None).unwrap();
    assert_eq!(again.chain(), Some(&read));
    assert_eq!(again.pin(), &first.pin());
    assert_eq!(
        read_chain(&directory).unwrap(),
        KeptRosters::chain_in(&directory).unwrap()
    );
}

#[test]
fn another_pin_is_refused_where_trust_has_begun() {
    let (home, council) = (tempfile::tempdir().unwrap(), Council::new());
    let (one, other) = (council.roster(1, ABC, AB), council.roster(2, ABC, AB));
    KeptRosters::open(home.path(), Some(one.pin())).unwrap();
    let refused = KeptRosters::open(home.path(), Some(other.pin())).unwrap_err();
    assert!(
        matches!(refused, RosterDirectoryError::OtherPin { .. }),
        "{refused}"
    );
}

#[test]
fn of_a_fork_both_rosters_are_kept_and_the_first_one_stays_in_use() {
    let (home, council) = (tempfile::tempdir().unwrap(), Council::new());
    let first = council.roster(1, ABC, AB);
    let mut kept = KeptRosters::open(home.path(), Some(first.pin())).unwrap();
    kept.offer(first).unwrap();
    let one = council.roster(2, ABC, AB);
    let other = council.with_operator(2, "other", ABC, AB);
    kept.offer(one.clone()).unwrap();
    kept.offer(other.clone()).unwrap_err();
    assert_eq!(kept.chain().unwrap().last(), &one);
    drop(kept);
    let again = KeptRosters::open(home.path(), None).unwrap();
    assert_eq!(again.chain().unwrap().last(), &one);
    // Who goes by the directory learns of it.
    let expected = ChainError::Fork(one.into(), other.into());
    for forked in [
        KeptRosters::chain_in(home.path()).unwrap_err(),
        KeptRosters::in_force_in(home.path(), begin()).unwrap_err(),
    ] {
        assert_eq!(forked.chain_error(), Some(&expected), "{forked}");
    }
    let files = fs::read_dir(home.path()).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let fork = files.find(|file| file.extension().is_some_and(|end| end == "fork"));
    fs::write(fork.unwrap(), again.chain().unwrap().first().to_string()).unwrap();
    let none = KeptRosters::chain_in(home.path()).unwrap_err();
    assert!(matches!(none, RosterDirectoryError::NoFork(_)), "{none}");
}

#[test]
fn a_file_under_a_wrong_name_or_out_of_line_is_refused() {
    let (home, council) = (tempfile::tempdir().unwrap(), Council::new());
    let write = |name: &str, roster: &SignedRoster| {
        fs::write(home.path().join(name), roster.to_string()).unwrap();
    };
    assert!(matches!(
        read_chain(home.path()),
        Err(RosterDirectoryError::Empty(_))
    ));
    write("1.roster", &council.roster(1, ABC, AB));
    write("3.roster", &council.roster(3, ABC, AB));
    assert!(matches!(
        read_chain(home.path()),
        Err(RosterDirectoryError::Chain { .. })
    ));
    write("2.roster", &council.roster(2, ABC, &["a.example"]));
    assert!(matches!(
        read_chain(home.path()),
        Err(RosterDirectoryError::Chain { .. })
    ));
    write("2.roster", &council.roster(2, ABC, AB));
    assert_eq!(read_chain(home.path()).unwrap().rosters().count(), 3);
    write("02.roster", &council.roster(2, ABC, AB));
    assert!(matches!(
        read_chain(home.path()),
        Err(RosterDirectoryError::Name { .. })
    ));
    fs::remove_file(home.path().join("02.roster")).unwrap();
    fs::write(home.path().join("4.roster"), "no roster").unwrap();
    assert!(matches!(
        read_chain(home.path()),
        Err(RosterDirectoryError::Roster { .. })
    ));
}

/// When the rosters of a council begin.
fn begin() -> UnixTime {
    let first = Council::new().roster(1, ABC, AB);
    first.roster().validity.from()
}

/// A directory with twelve rosters, of which a client has verified all.
fn twelve_kept(council: &Council) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let pin = council.roster(1, ABC, AB).pin();
    let mut kept = KeptRosters::open(home.path(), Some(pin)).unwrap();
    for sequence in 1..=12 {
        kept.offer(council.roster(sequence, ABC, AB)).unwrap();
    }
    home
}

#[test]
fn who_goes_by_the_newest_roster_verifies_what_came_after_the_last_that_was() {
    let council = Council::new();
    let home = twelve_kept(&council);
    let newest = || KeptRosters::in_force_in(home.path(), begin());
    let twelfth = council.roster(12, ABC, AB);
    assert_eq!(newest().unwrap(), twelfth);
    // Of older ones not even the files are read.
    let fifth = home.path().join("5.roster");
    fs::write(&fifth, "no roster").unwrap();
    assert_eq!(newest().unwrap(), twelfth);
    fs::write(&fifth, council.roster(5, ABC, AB).to_string()).unwrap();
    // What came since is verified.
    let next = home.path().join("13.roster");
    fs::write(&next, council.roster(13, ABC, &["a.example"]).to_string()).unwrap();
    let refused = newest().unwrap_err();
    let refused = refused.chain_error().unwrap().to_string();
    assert!(refused.contains("roster 13 lacks signatures"), "{refused}");
    let thirteenth = council.roster(13, ABC, AB);
    fs::write(&next, thirteenth.to_string()).unwrap();
    assert_eq!(newest().unwrap(), thirteenth);
}

#[test]
fn another_text_than_the_one_that_was_verified_is_not_believed() {
    let council = Council::new();
    let home = twelve_kept(&council);
    let newest = || KeptRosters::in_force_in(home.path(), begin());
    let file = home.path().join("12.roster");
    for forged in [
        // Its governors have not signed it, or its predecessor's have not.
        council.with_operator(12, "other", ABC, &["a.example"]),
        council.roster(12, (1, &["d.example"]), &["d.example"]),
    ] {
        fs::write(&file, forged.to_string()).unwrap();
        let refused = newest().unwrap_err();
        assert!(
            matches!(refused.chain_error(), Some(ChainError::NotSigned { .. })),
            "{refused}"
        );
    }
    // Nor does a file say more than the pin: with another pin, all are verified.
    let reached = home.path().join("reached");
    let stranger = council.roster(12, (1, &["d.example"]), &["d.example"]);
    fs::write(&file, stranger.to_string()).unwrap();
    let other = council.with_operator(1, "other", ABC, AB).pin();
    fs::write(&reached, format!("{other}\n{}\n", stranger.pin())).unwrap();
    newest().unwrap_err();
    fs::write(&file, council.roster(12, ABC, AB).to_string()).unwrap();
    for nothing in ["", "no pin", "1:00\n1:00\n"] {
        fs::write(&reached, nothing).unwrap();
        assert_eq!(newest().unwrap(), council.roster(12, ABC, AB));
    }
    // The next who adds to them writes it anew.
    KeptRosters::open(home.path(), None).unwrap();
    let (from, newest) = (council.roster(1, ABC, AB), council.roster(12, ABC, AB));
    let expected = format!("{}\n{}\n", from.pin(), newest.pin());
    assert_eq!(fs::read_to_string(&reached).unwrap(), expected);
}

#[test]
fn until_the_roster_that_was_noted_begins_the_one_before_it_is_in_force() {
    let council = Council::new();
    let home = twelve_kept(&council);
    let twelfth = council.roster(12, ABC, AB);
    let end = twelfth.roster().validity.until();
    let roster = Roster {
        validity: Validity::new(end, UnixTime(end.0 + DAY)).unwrap(),
        ..council.after(&twelfth, ABC, AB).roster().clone()
    };
    let thirteenth = council.signed(roster, AB);
    let mut kept = KeptRosters::open(home.path(), None).unwrap();
    kept.offer(thirteenth.clone()).unwrap();
    let in_force = |now| KeptRosters::in_force_in(home.path(), now).unwrap();
    assert_eq!(in_force(begin()), twelfth);
    assert_eq!(in_force(end), thirteenth);
}
