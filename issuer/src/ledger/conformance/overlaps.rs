//! Subjects that have numbers or SPCs in common: what they draw is charged to each other.

use pennyblack_privacypass::token::TokenKeyId;

use super::{ChargeError, Ledger, MAX_EXTENTS, charge, draw, exhausted, repeat};
use crate::quota::MAX_OVERLAPS;

/// All but what comes after a restart.
pub(super) async fn check(ledger: &impl Ledger, epoch: TokenKeyId) {
    the_same_numbers_have_one_quota_however_they_are_certified(ledger, epoch).await;
    a_code_has_one_quota_in_whichever_case_it_is_certified(ledger, epoch).await;
    certificates_that_share_nothing_have_a_quota_each(ledger, epoch).await;
    a_charge_counts_in_all_accounts_that_it_overlaps_or_in_none(ledger, epoch).await;
    a_subject_may_draw_until_an_account_holds_its_own_allowance(ledger, epoch).await;
    a_subject_that_overlaps_too_much_is_refused_and_counts_nothing(ledger, epoch).await;
}

/// Single numbers, every `step`th from `first` on.
fn singles(first: u64, count: usize, step: usize) -> String {
    let numbers = (first..).step_by(step).take(count);
    let numbers: Vec<_> = numbers.map(|number| format!("tn:{number}")).collect();
    numbers.join(",")
}

/// Sixty numbers one by one, as one range, in two, each by itself, and in ranges that
/// were issued again and again, a few numbers further.
async fn the_same_numbers_have_one_quota_however_they_are_certified(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    let first = 12_155_550_100;
    let before = draw(ledger, epoch, charge(&singles(first, 60, 1), 1, 4)).await;
    let before = before.unwrap() - 4;
    let mut certificates = vec![
        format!("tn:{first}+60"),
        format!("tn:{}+30,tn:{first}+30", first + 30),
        format!("tn:{first}+100"),
    ];
    certificates.extend((1..60).map(|shift| format!("tn:{}+60", first + shift)));
    certificates.extend((0..60).map(|number| format!("tn:{}", first + number)));
    let mut granted = 4;
    for (request, certificate) in (2..).zip(&certificates) {
        match draw(ledger, epoch, charge(certificate, request, 1)).await {
            Ok(total) => {
                granted += 1;
                assert_eq!(total, before + granted, "{certificate}");
            }
            refused => assert_eq!(refused, exhausted(10, 10), "{certificate}"),
        }
    }
    assert_eq!(granted, 10);
    let again = repeat(ledger, epoch, charge(&format!("tn:{first}+60"), 2, 1)).await;
    assert_eq!(again, Ok(before + 10));
}

async fn a_code_has_one_quota_in_whichever_case_it_is_certified(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    assert!(draw(ledger, epoch, charge("spc:683G", 1, 6)).await.is_ok());
    // The same request, too: it is no other drawing.
    assert!(
        repeat(ledger, epoch, charge("spc:683g", 1, 6))
            .await
            .is_ok()
    );
    let refused = draw(ledger, epoch, charge("spc:683g", 2, 5)).await;
    assert_eq!(refused, exhausted(6, 10));
    assert!(draw(ledger, epoch, charge("spc:683g", 3, 4)).await.is_ok());
}

async fn certificates_that_share_nothing_have_a_quota_each(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    for apart in [
        "tn:2000+10",
        "tn:2010+10",
        "tn:02000+10",
        "tn:20*0",
        "spc:2000",
        "spc:200",
        "spc:20001",
    ] {
        let granted = draw(ledger, epoch, charge(apart, 1, 10)).await;
        assert!(granted.is_ok(), "{apart}: {granted:?}");
        let refused = draw(ledger, epoch, charge(apart, 2, 1)).await;
        assert_eq!(refused, exhausted(10, 10), "{apart}");
    }
}

