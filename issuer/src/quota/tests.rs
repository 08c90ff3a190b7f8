use proptest::prelude::*;

use super::*;

/// The accounts in which a new charge was counted.
fn accounts_of(counted: Result<Counted, Uncounted>) -> Vec<u64> {
    match counted {
        Ok(Counted::New(change)) => change.accounts.into_iter().collect(),
        other => panic!("{other:?}"),
    }
}

fn charge(subject: &str, request: u8, tokens: u32) -> Charge {
    Charge::new(subject.parse().unwrap(), &[request; 32], tokens)
}

/// A charge where every account may have `allowed` tokens.
fn count(
    accounts: &mut EpochAccounts,
    charge: &Charge,
    allowed: u64,
) -> Result<Counted, Uncounted> {
    accounts.count(charge, Allowance::of_all(allowed).of(&charge.subject))
}

fn exhausted(drawn: u64, allowed: u64) -> Result<Counted, Uncounted> {
    Err(Uncounted::Exhausted(Exhausted { drawn, allowed }))
}

fn drawn(accounts: &EpochAccounts, subject: &str) -> u64 {
    accounts.drawn(&subject.parse().unwrap()).unwrap()
}

#[test]
fn a_retry_is_counted_once() {
    let mut accounts = EpochAccounts::default();
    let three = charge("spc:A", 1, 3);
    assert_eq!(accounts_of(count(&mut accounts, &three, 5)), [1]);
    assert_eq!(count(&mut accounts, &three, 5), Ok(Counted::Before));
    assert_eq!(drawn(&accounts, "spc:A"), 3);
}

#[test]
fn what_is_restored_twice_is_counted_once() {
    let mut accounts = EpochAccounts::default();
    let three = charge("spc:A", 1, 3);
    accounts.restore(&three).unwrap();
    accounts.restore(&three).unwrap();
    assert_eq!(drawn(&accounts, "spc:A"), 3);
    assert_eq!(count(&mut accounts, &three, 0), Ok(Counted::Before));
}

#[test]
fn what_is_restored_is_counted_in_all_accounts_that_it_overlaps() {
    let mut accounts = EpochAccounts::default();
    for number in 0..2 * MAX_OVERLAPS {
        accounts
            .restore(&charge(&format!("tn:{}", 10_000 + number), 1, 1))
            .unwrap();
    }
    accounts.restore(&charge("tn:10000+9000", 1, 1)).unwrap();
    for number in ["tn:10000", "tn:10001", "tn:11023"] {
        assert_eq!(drawn(&accounts, number), 2, "{number}");
    }
    assert_eq!(drawn(&accounts, "tn:11024"), 1);
}

#[test]
fn a_batch_of_which_more_can_be_signed_later_is_charged_for_the_difference() {
    let mut accounts = EpochAccounts::default();
    count(&mut accounts, &charge("spc:A", 1, 2), 5).unwrap();
    let more = charge("spc:A", 1, 5);
    let Ok(Counted::New(change)) = count(&mut accounts, &more, 5) else {
        panic!("it is not counted");
    };
    assert_eq!((change.before, drawn(&accounts, "spc:A")), (2, 5));
    accounts.take_back(&more, &change);
    assert_eq!((accounts.total(), drawn(&accounts, "spc:A")), (2, 2));
    assert!(accounts.has(&charge("spc:A", 1, 2)));
}

#[test]
fn what_is_taken_back_may_be_drawn_again_and_leaves_no_account() {
    let mut accounts = EpochAccounts::default();
    let five = charge("tn:100+10", 1, 5);
    let Ok(Counted::New(change)) = count(&mut accounts, &five, 5) else {
        panic!("it is not counted");
    };
    accounts.take_back(&five, &change);
    assert!(!accounts.has(&five));
    assert_eq!(
        accounts_of(count(&mut accounts, &charge("tn:105+10", 2, 5), 5)),
        [2]
    );
    assert_eq!(
        accounts_of(count(&mut accounts, &charge("tn:100+5", 3, 5), 5)),
        [3]
    );
}

