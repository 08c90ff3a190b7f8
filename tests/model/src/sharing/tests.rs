use std::fmt::Write as _;

use stateright::{Checker, HasDiscoveries, Model};

use super::*;

fn check(model: Federation) -> impl Checker<Federation> {
    let checker = model.checker().finish_when(HasDiscoveries::All);
    let checker = checker.spawn_bfs().join();
    println!("{model:?}: {} states", checker.unique_state_count());
    checker
}

/// A way to break a rule, which must exist.
fn broken(model: Federation, rule: &'static str) -> Vec<Action> {
    let path = check(model).discovery(rule);
    let path = path.unwrap_or_else(|| panic!("nothing breaks this: {rule}"));
    let mut lines = String::new();
    for action in path.clone().into_actions() {
        let _ = writeln!(lines, "  {action:?}");
    }
    println!("{rule} is broken:\n{lines}");
    path.into_actions()
}

#[test]
fn copies_share_a_token_and_no_walk_leads_to_two_calls_with_one_or_to_a_double_spend() {
    let checker = check(RULES);
    for rule in [ONE_CALL, NOT_ACCUSED, ONE_BODY, EVIDENT] {
        assert!(checker.discovery(rule).is_none(), "{rule}");
    }
    assert!(checker.discovery(SHARED).is_some(), "no token is shared");
    assert!(checker.discovery(REFUSED).is_none());
}

#[test]
fn a_token_must_leave_the_disk_before_the_first_request_does() {
    let late = Federation {
        leaving: Leaving::WithTheLastRequest,
        ..RULES
    };
    let crash = broken(late, ONE_CALL);
    assert!(crash.contains(&Action::Crash));
    // The next call's copy at the same CPS is then refused, although nobody cheats.
    broken(late, NOT_ACCUSED);
    let lucky = Federation { crashes: 0, ..late };
    // Two calls at one time are enough, too.
    broken(lucky, ONE_CALL);
}

#[test]
fn a_token_that_pays_for_another_call_at_another_cps_links_the_two() {
    let frugal = Federation {
        sharing: Sharing::AnyCall,
        ..RULES
    };
    broken(frugal, ONE_CALL);
    // No CPS would refuse it: nothing but the client's rule is in the way.
    assert!(check(frugal).discovery(NOT_ACCUSED).is_none());
}

#[test]
fn a_copy_that_is_signed_anew_for_the_same_cps_is_a_double_spend_with_evidence() {
    let anew = Federation {
        again: Again::AnotherRequest,
        ..RULES
    };
    broken(anew, NOT_ACCUSED);
    let checker = check(anew);
    for rule in [ONE_CALL, ONE_BODY, EVIDENT] {
        assert!(checker.discovery(rule).is_none(), "{rule}");
    }
    assert!(checker.discovery(SHARED).is_some() && checker.discovery(REFUSED).is_some());
}

#[test]
fn a_request_that_did_not_name_its_cps_could_be_sent_to_another_to_spend_the_token_there() {
    let unnamed = Federation {
        names_cps: false,
        crashes: 0,
        ..RULES
    };
    broken(unnamed, NOT_ACCUSED);
    // And the evidence would accuse an honest client.
    broken(unnamed, EVIDENT);
}
