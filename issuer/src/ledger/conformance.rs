//! What every backend must do, as tests that take a way to open one. A backend
//! calls [`check`] with fresh accounts; one that several nodes share also calls
//! [`check_nodes`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

mod overlaps;

use std::sync::Arc;

use pennyblack_privacypass::token::TokenKeyId;
use tokio::task::JoinSet;

use super::{ChargeError, ChargeKind, Ledger};
use crate::quota::{Allowance, Charge, EpochAccounts, Exhausted};

/// The epochs that the ledger must follow when it comes to [`check`].
pub const LIVE: [TokenKeyId; 2] = [A, B];

/// The epoch that is followed later; its key must be known to the store by then.
pub const NEXT: TokenKeyId = TokenKeyId([3; 32]);

const A: TokenKeyId = TokenKeyId([1; 32]);
const B: TokenKeyId = TokenKeyId([2; 32]);

/// Most extents in the accounts of an epoch.
const MAX_EXTENTS: usize = 1_500;

/// The allowance that the suite expects: ten tokens for everybody, and a thousand
/// for `spc:BIG` and `spc:LARGE`.
#[must_use]
pub fn allowance() -> Allowance {
    let mut allowance = Allowance::of_all(10);
    for large in ["spc:BIG", "spc:LARGE"] {
        allowance.named.insert(large.parse().unwrap(), 1_000);
    }
    allowance.extents = MAX_EXTENTS;
    allowance
}

/// Request number `request` of a subject, for so many tokens.
#[must_use]
pub fn charge(subject: &str, request: u16, tokens: u32) -> Charge {
    let mut body_digest = [7; 32];
    for (to, from) in body_digest.iter_mut().zip(request.to_be_bytes()) {
        *to = from;
    }
    Charge::new(subject.parse().unwrap(), &body_digest, tokens)
}

/// A charge that may be new, of a key without limit.
///
/// # Errors
/// What the ledger says.
pub async fn draw(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
    charge: Charge,
) -> Result<u64, ChargeError> {
    let kind = ChargeKind::NewOrRepeated;
    ledger.charge(epoch, charge, kind, None).await
}

/// A charge that must not be new.
///
/// # Errors
/// What the ledger says.
pub async fn repeat(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
    charge: Charge,
) -> Result<u64, ChargeError> {
    let kind = ChargeKind::RepeatedOnly;
    ledger.charge(epoch, charge, kind, None).await
}

const fn exhausted(drawn: u64, allowed: u64) -> Result<u64, ChargeError> {
    Err(ChargeError::Exhausted(Exhausted { drawn, allowed }))
}

/// Runs every check on empty accounts with [`allowance`] that follow [`LIVE`].
/// `reopen` makes the ledger go down and come back following the epochs it is
/// given.
pub async fn check<L: Ledger, F: AsyncFnMut(L, &[TokenKeyId]) -> L>(ledger: L, mut reopen: F) {
    a_repetition_is_counted_once_and_let_through_when_nothing_is_left(&ledger).await;
    a_batch_of_which_more_can_be_signed_later_is_charged_for_the_difference(&ledger).await;
    only_what_was_counted_before_is_a_repetition(&ledger).await;
    a_refused_charge_counts_nothing(&ledger).await;
    named_subjects_have_their_own_allowance(&ledger).await;
    the_same_body_of_another_subject_or_for_another_key_is_another_drawing(&ledger).await;
    a_key_signs_no_more_than_it_may_for_all_subjects_together(&ledger).await;
    overlaps::check(&ledger, A).await;
    for seed in 1..=4 {
        random_charges_are_judged_as_by_the_counting_in_memory(&ledger, seed).await;
    }
    let ledger = Arc::new(ledger);
    simultaneous_charges_stay_within_what_is_allowed(&[Arc::clone(&ledger)]).await;
    let ledger = Arc::into_inner(ledger).unwrap();
    let ledger = reopen(ledger, &LIVE).await;
    what_was_counted_is_counted_after_a_restart(&ledger).await;
    overlaps::what_was_counted_is_counted_after_a_restart(&ledger, A).await;
    overlaps::an_epoch_without_room_takes_no_new_account(&ledger, B).await;
    epochs_come_and_go_as_a_whole(&ledger).await;
    let ledger = reopen(ledger, &[B, NEXT]).await;
    what_was_forgotten_stays_so_and_the_rest_is_there(&ledger).await;
}