#[test]
fn a_retry_is_served_even_when_nothing_is_left() {
    let mut accounts = EpochAccounts::default();
    let all = charge("spc:A", 1, 5);
    count(&mut accounts, &all, 5).unwrap();
    let more = count(&mut accounts, &charge("spc:A", 2, 1), 5);
    assert_eq!(more, exhausted(5, 5));
    assert_eq!(count(&mut accounts, &all, 5), Ok(Counted::Before));
}

#[test]
fn the_same_body_from_another_subject_is_another_drawing() {
    let mut accounts = EpochAccounts::default();
    count(&mut accounts, &charge("spc:A", 1, 1), 1).unwrap();
    assert_eq!(
        accounts_of(count(&mut accounts, &charge("spc:B", 1, 1), 1)),
        [2]
    );
}

#[test]
fn a_refused_batch_counts_nothing_and_opens_nothing() {
    let mut accounts = EpochAccounts::default();
    assert!(count(&mut accounts, &charge("spc:A,spc:B", 1, 6), 5).is_err());
    assert_eq!(
        accounts_of(count(&mut accounts, &charge("spc:A", 2, 5), 5)),
        [1]
    );
    assert_eq!(
        accounts_of(count(&mut accounts, &charge("spc:B", 2, 5), 5)),
        [2]
    );
}

#[test]
fn a_subject_that_overlaps_accounts_is_charged_to_each_and_counted_once() {
    let mut accounts = EpochAccounts::default();
    count(&mut accounts, &charge("tn:100+10", 1, 2), 9).unwrap();
    count(&mut accounts, &charge("spc:A", 1, 3), 9).unwrap();
    count(&mut accounts, &charge("tn:109+10,spc:A", 1, 4), 9).unwrap();
    let all = ["tn:100", "spc:a", "tn:110+5", "tn:119"];
    assert_eq!(all.map(|subject| drawn(&accounts, subject)), [6, 7, 4, 0]);
    assert_eq!(accounts.total(), 9);
    // One of the two is full: the other is not charged.
    let refused = count(&mut accounts, &charge("tn:109+10,spc:A", 2, 3), 9);
    assert_eq!(refused, exhausted(7, 9));
    assert_eq!(all.map(|subject| drawn(&accounts, subject)), [6, 7, 4, 0]);
}

#[test]
fn a_named_extent_gives_its_allowance_to_all_lists_that_have_it() {
    let mut allowance = Allowance::of_all(10);
    allowance.named.insert("spc:683G".parse().unwrap(), 99);
    allowance.named.insert("tn:1215+10".parse().unwrap(), 5);
    for (subject, tokens) in [
        ("spc:683g", 99),
        ("spc:683G,tn:1215+10", 99),
        ("spc:683H", 10),
        ("tn:1215+5,tn:1220+5", 5),
        ("tn:1215+11", 10),
    ] {
        let limits = allowance.of(&subject.parse().unwrap());
        assert_eq!(limits.tokens, tokens, "{subject}");
    }
}

#[test]
fn an_epoch_has_room_for_so_many_extents_and_accounts_that_are_there_go_on() {
    let mut accounts = EpochAccounts::default();
    let limits = Limits {
        tokens: 10,
        extents: 3,
    };
    let mut draw = |subject, request| accounts.count(&charge(subject, request, 1), limits);
    assert_eq!(accounts_of(draw("spc:A,spc:B", 1)), [1]);
    assert_eq!(draw("spc:C,spc:D", 1), Err(Uncounted::Crowded));
    assert_eq!(accounts_of(draw("spc:C", 1)), [2]);
    assert_eq!(draw("spc:D", 1), Err(Uncounted::Crowded));
    assert_eq!(draw("spc:B,spc:D", 1), Err(Uncounted::Crowded));
    assert_eq!(accounts_of(draw("spc:B,spc:C", 1)), [1, 2]);
}