async fn a_charge_counts_in_all_accounts_that_it_overlaps_or_in_none(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    let total = draw(ledger, epoch, charge("tn:3000+10", 1, 1))
        .await
        .unwrap();
    draw(ledger, epoch, charge("tn:3020+10", 1, 4))
        .await
        .unwrap();
    draw(ledger, epoch, charge("spc:THIRD", 1, 2))
        .await
        .unwrap();
    // It begins in one account, ends in another, covers more in between, and is counted
    // once.
    let both = charge("tn:3009+12,spc:THIRD", 1, 3);
    assert_eq!(draw(ledger, epoch, both).await, Ok(total + 9));
    let refused = draw(ledger, epoch, charge("tn:3005+30", 1, 4)).await;
    assert_eq!(refused, exhausted(7, 10));
    // Nothing of that was charged.
    for (subject, left) in [
        ("tn:3000+10", 6),
        ("tn:3025", 3),
        ("spc:third", 5),
        ("tn:3015", 7),
        ("tn:3030", 10),
    ] {
        let all = draw(ledger, epoch, charge(subject, 2, left)).await;
        assert!(all.is_ok(), "{subject}: {all:?}");
        let refused = draw(ledger, epoch, charge(subject, 3, 1)).await;
        assert_eq!(refused, exhausted(10, 10), "{subject}");
    }
    // An account around the subject, and one within it.
    let within = draw(ledger, epoch, charge("tn:3004", 1, 1)).await;
    assert_eq!(within, exhausted(10, 10));
    let around = draw(ledger, epoch, charge("tn:2999+1000", 1, 1)).await;
    assert_eq!(around, exhausted(10, 10));
}

async fn a_subject_may_draw_until_an_account_holds_its_own_allowance(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    draw(ledger, epoch, charge("tn:4000", 1, 10)).await.unwrap();
    let large = draw(ledger, epoch, charge("tn:4000+10,spc:LARGE", 1, 500)).await;
    assert!(large.is_ok());
    let small = draw(ledger, epoch, charge("tn:4000", 2, 1)).await;
    assert_eq!(small, exhausted(510, 10));
    let large = draw(ledger, epoch, charge("tn:4000+10,spc:LARGE", 2, 491)).await;
    assert_eq!(large, exhausted(510, 1_000));
}

async fn a_subject_that_overlaps_too_much_is_refused_and_counts_nothing(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    // Every second number has an account, those between are to have one.
    let part = MAX_OVERLAPS / 4;
    for first in [50_000, 50_000 + 2 * part as u64] {
        let part = charge(&singles(first, part, 2), 1, 1);
        draw(ledger, epoch, part).await.unwrap();
    }
    let too_wide = format!("tn:49999+{}", MAX_OVERLAPS + 1);
    let refused = draw(ledger, epoch, charge(&too_wide, 1, 1)).await;
    assert_eq!(refused, Err(ChargeError::Crowded));
    let wide = format!("tn:50000+{MAX_OVERLAPS}");
    let total = draw(ledger, epoch, charge(&wide, 1, 1)).await.unwrap();
    // It stays so when somebody draws of a part.
    let part = draw(ledger, epoch, charge("tn:50001+1", 1, 1)).await;
    assert_eq!(part, Ok(total + 1));
    let again = draw(ledger, epoch, charge(&wide, 2, 1)).await;
    assert_eq!(again, Ok(total + 2));
}

pub(super) async fn what_was_counted_is_counted_after_a_restart(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    for full in ["tn:12155550130", "spc:683g", "tn:3004", "tn:3015+20"] {
        let refused = draw(ledger, epoch, charge(full, 900, 1)).await;
        assert_eq!(refused, exhausted(10, 10), "{full}");
    }
    let again = repeat(ledger, epoch, charge("tn:3009+12,spc:THIRD", 1, 3)).await;
    assert!(again.is_ok());
}

pub(super) async fn an_epoch_without_room_takes_no_new_account(
    ledger: &impl Ledger,
    epoch: TokenKeyId,
) {
    let mut refused = None;
    for part in 0..=MAX_EXTENTS as u64 / 100 {
        let subject = singles(700_000 + part * 200, 100, 2);
        if let Err(error) = draw(ledger, epoch, charge(&subject, 1, 1)).await {
            refused = Some(error);
        }
    }
    assert_eq!(refused, Some(ChargeError::Crowded));
    // What is in an account goes on.
    for known in ["tn:700000", "tn:700002,tn:700200"] {
        assert!(draw(ledger, epoch, charge(known, 2, 1)).await.is_ok());
    }
}
