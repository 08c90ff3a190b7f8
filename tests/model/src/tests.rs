use std::fmt::Write as _;

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::{
    Acknowledgement, Action, Append, CONSISTENT, Fence, HEALED, NOT_TWICE, ONE_BODY, PRESENT,
    REFUSED, STOPPED, Spending, State,
};

const SAFETY: [&str; 4] = [ONE_BODY, PRESENT, NOT_TWICE, CONSISTENT];

/// Every way in which two requests, sent twice and once, can meet one crash of a node
/// and one death of a primary.
const DURABLE: Spending = Spending {
    acknowledgement: Acknowledgement::Durable,
    fence: Fence::None,
    append: Append::Once,
    outlasting: true,
    nodes: 2,
    sends: [2, 1],
    crashes: 1,
    failovers: 1,
};

const REPLICATED: Spending = Spending {
    acknowledgement: Acknowledgement::Replicated,
    ..DURABLE
};

const UNREPLICATED: Spending = Spending {
    acknowledgement: Acknowledgement::Unreplicated,
    ..DURABLE
};

/// Looks at every state of a model, and returns how to get to those that break a rule
/// or show that something can happen.
fn check(model: Spending) -> impl Checker<Spending> {
    let checker = model.checker().finish_when(HasDiscoveries::All);
    let checker = checker.spawn_bfs().join();
    println!("{model:?}: {} states", checker.unique_state_count());
    checker
}

fn assert_upheld(checker: &impl Checker<Spending>, rules: &[&'static str]) {
    for rule in rules {
        if let Some(path) = checker.discovery(rule) {
            panic!("{rule} is broken:\n{}", told(&path));
        }
    }
}

fn assert_safe(model: Spending) {
    let checker = check(model);
    assert_upheld(&checker, &SAFETY);
    for witness in [REFUSED, HEALED] {
        assert!(checker.discovery(witness).is_some(), "never: {witness}");
    }
}

/// A way to break a rule, which must exist.
fn broken(model: Spending, rule: &'static str) -> Vec<Action> {
    let path = check(model).discovery(rule);
    let path = path.unwrap_or_else(|| panic!("nothing breaks this: {rule}"));
    println!("{rule} is broken:\n{}", told(&path));
    path.into_actions()
}

fn told(path: &Path<State, Action>) -> String {
    let mut lines = String::new();
    for action in path.clone().into_actions() {
        let _ = writeln!(lines, "  {action:?}");
    }
    lines
}

fn failovers(actions: &[Action]) -> usize {
    let is_failover = |action: &&Action| matches!(action, Action::FailOver(_));
    actions.iter().filter(is_failover).count()
}

#[test]
fn a_store_that_keeps_its_promise_never_lets_a_token_pay_twice() {
    assert_safe(DURABLE);
    assert_safe(Spending {
        sends: [2, 2],
        ..DURABLE
    });
}

#[test]
fn waiting_for_the_replica_makes_a_failover_harmless() {
    assert_safe(REPLICATED);
    assert_safe(Spending {
        failovers: 2,
        ..REPLICATED
    });
}

#[test]
fn a_failover_that_loses_acknowledged_writes_breaks_both_promises() {
    let twice = broken(UNREPLICATED, ONE_BODY);
    assert_eq!(failovers(&twice), 1);
    let lost = broken(UNREPLICATED, PRESENT);
    assert_eq!(failovers(&lost), 1);
    // No repeated or simultaneous request is needed.
    let once = Spending {
        sends: [1, 1],
        crashes: 0,
        ..UNREPLICATED
    };
    broken(once, ONE_BODY);
}

#[test]
fn without_a_failover_nothing_is_lost_that_was_not_replicated() {
    assert_safe(Spending {
        failovers: 0,
        ..UNREPLICATED
    });
}

#[test]
fn waiting_for_writes_only_is_not_enough() {
    // A repeated request writes nothing, and would wait for nothing, while the write
    // that it finds is not yet replicated.
    let model = Spending {
        acknowledgement: Acknowledgement::WritesReplicated,
        ..DURABLE
    };
    let twice = broken(model, ONE_BODY);
    assert_eq!(failovers(&twice), 1);
    broken(model, PRESENT);
}

#[test]
fn a_refusal_must_wait_for_the_replica_too() {
    // The request that it rests on may be lost in the failover, and then the refused
    // one is stored when it is repeated.
    let model = Spending {
        acknowledgement: Acknowledgement::AcceptancesReplicated,
        ..DURABLE
    };
    broken(model, CONSISTENT);
    assert!(check(model).discovery(ONE_BODY).is_none());
}

#[test]
fn counts_of_writes_stop_a_node_that_has_seen_what_is_lost() {
    let fenced = Spending {
        fence: Fence::Counts,
        ..UNREPLICATED
    };
    assert!(check(fenced).discovery(STOPPED).is_some(), "no node stops");
    // One node alone, which does not die before it has written down what it saw, and
    // whose requests do not outlast the connections to the primary that dies.
    let alone = Spending {
        nodes: 1,
        crashes: 0,
        outlasting: false,
        ..fenced
    };
    assert_upheld(&check(alone), &[ONE_BODY, NOT_TWICE, CONSISTENT]);
    // Without the fence even that is fooled.
    let unfenced = Spending {
        fence: Fence::None,
        ..alone
    };
    broken(unfenced, ONE_BODY);
}

#[test]
fn counts_must_be_taken_from_answers_that_wrote_nothing_too() {
    // The answer to the first sending is lost, and the node learns from the second
    // that the token is spent: it must know then what the store has counted.
    let model = Spending {
        fence: Fence::CountsOfWrites,
        nodes: 1,
        crashes: 0,
        outlasting: false,
        ..UNREPLICATED
    };
    broken(model, ONE_BODY);
}

#[test]
fn counts_of_writes_do_not_stop_a_node_that_has_not_seen_what_is_lost() {
    let fenced = Spending {
        fence: Fence::Counts,
        ..UNREPLICATED
    };
    // Because another one saw it,
    let two = Spending {
        crashes: 0,
        ..fenced
    };
    broken(two, ONE_BODY);
    // or because it died before it had written down what it saw,
    let forgetful = Spending {
        nodes: 1,
        outlasting: false,
        ..fenced
    };
    let actions = broken(forgetful, ONE_BODY);
    assert!(actions.contains(&Action::Crash(0)));
    // or because a request that began before waited for a connection meanwhile.
    let waiting = Spending {
        nodes: 1,
        crashes: 0,
        ..fenced
    };
    broken(waiting, ONE_BODY);
}

#[test]
fn a_name_of_the_reign_stops_every_node_before_a_token_pays_twice() {
    let fenced = Spending {
        fence: Fence::Reign,
        ..UNREPLICATED
    };
    let checker = check(fenced);
    assert!(checker.discovery(STOPPED).is_some(), "no node stops");
    assert_upheld(&checker, &[ONE_BODY, NOT_TWICE]);
    // What was lost stays lost.
    let lost = broken(fenced, PRESENT);
    assert_eq!(failovers(&lost), 1);
}

#[test]
fn appending_without_looking_is_found_out() {
    let blind = Spending {
        append: Append::Blindly,
        ..DURABLE
    };
    broken(blind, NOT_TWICE);
}
