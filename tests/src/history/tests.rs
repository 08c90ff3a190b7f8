mod breaking;
mod legal;

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Anomaly, Body, History, Loss, Place, Retrieval, Rules, Span, StoreAnswer, StoreCall, Token,
};

const RULES: Rules = Rules {
    lifetime: Duration::from_secs(5),
    tolerance: Duration::from_secs(1),
    capacity: 1_024,
};

/// From and to these milliseconds.
fn span(begun: u64, ended: u64) -> Span {
    let [begun, ended] = [begun, ended].map(Duration::from_millis);
    Span { begun, ended }
}

/// Token 1 spent on `body` at this time.
fn store(body: u32, begun: u64, answer: StoreAnswer) -> StoreCall {
    StoreCall {
        token: Token(1),
        body: Body(body),
        place: Place(1),
        span: span(begun, begun + 10),
        answer,
    }
}

fn read(bodies: &[u32], begun: u64) -> Retrieval {
    Retrieval {
        place: Place(1),
        span: span(begun, begun + 10),
        bodies: bodies.iter().copied().map(Body).collect(),
    }
}

fn lost(safe_before: u64, begun: u64, ended: u64) -> Loss {
    Loss {
        safe_before: Duration::from_millis(safe_before),
        span: span(begun, ended),
    }
}

fn verify(stores: &[StoreCall], retrievals: &[Retrieval]) -> Vec<Anomaly> {
    verify_with_losses(stores, retrievals, &[])
}

fn verify_with_losses(
    stores: &[StoreCall],
    retrievals: &[Retrieval],
    losses: &[Loss],
) -> Vec<Anomaly> {
    RULES.anomalies(&History {
        stores: stores.to_vec(),
        retrievals: retrievals.to_vec(),
        losses: losses.to_vec(),
    })
}

use StoreAnswer::{Accepted, Conflict, Unknown};

#[test]
fn what_a_good_service_answers_is_legal() {
    let spent = store(1, 0, Accepted);
    assert_eq!(verify(&[spent], &[read(&[1], 20)]), []);
    // A retrieval at the same time, or near the expiry, may find it or not.
    for found in [&[1][..], &[]] {
        assert_eq!(verify(&[spent], &[read(found, 5)]), []);
        assert_eq!(verify(&[spent], &[read(found, 4_500)]), []);
        assert_eq!(verify(&[spent], &[read(found, 5_500)]), []);
    }
    assert_eq!(verify(&[spent], &[read(&[], 6_100)]), []);
    // Nobody knows, until it is found.
    let unknown = store(1, 0, Unknown);
    assert_eq!(verify(&[unknown], &[read(&[], 20), read(&[1], 3_000)]), []);
    // Retries and double spends.
    let (again, other) = (store(1, 20, Accepted), store(2, 40, Conflict));
    assert_eq!(verify(&[spent, again, other, again, other], &[]), []);
    assert_eq!(verify(&[unknown, other], &[]), []);
    assert_eq!(verify(&[unknown, other, again], &[read(&[1], 60)]), []);
}

#[test]
fn two_bodies_for_a_token_are_found_however_they_show() {
    let both = [store(1, 0, Accepted), store(2, 20, Accepted)];
    let found = |anomalies: Vec<Anomaly>| matches!(anomalies[..], [Anomaly::TwoBodies { .. }]);
    assert!(found(verify(&both, &[])));
    let unknown = [store(1, 0, Accepted), store(2, 20, Unknown)];
    assert!(found(verify(&unknown, &[read(&[1, 2], 40)])));
    let unknown = [store(1, 0, Unknown), store(2, 20, Unknown)];
    assert!(found(verify(&unknown, &[read(&[1], 40), read(&[2], 60)])));
}

#[test]
fn an_acknowledged_entry_that_is_not_there_is_found() {
    let spent = store(1, 0, Accepted);
    for begun in [11, 3_900] {
        let missing = verify(&[spent], &[read(&[], begun)]);
        assert!(matches!(missing[..], [Anomaly::Missing { .. }]), "{begun}");
    }
}

