//! When a roster is the first, or the next.

use std::time::Duration;

use pennyblack_base::clock_tolerance;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A chain with one roster, of a threshold of two of three.
fn begun(council: &Council) -> Chain {
    let first = council.roster(1, ABC, &["a.example", "b.example"]);
    Chain::begin(&first.pin(), first).unwrap()
}

fn not_signed(error: ChainError) -> (String, GovernorsError) {
    match error {
        ChainError::NotSigned { by, error, .. } => (by, error),
        other => panic!("{other}"),
    }
}

#[test]
fn trust_begins_with_the_pinned_roster_and_no_other() {
    let council = Council::new();
    let first = council.roster(1, ABC, &["a.example", "b.example"]);
    let other = council.with_operator(1, "evil", ABC, &["a.example", "b.example"]);
    let refused = Chain::begin(&first.pin(), other).unwrap_err();
    assert!(matches!(refused, ChainError::NotPinned { .. }), "{refused}");
    // The pin is of the text: who else signs changes nothing.
    let mut more = first.clone();
    more.sign_too(council.key("c.example")).unwrap();
    assert!(Chain::begin(&first.pin(), more).is_ok());
}

#[test]
fn the_pinned_roster_needs_signatures_of_its_own_governors_too() {
    let council = Council::new();
    let first = council.roster(1, ABC, &["a.example", "d.example"]);
    let (_, error) = not_signed(Chain::begin(&first.pin(), first).unwrap_err());
    let text = error.to_string();
    assert!(text.contains("1 of the 2"), "{text}");
    assert!(text.contains("b.example, c.example"), "{text}");
}

#[test]
fn a_successor_needs_enough_governors_of_its_predecessor_and_of_its_own() {
    let council = Council::new();
    let (ab, cd) = (["a.example", "b.example"], ["c.example", "d.example"]);
    let new: (usize, &[&str]) = (2, &["c.example", "d.example"]);
    // Its own governors are others: each side alone is not enough.
    for (signers, lacks) in [
        (&ab[..], "itself"),
        (&["d.example", "c.example"], "roster 1"),
    ] {
        let (by, _) = not_signed(
            begun(&council)
                .offer(council.roster(2, new, signers))
                .unwrap_err(),
        );
        assert!(by.contains(lacks), "{by}");
    }
    let mut chain = begun(&council);
    let both = council.roster(2, new, &[ab, cd].concat());
    assert_eq!(chain.offer(both.clone()), Ok(Offered::Added));
    // From now on those of the first roster alone say nothing.
    let old = council.after(&both, ABC, &ab);
    assert!(
        not_signed(chain.offer(old).unwrap_err())
            .0
            .contains("roster 2")
    );
    assert_eq!(chain.last().sequence().get(), 2);
}

#[test]
fn a_governor_counts_once_however_often_it_signs() {
    let council = Council::new();
    let once = council.roster(2, ABC, &["a.example"]);
    let line = once.note().signatures()[0].to_string();
    let twice: SignedRoster = format!("{once}{line}\n").parse().unwrap();
    let (_, error) = not_signed(begun(&council).offer(twice).unwrap_err());
    assert!(
        matches!(error, GovernorsError::TooFew { signed: 1, .. }),
        "{error}"
    );
}

#[test]
fn one_key_or_one_name_cannot_be_two_governors() {
    let council = Council::new();
    let a = council.public("a.example");
    let twin = VerifierKey::new("twin.example".parse().unwrap(), a.kind(), *a.public()).unwrap();
    let namesake = signer("a.example").verifier().clone();
    for other in [twin, namesake] {
        let refused = Governors::new(2, vec![a.clone(), other]).unwrap_err();
        assert!(matches!(refused, GovernorsError::Twice(_)), "{refused}");
    }
}

#[test]
fn a_threshold_is_more_than_half_and_at_most_all() {
    let council = Council::new();
    let names = ["a.example", "b.example", "c.example", "d.example"];
    for (of, good) in [(1, 1..=1), (2, 2..=2), (3, 2..=3), (4, 3..=4)] {
        let keys: Vec<_> = names
            .iter()
            .take(of)
            .map(|name| council.public(name))
            .collect();
        for threshold in 0..6 {
            let governors = Governors::new(threshold, keys.clone());
            assert_eq!(
                governors.is_ok(),
                good.contains(&threshold),
                "{threshold} of {of}"
            );
        }
    }
    assert!(Governors::new(0, Vec::new()).is_err());
}

#[test]
fn a_forged_signature_is_refused_however_many_are_good() {
    let council = Council::new();
    let good = council.roster(2, ABC, &["a.example", "b.example"]);
    let of_other = council.roster(3, ABC, &["c.example"]);
    let line = of_other.note().signatures()[0].to_string();
    let forged: SignedRoster = format!("{good}{line}\n").parse().unwrap();
    let (_, error) = not_signed(begun(&council).offer(forged).unwrap_err());
    assert!(matches!(error, GovernorsError::Forged(_)), "{error}");
    // Also behind a good one of the same governor: lines may stand in any order.
    let mut all = good;
    all.sign_too(council.key("c.example")).unwrap();
    let forged: SignedRoster = format!("{all}{line}\n").parse().unwrap();
    let (_, error) = not_signed(begun(&council).offer(forged).unwrap_err());
    assert!(matches!(error, GovernorsError::Forged(_)), "{error}");
}