/// Runs the checks of several nodes over the same empty accounts, which all follow
/// [`LIVE`].
pub async fn check_nodes<L: Ledger>(nodes: Vec<L>) {
    let nodes: Vec<_> = nodes.into_iter().map(Arc::new).collect();
    what_one_node_counted_all_know(&nodes).await;
    simultaneous_charges_stay_within_what_is_allowed(&nodes).await;
    a_key_signs_no_more_than_it_may_over_all_nodes(&nodes).await;
}

async fn a_repetition_is_counted_once_and_let_through_when_nothing_is_left(ledger: &impl Ledger) {
    let first = charge("spc:ONCE", 1, 6);
    let signed = draw(ledger, A, first.clone()).await.unwrap();
    assert_eq!(draw(ledger, A, first.clone()).await, Ok(signed));
    let second = draw(ledger, A, charge("spc:ONCE", 2, 4)).await;
    assert_eq!(second, Ok(signed + 4));
    let refused = draw(ledger, A, charge("spc:ONCE", 3, 1)).await;
    assert_eq!(refused, exhausted(10, 10));
    assert_eq!(draw(ledger, A, first.clone()).await, Ok(signed + 4));
    assert_eq!(repeat(ledger, A, first).await, Ok(signed + 4));
}

async fn a_batch_of_which_more_can_be_signed_later_is_charged_for_the_difference(
    ledger: &impl Ledger,
) {
    let before = draw(ledger, A, charge("spc:BATCH", 1, 2)).await.unwrap();
    let more = draw(ledger, A, charge("spc:BATCH", 1, 5)).await;
    assert_eq!(more, Ok(before + 3));
    // Fewer than before is covered.
    let fewer = repeat(ledger, A, charge("spc:BATCH", 1, 2)).await;
    assert_eq!(fewer, Ok(before + 3));
    let more = repeat(ledger, A, charge("spc:BATCH", 1, 6)).await;
    assert_eq!(more, Err(ChargeError::NotRepeated));
    let rest = draw(ledger, A, charge("spc:BATCH", 2, 5)).await;
    assert_eq!(rest, Ok(before + 8));
}

async fn only_what_was_counted_before_is_a_repetition(ledger: &impl Ledger) {
    let unknown = repeat(ledger, A, charge("spc:REPEAT", 1, 1)).await;
    assert_eq!(unknown, Err(ChargeError::NotRepeated));
    let signed = draw(ledger, A, charge("spc:REPEAT", 2, 10)).await;
    // The first one was not counted.
    assert!(signed.is_ok());
    let other = repeat(ledger, A, charge("spc:OTHER", 2, 10)).await;
    assert_eq!(other, Err(ChargeError::NotRepeated));
}

async fn a_refused_charge_counts_nothing(ledger: &impl Ledger) {
    let refused = draw(ledger, A, charge("spc:REFUSED", 1, 11)).await;
    assert_eq!(refused, exhausted(0, 10));
    let limited = ledger.charge(
        A,
        charge("spc:REFUSED", 2, 10),
        ChargeKind::NewOrRepeated,
        Some(1),
    );
    assert_eq!(limited.await, Err(ChargeError::KeyUsedUp { max: 1 }));
    assert!(draw(ledger, A, charge("spc:REFUSED", 3, 10)).await.is_ok());
}

async fn named_subjects_have_their_own_allowance(ledger: &impl Ledger) {
    assert!(draw(ledger, A, charge("spc:BIG", 1, 1_000)).await.is_ok());
    let refused = draw(ledger, A, charge("spc:BIG", 2, 1)).await;
    assert_eq!(refused, exhausted(1_000, 1_000));
}

