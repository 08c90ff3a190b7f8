use super::*;

fn key(number: u8, not_before: u64, not_after: u64) -> ObliviousKey {
    ObliviousKey {
        key_config: KeyConfigDigest([number; 32]),
        kem_id: 0x20,
        not_before: UnixTime(not_before),
        not_after: UnixTime(not_after),
    }
}

fn minute(time: u64) -> Minute {
    Minute::of(UnixTime(time))
}

/// By the log alone.
fn announce(
    keys: &mut ObliviousKeys,
    at: u64,
    key: ObliviousKey,
) -> Result<(), ObliviousKeysError> {
    keys.announce(minute(at), key, Sight::of_log(minute(at)))
}

#[test]
fn a_key_is_good_from_its_beginning_until_before_its_end() {
    let key = key(1, 600, 1_200);
    for (now, is_good) in [(599, false), (600, true), (1_199, true), (1_200, false)] {
        assert_eq!(key.is_good(UnixTime(now)), is_good, "{now}");
    }
}

#[test]
fn a_seventeenth_key_at_a_time_is_refused_and_expired_ones_are_forgotten() {
    let mut keys = ObliviousKeys::default();
    for number in 0..16 {
        announce(
            &mut keys,
            60,
            key(number, number.into(), 600 + u64::from(number)),
        )
        .unwrap();
    }
    let one_more = key(99, 99, 6_000);
    let refused = announce(&mut keys, 599, one_more);
    assert_eq!(refused, Err(ObliviousKeysError::TooMany));
    assert_eq!(keys.get(one_more.key_config), None);
    announce(&mut keys, 600, one_more).unwrap();
    assert_eq!(keys.get(KeyConfigDigest([0; 32])), None);
    assert_eq!(keys.get(one_more.key_config), Some(&one_more));
}

#[test]
fn a_second_key_of_a_kem_for_the_same_time_is_refused() {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, 60, key(1, 600, 1_200)).unwrap();
    let refused = announce(&mut keys, 120, key(2, 600, 1_300));
    let (kem_id, not_before) = (0x20, UnixTime(600));
    let expected = ObliviousKeysError::Second { kem_id, not_before };
    assert_eq!(refused, Err(expected));
    let other_kem = ObliviousKey {
        kem_id: 0x647a,
        ..key(3, 600, 1_200)
    };
    announce(&mut keys, 120, other_kem).unwrap();
    announce(&mut keys, 120, key(4, 601, 1_200)).unwrap();
}

#[test]
fn a_key_that_is_announced_twice_is_refused() {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, 60, key(1, 0, 600)).unwrap();
    let refused = announce(&mut keys, 120, key(1, 600, 1_200));
    let expected = ObliviousKeysError::Repeated(KeyConfigDigest([1; 32]));
    assert_eq!(refused, Err(expected));
}

#[test]
fn everybody_changes_keys_by_the_clock_and_not_because_of_a_late_announcement() {
    let mut keys = ObliviousKeys::default();
    let days = |days: u64| days * 86_400;
    let used = |keys: &ObliviousKeys, now| {
        let used: Vec<_> = keys.in_use(UnixTime(now)).into_iter().collect();
        used.iter()
            .map(|one| one.key.key_config.0[0])
            .collect::<Vec<_>>()
    };
    // The first key of a CPS: there is no other.
    announce(&mut keys, days(1), key(1, days(1), days(10))).unwrap();
    assert_eq!(used(&keys, days(1)), [1]);
    announce(&mut keys, days(2) - 3_600, key(2, days(2), days(11))).unwrap();
    assert_eq!(used(&keys, days(2) - 1), [1]);
    assert_eq!(used(&keys, days(2)), [2]);
    // Not all can have this one in time.
    announce(&mut keys, days(3) - 3_540, key(3, days(3), days(12))).unwrap();
    assert_eq!(used(&keys, days(3) + 3_599), [2]);
    assert_eq!(used(&keys, days(3) + 3_600), [3]);
    // Nor one whose beginning is put back.
    announce(&mut keys, days(5), key(4, days(4), days(13))).unwrap();
    assert_eq!(used(&keys, days(5) + 3_599), [3]);
    assert_eq!(used(&keys, days(5) + 3_600), [4]);
    // Keys of a day have a lead of an hour, and those of an hour one of 15 minutes.
    let short = AnnouncedKey {
        key: key(5, 7_200, 10_800),
        announced: UnixTime(6_300),
    };
    assert_eq!(short.used_from(), UnixTime(7_200));
    let announced = UnixTime(6_360);
    let late = AnnouncedKey { announced, ..short };
    assert_eq!(late.used_from(), UnixTime(8_100));
}

#[test]
fn a_seventeenth_key_is_refused_whatever_minute_its_cps_claims() {
    let sight = Sight {
        now: UnixTime(100),
        before: None,
    };
    let mut keys = ObliviousKeys::default();
    for number in 0..16 {
        let key = key(number, number.into(), 600);
        keys.announce(minute(6_000), key, sight).unwrap();
    }
    let refused = keys.announce(minute(6_000), key(99, 99, 12_000), sight);
    assert_eq!(refused, Err(ObliviousKeysError::TooMany));
}

#[test]
fn an_announcement_that_came_later_than_it_says_is_late_for_all_who_saw_that() {
    let (day, lead) = (86_400, 3_600);
    let used_from = |claimed: u64, before: Option<u64>| {
        let mut keys = ObliviousKeys::default();
        let (now, before) = (UnixTime(9 * day), before.map(UnixTime));
        let key = key(1, 2 * day, 10 * day);
        keys.announce(minute(claimed), key, Sight { now, before })
            .unwrap();
        keys.0[0].used_from().0
    };
    // In time by its minute, and to those who were not there.
    assert_eq!(used_from(day, None), 2 * day);
    assert_eq!(used_from(day, Some(2 * day - lead)), 2 * day);
    // Those who saw that it was not there in time change keys together.
    for before in [2 * day - lead + 61, 2 * day, 3 * day, 8 * day] {
        assert_eq!(used_from(day, Some(before)), 2 * day + lead, "{before}");
    }
    // What is late by its own word is as late for everybody.
    for before in [None, Some(2 * day), Some(3 * day)] {
        assert_eq!(used_from(4 * day, before), 4 * day + lead, "{before:?}");
    }
}

#[test]
fn a_key_for_longer_than_a_quarter_of_a_year_is_refused() {
    let mut keys = ObliviousKeys::default();
    let longest = 600 + MAX_VALIDITY.as_secs();
    let refused = announce(&mut keys, 60, key(1, 600, longest + 1));
    let expected = ObliviousKeysError::TooLong(KeyConfigDigest([1; 32]));
    assert_eq!(refused, Err(expected));
    announce(&mut keys, 60, key(1, 600, longest)).unwrap();
}

#[test]
fn what_is_remembered_comes_back_and_has_an_end() {
    let mut keys = ObliviousKeys::default();
    assert!(keys.is_empty());
    announce(&mut keys, 60, key(1, 0, 600)).unwrap();
    let json = serde_json::to_string(&keys).unwrap();
    assert_eq!(serde_json::from_str::<ObliviousKeys>(&json).unwrap(), keys);
    let one = AnnouncedKey {
        key: key(1, 0, 600),
        announced: UnixTime(60),
    };
    let many = vec![one; MAX_UNEXPIRED + 1];
    let many = serde_json::to_string(&many).unwrap();
    let refused = serde_json::from_str::<ObliviousKeys>(&many).unwrap_err();
    assert!(
        refused.to_string().contains("17 oblivious keys"),
        "{refused}"
    );
}
