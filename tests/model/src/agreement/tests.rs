use stateright::{Checker, HasDiscoveries, Model};

use super::*;

fn check(model: Agreement, until: HasDiscoveries) -> impl Checker<Agreement> {
    let checker = model.checker().finish_when(until);
    let checker = checker.spawn_bfs().join();
    println!("{model:?}: {} states", checker.unique_state_count());
    checker
}

/// A way to break a rule, which must exist.
fn broken(model: Agreement, rule: &'static str) -> Vec<Action> {
    let until = HasDiscoveries::AnyOf([rule].into());
    let path = check(model, until).discovery(rule);
    let path = path.unwrap_or_else(|| panic!("nothing breaks this: {rule}"));
    let actions = path.into_actions();
    println!("{rule} is broken by {actions:?}");
    actions
}

fn assert_upheld(model: Agreement) {
    let checker = check(model, HasDiscoveries::AnyFailures);
    for rule in [POLLED, OPENED] {
        if let Some(path) = checker.discovery(rule) {
            panic!("{rule} is broken by {:?}", path.into_actions());
        }
    }
    for witness in [MOVED, LATE] {
        let is_shown = checker.discovery(witness).is_some() || model.choice == Choice::Newest;
        assert!(is_shown, "never: {witness}");
    }
}

#[test]
fn nobody_stores_where_nobody_polls_or_what_nobody_can_open() {
    assert_upheld(RULES);
    assert_upheld(Agreement {
        choice: Choice::Newest,
        ..RULES
    });
}

#[test]
fn nor_when_a_mailbox_moves_twice() {
    assert_upheld(Agreement {
        records: 3,
        lives: &[1],
        lasts: 4,
        ..RULES
    });
}

#[test]
fn a_recipient_that_forgets_where_it_was_loses_what_older_records_bring() {
    let newest = Agreement {
        polling: Polling::Newest,
        ..RULES
    };
    broken(newest, POLLED);
}

#[test]
fn a_recipient_must_poll_for_the_life_of_an_entry_and_for_the_clocks_longer() {
    for shorter in 0..ENTRY_LIFE + CLOCK_DIFFERENCE {
        let hasty = Agreement {
            polling: Polling::All(shorter),
            ..RULES
        };
        broken(hasty, POLLED);
    }
}

#[test]
fn what_is_published_before_it_is_written_down_is_lost_in_a_crash() {
    let late = Agreement {
        listing: Listing::AfterPublishing,
        ..RULES
    };
    assert!(broken(late, POLLED).contains(&Action::Crash));
}

#[test]
fn a_cps_must_end_stores_with_the_last_record_and_seal_to_the_key_after_it() {
    let patient = Agreement {
        ends_stores: false,
        ..RULES
    };
    broken(patient, POLLED);
    broken(patient, OPENED);
    for shorter in 0..ENTRY_LIFE {
        let hasty = Agreement {
            seals_for: shorter,
            ..RULES
        };
        broken(hasty, OPENED);
    }
}

#[test]
fn clocks_that_differ_by_more_are_not_provided_for() {
    let apart = Agreement {
        clock_difference: CLOCK_DIFFERENCE + 1,
        ..RULES
    };
    broken(apart, POLLED);
}