async fn the_same_body_of_another_subject_or_for_another_key_is_another_drawing(
    ledger: &impl Ledger,
) {
    assert!(draw(ledger, A, charge("spc:ONE", 1, 10)).await.is_ok());
    assert!(draw(ledger, A, charge("tn:1215+10", 1, 10)).await.is_ok());
    assert!(draw(ledger, B, charge("spc:ONE", 1, 10)).await.is_ok());
    let refused = draw(ledger, A, charge("spc:ONE", 2, 1)).await;
    assert_eq!(refused, exhausted(10, 10));
}

async fn a_key_signs_no_more_than_it_may_for_all_subjects_together(ledger: &impl Ledger) {
    let signed = draw(ledger, B, charge("spc:MOST1", 1, 1)).await.unwrap();
    let max = signed + 7;
    let limited = |charge| ledger.charge(B, charge, ChargeKind::NewOrRepeated, Some(max));
    assert_eq!(limited(charge("spc:MOST2", 1, 4)).await, Ok(signed + 4));
    assert_eq!(limited(charge("spc:MOST3", 1, 3)).await, Ok(max));
    let refused = limited(charge("spc:MOST1", 2, 1)).await;
    assert_eq!(refused, Err(ChargeError::KeyUsedUp { max }));
    // A lost answer is given again all the same.
    assert_eq!(limited(charge("spc:MOST2", 1, 4)).await, Ok(max));
}

/// Charges of few subjects, which overlap, with few bodies and any number of tokens, each
/// judged by the ledger and by [`EpochAccounts`].
async fn random_charges_are_judged_as_by_the_counting_in_memory(ledger: &impl Ledger, seed: u64) {
    let mut model = EpochAccounts::default();
    let mut state = seed;
    // A linear congruential generator (Knuth's) is random enough, and repeats.
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let start = draw(ledger, A, charge(&format!("spc:RANDOM{seed}"), 0, 0)).await;
    let start = start.unwrap();
    for step in 0..240 {
        let mut block = || {
            format!(
                "tn:{}+{}",
                80_000 + 1_000 * seed + random(60),
                1 + random(9)
            )
        };
        let subject = match block() {
            one if step % 2 == 0 => one,
            one => format!("{one},{},spc:RANDOM{seed}X{}", block(), random(3)),
        };
        let request = u16::try_from(random(6)).unwrap();
        let asked = charge(&subject, request, u32::try_from(random(5)).unwrap());
        let kind = match random(4) {
            0 => ChargeKind::RepeatedOnly,
            _ => ChargeKind::NewOrRepeated,
        };
        let expected = if kind == ChargeKind::RepeatedOnly && !model.has(&asked) {
            Err(ChargeError::NotRepeated)
        } else {
            let counted = model.count(&asked, allowance().of(&asked.subject));
            let counted = counted.map_err(ChargeError::from);
            counted.map(|_| start + model.total())
        };
        let told = ledger.charge(A, asked.clone(), kind, None).await;
        assert_eq!(told, expected, "seed {seed}, step {step}: {asked:?}");
    }
}

/// Thirty-two requests of one token at once, each asked of every node; ten are
/// allowed. A granted request is granted again.
async fn simultaneous_charges_stay_within_what_is_allowed<L: Ledger>(nodes: &[Arc<L>]) {
    let mut tasks = JoinSet::new();
    for request in 0..32 {
        for node in nodes {
            let node = Arc::clone(node);
            tasks.spawn(async move {
                let told = draw(&*node, A, charge("spc:RUSH", request, 1)).await;
                (request, told)
            });
        }
    }
    let mut granted = Vec::new();
    for (request, told) in tasks.join_all().await {
        match told {
            Ok(_) => granted.push(request),
            refused => assert_eq!(refused, exhausted(10, 10)),
        }
    }
    granted.sort_unstable();
    granted.dedup();
    assert_eq!(granted.len(), 10);
    for node in nodes {
        for request in &granted {
            let again = repeat(&**node, A, charge("spc:RUSH", *request, 1)).await;
            assert!(again.is_ok());
        }
    }
}