/// Lists over twelve numbers, one bit for each.
fn list(numbers: u16) -> Coverage {
    let numbers = (0..12).filter(|bit| numbers & 1 << bit != 0);
    let numbers: Vec<_> = numbers.map(|bit| format!("tn:{}", 100 + bit)).collect();
    numbers.join(",").parse().unwrap()
}

/// How few numbers there are of which each list has one.
fn fewest_numbers(lists: &[u16]) -> u32 {
    let all = (0u16..1 << 12).filter(|numbers| lists.iter().all(|list| list & numbers != 0));
    all.map(u16::count_ones).min().unwrap_or(0)
}

proptest! {
    /// The bound of docs/threat-model.md: whatever certificates ask in whatever order, any
    /// of them draw together no more than the allowance for each of the fewest numbers of
    /// which every one of them has one.
    #[test]
    fn certificates_draw_a_quota_for_each_of_the_fewest_numbers_that_they_share(
        lists in proptest::collection::vec(1u16..1 << 12, 1..10),
        asked in proptest::collection::vec((0usize..10, 1u32..9), 0..80),
        some in any::<u16>(),
    ) {
        const ALLOWED: u64 = 8;
        let mut accounts = EpochAccounts::default();
        let mut granted = vec![0; lists.len()];
        for (request, (which, tokens)) in asked.into_iter().enumerate() {
            let which = which % lists.len();
            let request = [u8::try_from(request).unwrap(); 32];
            let charge = Charge::new(list(lists[which]), &request, tokens);
            if count(&mut accounts, &charge, ALLOWED).is_ok() {
                granted[which] += u64::from(tokens);
            }
        }
        prop_assert_eq!(accounts.total(), granted.iter().sum::<u64>());
        for among in [u16::MAX, some] {
            let among = (0..lists.len()).filter(|which| among & 1 << which != 0);
            let (lists, granted): (Vec<_>, Vec<u64>) =
                among.map(|which| (lists[which], granted[which])).unzip();
            let granted: u64 = granted.iter().sum();
            prop_assert!(granted <= ALLOWED * u64::from(fewest_numbers(&lists)));
        }
    }

    /// Whatever is taken back leaves the accounts as they were.
    #[test]
    fn what_is_taken_back_never_was(
        asked in proptest::collection::vec((1u16..1 << 12, 0u8..6, 1u32..6), 1..20),
        kept in 0usize..20,
    ) {
        let mut accounts = EpochAccounts::default();
        let mut changes = Vec::new();
        let mut state = String::new();
        for (step, (numbers, request, tokens)) in asked.into_iter().enumerate() {
            if step == kept {
                state = format!("{:?}", without_order(&accounts));
                changes.clear();
            }
            let charge = Charge::new(list(numbers), &[request; 32], tokens);
            if let Ok(Counted::New(change)) = count(&mut accounts, &charge, 12) {
                changes.push((charge, change));
            }
        }
        for (charge, change) in changes.iter().rev() {
            accounts.take_back(charge, change);
        }
        let after = format!("{:?}", without_order(&accounts));
        let empty = format!("{:?}", without_order(&EpochAccounts::default()));
        prop_assert_eq!(after, if state.is_empty() { empty } else { state });
    }
}

fn without_order(accounts: &EpochAccounts) -> impl std::fmt::Debug {
    let drawn: BTreeMap<_, _> = accounts.drawn.clone().into_iter().collect();
    let drawings: BTreeMap<_, _> = accounts.drawings.clone().into_iter().collect();
    let extents = accounts.extents.iter();
    let extents: Vec<_> = extents
        .map(|(last, held)| (last.clone(), held.first.clone()))
        .collect();
    (drawn, drawings, extents, accounts.total)
}
