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
    let forked = KeptRosters::chain_in(home.path()).unwrap_err();
    let expected = ChainError::Fork(one.into(), other.into());
    assert_eq!(forked.chain_error(), Some(&expected), "{forked}");
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