async fn what_was_counted_is_counted_after_a_restart(ledger: &impl Ledger) {
    assert!(repeat(ledger, A, charge("spc:ONCE", 1, 6)).await.is_ok());
    let refused = draw(ledger, A, charge("spc:ONCE", 3, 1)).await;
    assert_eq!(refused, exhausted(10, 10));
    let signed = repeat(ledger, B, charge("spc:MOST3", 1, 3)).await.unwrap();
    let limited = ledger.charge(
        B,
        charge("spc:MOST4", 1, 1),
        ChargeKind::NewOrRepeated,
        Some(signed),
    );
    let refused = Err(ChargeError::KeyUsedUp { max: signed });
    assert_eq!(limited.await, refused);
}

async fn epochs_come_and_go_as_a_whole(ledger: &impl Ledger) {
    let early = draw(ledger, NEXT, charge("spc:NEXT", 1, 1)).await;
    assert_eq!(early, Err(ChargeError::NoSuchEpoch(NEXT)));
    ledger.admit(vec![B, NEXT]).await.unwrap();
    // The next one may be drawn of, and the present ones still.
    assert_eq!(draw(ledger, NEXT, charge("spc:NEXT", 1, 1)).await, Ok(1));
    assert!(repeat(ledger, A, charge("spc:ONCE", 1, 6)).await.is_ok());
    ledger.follow(vec![B, NEXT]).await.unwrap();
    assert_eq!(repeat(ledger, NEXT, charge("spc:NEXT", 1, 1)).await, Ok(1));
    for _ in 0..2 {
        ledger.forget(A).await.unwrap();
        let gone = repeat(ledger, A, charge("spc:ONCE", 1, 6)).await;
        assert_eq!(gone, Err(ChargeError::NoSuchEpoch(A)));
    }
    assert!(repeat(ledger, B, charge("spc:ONE", 1, 10)).await.is_ok());
}

async fn what_was_forgotten_stays_so_and_the_rest_is_there(ledger: &impl Ledger) {
    let gone = draw(ledger, A, charge("spc:ONCE", 1, 6)).await;
    assert_eq!(gone, Err(ChargeError::NoSuchEpoch(A)));
    assert!(repeat(ledger, B, charge("spc:ONE", 1, 10)).await.is_ok());
    assert_eq!(repeat(ledger, NEXT, charge("spc:NEXT", 1, 1)).await, Ok(1));
}

async fn what_one_node_counted_all_know<L: Ledger>(nodes: &[Arc<L>]) {
    let first = charge("spc:SHARED", 0, 3);
    for node in nodes {
        assert_eq!(draw(&**node, A, first.clone()).await, Ok(3));
    }
    let rest = charge("spc:SHARED", 1, 7);
    for node in nodes.iter().rev() {
        assert_eq!(draw(&**node, A, rest.clone()).await, Ok(10));
        let refused = draw(&**node, A, charge("spc:SHARED", 2, 1)).await;
        assert_eq!(refused, exhausted(10, 10));
    }
}

async fn a_key_signs_no_more_than_it_may_over_all_nodes<L: Ledger>(nodes: &[Arc<L>]) {
    const MOST: u64 = 50;
    let mut tasks = JoinSet::new();
    for request in 0..40 {
        for (place, node) in nodes.iter().enumerate() {
            let (node, subject) = (Arc::clone(node), format!("spc:MOST{place}X{}", request / 5));
            tasks.spawn(async move {
                let charge = charge(&subject, request, 2);
                let told = node.charge(B, charge, ChargeKind::NewOrRepeated, Some(MOST));
                told.await
            });
        }
    }
    let told = tasks.join_all().await;
    let granted = told.iter().filter(|told| told.is_ok()).count();
    assert_eq!(granted, 25);
    let used_up = Err(ChargeError::KeyUsedUp { max: MOST });
    let refused = told.iter().filter(|told| **told == used_up).count();
    assert_eq!(granted + refused, told.len());
    assert_eq!(told.iter().flatten().max(), Some(&MOST));
}