#[test]
fn what_a_loss_took_is_not_missed_until_its_request_is_repeated() {
    let loss = [lost(0, 100, 200)];
    // Acknowledged before it, or while it lasted.
    for begun in [0, 95, 150] {
        let spent = store(1, begun, Accepted);
        assert_eq!(verify_with_losses(&[spent], &[read(&[], 300)], &loss), []);
    }
    let (spent, again) = (store(1, 0, Accepted), store(1, 250, Accepted));
    for stores in [&[spent, again][..], &[store(1, 210, Accepted)]] {
        let missing = verify_with_losses(stores, &[read(&[], 300)], &loss);
        assert!(matches!(missing[..], [Anomaly::Missing { .. }]));
    }
    // Nor does a loss that is yet to come explain anything.
    let missing = verify_with_losses(&[spent], &[read(&[], 50)], &loss);
    assert!(matches!(missing[..], [Anomaly::Missing { .. }]));
    // It lives anew from its repetition on, and no longer.
    let read_late = |begun| verify_with_losses(&[spent, again], &[read(&[1], begun)], &loss);
    assert_eq!(read_late(6_200), []);
    assert!(matches!(read_late(6_300)[..], [Anomaly::Undead { .. }]));
}

#[test]
fn what_was_acknowledged_before_a_replica_fell_behind_is_missed_and_the_dead_stay_dead() {
    let loss = [lost(50, 100, 200)];
    let missing = verify_with_losses(&[store(1, 0, Accepted)], &[read(&[], 300)], &loss);
    assert!(matches!(missing[..], [Anomaly::Missing { .. }]));
    let spent = store(1, 60, Accepted);
    assert_eq!(verify_with_losses(&[spent], &[read(&[], 300)], &loss), []);
    // Nobody sent it again, so nothing made it live anew.
    let late = lost(0, 7_000, 7_100);
    let undead = verify_with_losses(&[spent], &[read(&[1], 7_200)], &[late]);
    assert!(matches!(undead[..], [Anomaly::Undead { .. }]));
    let again = store(1, 7_050, Unknown);
    assert_eq!(
        verify_with_losses(&[spent, again], &[read(&[1], 7_200)], &[late]),
        []
    );
}

#[test]
fn what_nobody_was_told_of_may_live_anew_after_its_client_gave_up() {
    let loss = [lost(0, 5_000, 5_100)];
    let read_late = |answer| {
        let stores = [store(1, 0, Accepted), store(1, 20, answer)];
        verify_with_losses(&stores, &[read(&[1], 6_200)], &loss)
    };
    assert_eq!(read_late(Unknown), []);
    // Its answer says that it was carried out before the loss.
    assert!(matches!(read_late(Accepted)[..], [Anomaly::Undead { .. }]));
}

#[test]
fn no_loss_explains_two_bodies_or_a_wrong_409() {
    let loss = [lost(0, 15, 18)];
    let both = [store(1, 0, Accepted), store(2, 20, Accepted)];
    let twice = verify_with_losses(&both, &[], &loss);
    assert!(matches!(twice[..], [Anomaly::TwoBodies { .. }]));
    let wrong = [store(1, 0, Accepted), store(1, 20, Conflict)];
    let wrong = verify_with_losses(&wrong, &[], &loss);
    assert!(matches!(wrong[..], [Anomaly::TakenBack { .. }]));
}

#[test]
fn an_entry_of_nobody_of_elsewhere_too_early_twice_or_too_late_is_found() {
    let spent = store(1, 100, Accepted);
    let nobodys = verify(&[spent], &[read(&[1, 7], 120)]);
    assert!(matches!(nobodys[..], [Anomaly::NeverSent { .. }]));
    let elsewhere = StoreCall {
        place: Place(2),
        ..spent
    };
    let elsewhere = verify(&[elsewhere], &[read(&[1], 120)]);
    assert!(matches!(elsewhere[..], [Anomaly::NeverSent { .. }]));
    let early = verify(&[spent], &[read(&[1], 10)]);
    assert!(matches!(early[..], [Anomaly::NeverSent { .. }]));
    let twice = verify(&[spent], &[read(&[1, 1], 120)]);
    assert!(matches!(twice[..], [Anomaly::Twice { .. }]));
    let late = verify(&[spent], &[read(&[1], 6_200)]);
    assert!(matches!(late[..], [Anomaly::Undead { .. }]));
    // Known to have been there since it was found first, though nobody was told.
    let unknown = store(1, 100, Unknown);
    let late = verify(&[unknown], &[read(&[1], 120), read(&[1], 6_200)]);
    assert!(matches!(late[..], [Anomaly::Undead { .. }]));
}