#[test]
fn signatures_by_strangers_take_no_governors_place() {
    let council = Council::new();
    let mut good = council.roster(2, ABC, &["a.example", "b.example"]);
    let crowd: Vec<_> = (0..pennyblack_tlog::note::MOST_SIGNATURES)
        .map(|n| signer(&format!("s{n}.example")))
        .collect();
    let crowded = signed(good.roster().clone(), &crowd);
    assert!(good.merge(crowded.note().signatures()).is_err());
    assert!(good.roster().governors.require_signed(good.note()).is_ok());
    let (own, mut full) = (council.key("a.example"), crowded);
    assert!(full.clone().sign_too(own).is_err());
    assert!(full.sign_too(&crowd[0]).is_ok());
}

#[test]
fn two_signed_rosters_of_one_sequence_are_a_fork_and_an_unsigned_one_is_not() {
    let council = Council::new();
    let mut chain = begun(&council);
    let one = council.roster(2, ABC, &["a.example", "b.example"]);
    let other = council.with_operator(2, "other", ABC, &["b.example", "c.example"]);
    let lie = council.with_operator(2, "lie", ABC, &["a.example"]);
    chain.offer(one.clone()).unwrap();
    chain
        .offer(council.roster(3, ABC, &["a.example", "b.example"]))
        .unwrap();
    let before = chain.clone();
    assert_eq!(chain.offer(one.clone()), Ok(Offered::Known));
    not_signed(chain.offer(lie).unwrap_err());
    let ChainError::Fork(kept, found) = chain.offer(other.clone()).unwrap_err() else {
        panic!("no fork");
    };
    assert_eq!((*kept, *found), (one, other));
    assert_eq!(chain, before);
}

/// Else governors could show a fork to some, and have the next roster heal it unseen.
#[test]
fn who_agrees_on_a_roster_agrees_on_all_before_it() {
    let council = Council::new();
    let signers = &["a.example", "b.example"];
    let (one, other) = (
        council.roster(2, ABC, signers),
        council.with_operator(2, "other", ABC, signers),
    );
    let (mut of_one, mut of_other) = (begun(&council), begun(&council));
    of_one.offer(one.clone()).unwrap();
    of_other.offer(other).unwrap();
    let third = council.after(&one, ABC, signers);
    assert_eq!(of_one.offer(third.clone()), Ok(Offered::Added));
    let refused = of_other.offer(third).unwrap_err();
    assert!(
        matches!(refused, ChainError::OtherPredecessor { .. }),
        "{refused}"
    );
}

#[test]
fn no_roster_is_passed_over_and_none_of_before_the_first_is_taken() {
    let council = Council::new();
    let signers = ["a.example", "b.example"];
    let mut chain = begun(&council);
    let gap = chain.offer(council.roster(3, ABC, &signers)).unwrap_err();
    assert!(matches!(gap, ChainError::Gap { .. }), "{gap}");
    let first = council.roster(5, ABC, &signers);
    let mut chain = Chain::begin(&first.pin(), first).unwrap();
    let old = chain.offer(council.roster(4, ABC, &signers)).unwrap_err();
    assert!(matches!(old, ChainError::BeforeFirst { .. }), "{old}");
    let other = council.with_operator(5, "other", ABC, &signers);
    let other = chain.offer(other).unwrap_err();
    assert!(matches!(other, ChainError::NotPinned { .. }), "{other}");
}

#[test]
fn a_successor_of_another_federation_is_refused() {
    let council = Council::new();
    let mut roster = council.roster(2, ABC, &["a.example"]).roster().clone();
    roster.origin = "other.example".parse().unwrap();
    let signers = ["a.example", "b.example"].map(|name| council.key(name));
    let refused = begun(&council).offer(signed(roster, signers)).unwrap_err();
    assert!(
        matches!(refused, ChainError::OtherFederation { .. }),
        "{refused}"
    );
}

/// Governors sign it ahead of time.
#[test]
fn a_successor_takes_the_place_of_a_roster_when_it_begins() {
    let council = Council::new();
    let mut chain = begun(&council);
    let first = chain.last().clone();
    let end = first.roster().validity.until();
    let next = council.after(&first, ABC, &["a.example"]);
    let roster = Roster {
        validity: Validity::new(end.minus(HOUR), end.plus(HOUR)).unwrap(),
        ..next.roster().clone()
    };
    let next = council.signed(roster, &["a.example", "b.example"]);
    chain.offer(next.clone()).unwrap();
    // By a clock that may be a minute behind.
    let begins = end.minus(HOUR).minus(clock_tolerance::ROSTER);
    let second = Duration::from_secs(1);
    assert_eq!(chain.in_force(first.roster().validity.from()), &first);
    assert_eq!(chain.in_force(begins.minus(second)), &first);
    assert_eq!(chain.in_force(begins), &next);
    assert_eq!(chain.in_force(end.plus(HOUR)), &next);
    // If none has begun, none is passed over.
    assert_eq!(chain.in_force(UnixTime(0)), &first);
}

/// They say who may sign the next, and only the last must be current.
#[test]
fn rosters_that_ended_long_ago_lead_to_the_newest() {
    let council = Council::new();
    let mut chain = begun(&council);
    for sequence in 2..200 {
        let from = UnixTime(sequence * 1_000);
        let next = council.after(chain.last(), ABC, &["a.example"]);
        let roster = Roster {
            validity: Validity::new(from, UnixTime(from.0 + DAY)).unwrap(),
            ..next.roster().clone()
        };
        let signers = &["b.example", "c.example"];
        chain.offer(council.signed(roster, signers)).unwrap();
    }
    assert_eq!(chain.rosters().count(), 199);
    assert_eq!(chain.get(chain.last().sequence()), Some(chain.last()));
    let now = UnixTime(199_000 + DAY / 2);
    let standings = chain
        .rosters()
        .map(|one| one.roster().validity.standing(now));
    let current = standings.filter(|one| matches!(one, Standing::Current { .. }));
    assert!(current.count() < 199, "none has ended");
}