#[test]
fn a_wrong_409_is_found() {
    let spent = store(1, 0, Accepted);
    for taken_back in [
        [spent, store(1, 20, Conflict)],
        [store(1, 20, Conflict), spent],
    ] {
        let anomalies = verify(&taken_back, &[]);
        assert!(matches!(anomalies[..], [Anomaly::TakenBack { .. }]));
    }
    let found = verify(
        &[store(1, 0, Conflict), store(2, 0, Unknown)],
        &[read(&[1], 20)],
    );
    assert!(matches!(found[..], [Anomaly::TakenBack { .. }]));
    let alone = verify(&[store(1, 0, Conflict)], &[]);
    assert!(matches!(alone[..], [Anomaly::SpentByNobody { .. }]));
    // The other came later, so it was not that.
    let later = verify(&[store(1, 0, Conflict), store(2, 20, Accepted)], &[]);
    assert!(matches!(later[..], [Anomaly::SpentByNobody { .. }]));
    // Each was told that the other had spent it.
    let neither = verify(&[store(1, 0, Conflict), store(2, 0, Conflict)], &[]);
    assert!(matches!(
        neither[..],
        [Anomaly::SpentByNobody { .. }, Anomaly::SpentByNobody { .. }]
    ));
}

proptest! {
    #[test]
    fn legal_histories_are_legal(history in legal::legal_histories()) {
        prop_assert_eq!(RULES.anomalies(&history), []);
    }

    #[test]
    fn a_legal_history_with_one_rule_broken_is_rejected(
        legal in legal::legal_histories(),
        site in any::<prop::sample::Index>(),
    ) {
        for breaking in breaking::ALL {
            let broken = (breaking.broken)(&legal);
            prop_assert!(!broken.is_empty(), "no place where {}", breaking.name);
            let anomalies = RULES.anomalies(site.get(&broken));
            prop_assert!(
                anomalies.iter().any(breaking.found),
                "{}: {anomalies:?}",
                breaking.name
            );
        }
    }
}

/// A body with a token of its own.
fn stored(body: u32, begun: u64) -> StoreCall {
    StoreCall {
        token: Token(body),
        ..store(body, begun, Accepted)
    }
}

/// The anomalies where a mailbox keeps two entries.
fn verify_of_two(stores: &[StoreCall], retrieval: Retrieval) -> Vec<Anomaly> {
    let rules = Rules {
        capacity: 2,
        ..RULES
    };
    rules.anomalies(&History {
        stores: stores.to_vec(),
        retrievals: vec![retrieval],
        losses: Vec::new(),
    })
}

#[test]
fn an_entry_may_be_missing_when_as_many_as_a_mailbox_keeps_came_after_it() {
    let three = [stored(1, 0), stored(2, 20), stored(3, 40)];
    assert_eq!(verify_of_two(&three, read(&[2, 3], 60)), []);
    assert_eq!(verify_of_two(&three, read(&[1, 2, 3], 60)), []);
    // One newer entry has not pushed it out, nor have older ones, nor later ones.
    for (stores, missing) in [
        ([stored(1, 0), stored(2, 20)].to_vec(), 1),
        ([stored(2, 0), stored(3, 20), stored(1, 40)].to_vec(), 1),
        ([stored(1, 0), stored(2, 20), stored(3, 100)].to_vec(), 1),
    ] {
        let retrieved = read(&[], 60);
        let is_before = |call: &&StoreCall| call.span.begun < retrieved.span.begun;
        let before = stores.iter().filter(is_before);
        let before = before.map(|call| call.body.0);
        let found: Vec<_> = before.filter(|body| *body != missing).collect();
        let anomalies = verify_of_two(&stores, read(&found, 60));
        assert!(
            matches!(anomalies.as_slice(), [Anomaly::Missing { body, .. }] if body.0 == missing),
            "{anomalies:?}"
        );
    }
}
