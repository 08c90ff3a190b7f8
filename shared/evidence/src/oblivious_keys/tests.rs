use super::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const SHORTEST: u64 = SHORTEST_VALIDITY.as_secs();

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
        let begins = u64::from(number);
        announce(&mut keys, 60, key(number, begins, DAY + begins)).unwrap();
    }
    let one_more = key(99, 99, 2 * DAY);
    let refused = announce(&mut keys, DAY - 1, one_more);
    assert_eq!(refused, Err(ObliviousKeysError::TooMany));
    assert_eq!(keys.get(one_more.key_config), None);
    announce(&mut keys, DAY, one_more).unwrap();
    assert_eq!(keys.get(KeyConfigDigest([0; 32])), None);
    assert_eq!(keys.get(one_more.key_config), Some(&one_more));
}

#[test]
fn a_second_key_of_a_kem_for_the_same_time_is_refused() {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, 60, key(1, 600, DAY)).unwrap();
    let refused = announce(&mut keys, 120, key(2, 600, DAY + 100));
    let (kem_id, not_before) = (0x20, UnixTime(600));
    let expected = ObliviousKeysError::Second { kem_id, not_before };
    assert_eq!(refused, Err(expected));
    let other_kem = ObliviousKey {
        kem_id: 0x647a,
        ..key(3, 600, DAY)
    };
    announce(&mut keys, 120, other_kem).unwrap();
    announce(&mut keys, 120, key(4, 601, DAY)).unwrap();
}

#[test]
fn a_key_that_is_announced_twice_is_refused() {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, 60, key(1, 0, DAY)).unwrap();
    let refused = announce(&mut keys, 120, key(1, 600, 2 * DAY));
    let expected = ObliviousKeysError::Repeated(KeyConfigDigest([1; 32]));
    assert_eq!(refused, Err(expected));
}

/// The numbers of the keys in use.
fn used(keys: &ObliviousKeys, now: u64) -> Vec<u8> {
    let used = keys.in_use(UnixTime(now)).into_iter();
    used.map(|one| one.key.key_config.0[0]).collect()
}

#[test]
fn everybody_changes_keys_by_the_clock_and_not_because_of_a_late_announcement() {
    let mut keys = ObliviousKeys::default();
    let days = |days: u64| days * DAY;
    let shown = SHOWN_WITHIN.as_secs();
    // The first key of a CPS: there is no other.
    announce(&mut keys, days(1), key(1, days(1), days(10))).unwrap();
    assert_eq!(used(&keys, days(1)), [1]);
    announce(&mut keys, days(2) - HOUR - shown, key(2, days(2), days(11))).unwrap();
    assert_eq!(used(&keys, days(2) - 1), [1]);
    assert_eq!(used(&keys, days(2)), [2]);
    // Not all can have this one in time.
    let late = days(3) - HOUR - shown + 60;
    announce(&mut keys, late, key(3, days(3), days(12))).unwrap();
    assert_eq!(used(&keys, days(3) + HOUR - 1), [2]);
    assert_eq!(used(&keys, days(3) + HOUR), [3]);
    // Nor one whose beginning is put back.
    announce(&mut keys, days(5), key(4, days(4), days(13))).unwrap();
    assert_eq!(used(&keys, days(5) + shown + HOUR - 1), [3]);
    assert_eq!(used(&keys, days(5) + shown + HOUR), [4]);
}

/// A CPS could leave a gap on purpose: each client would begin with the key behind it at its
/// own fetch.
#[test]
fn behind_a_gap_nobody_uses_a_key_before_all_have_it() {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, DAY, key(1, DAY, 2 * DAY)).unwrap();
    let late = 3 * DAY;
    for mut keys in [keys, ObliviousKeys::of_a_part()] {
        let waiting = key(2, 2 * DAY, 9 * DAY);
        assert_eq!(keys.used_from(&waiting), None);
        announce(&mut keys, late, waiting).unwrap();
        let used_from = late + SHOWN_WITHIN.as_secs() + HOUR;
        assert_eq!(keys.used_from(&waiting), Some(UnixTime(used_from)));
        assert_eq!(used(&keys, late), [0; 0]);
        assert_eq!(used(&keys, used_from - 1), [0; 0]);
        assert_eq!(used(&keys, used_from), [2]);
    }
}

#[test]
fn the_first_key_of_a_log_is_used_at_once_with_those_of_other_kems_beside_it_and_no_later_one() {
    let of_kem = |kem_id, key| ObliviousKey { kem_id, ..key };
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, DAY, key(1, 600, 9 * DAY)).unwrap();
    announce(&mut keys, DAY, of_kem(0x647a, key(2, 600, 9 * DAY))).unwrap();
    assert_eq!(used(&keys, DAY), [1, 2]);
    // Another beginning, and another minute.
    announce(&mut keys, DAY, of_kem(0x10, key(3, 601, 9 * DAY))).unwrap();
    announce(&mut keys, DAY + 60, of_kem(0x11, key(4, 600, 9 * DAY))).unwrap();
    assert_eq!(used(&keys, DAY + HOUR), [1, 2]);
}

#[test]
fn a_seventeenth_key_is_refused_whatever_minute_its_cps_claims() {
    let sight = Sight {
        now: UnixTime(100),
        before: None,
    };
    let mut keys = ObliviousKeys::default();
    for number in 0..16 {
        let key = key(number, number.into(), DAY);
        keys.announce(minute(6_000), key, sight).unwrap();
    }
    let refused = keys.announce(minute(6_000), key(99, 99, 2 * DAY), sight);
    assert_eq!(refused, Err(ObliviousKeysError::TooMany));
}

/// Adds an announcement that says `claimed` to a log that was read at `before` without it, and
/// returns when its key is used.
fn used_from(
    claimed: u64,
    begins: u64,
    (before, now): (u64, u64),
) -> Result<u64, ObliviousKeysError> {
    let mut keys = ObliviousKeys::default();
    announce(&mut keys, 60, key(1, 0, 20 * DAY)).unwrap();
    let (now, before) = (UnixTime(now), Some(UnixTime(before)));
    let sight = Sight { now, before };
    keys.announce(minute(claimed), key(2, begins, 20 * DAY), sight)?;
    Ok(keys.known[1].used_from().0)
}

#[test]
fn an_announcement_that_was_not_there_when_it_says_is_a_contradiction() {
    let (now, minutes) = (9 * DAY, 60);
    let shown = SHOWN_WITHIN.as_secs();
    // Its key begins an hour ago, and so its lead would be over.
    let refused = used_from(now - 2 * HOUR, now - HOUR, (now - 30 * minutes, now));
    let expected = ObliviousKeysError::Backdated {
        key_config: KeyConfigDigest([2; 32]),
        minute: UnixTime(now - 2 * HOUR),
        read: UnixTime(now - 30 * minutes),
    };
    assert_eq!(refused, Err(expected));
    // So it is if its key begins later.
    let read = (now - 30 * minutes, now);
    assert!(used_from(now - 2 * HOUR, now + DAY, read).is_err());
    // Clocks may differ.
    assert!(used_from(now - shown - minutes, now, (now, now)).is_err());
    assert!(used_from(now - shown, now, (now, now)).is_ok());
    // A reading that lies ahead says nothing: the clock was wrong then.
    assert!(used_from(now - 2 * shown, now, (now + DAY, now)).is_ok());
}

#[test]
fn no_key_is_used_before_a_lead_after_the_log_was_read_without_it() {
    let (now, minutes) = (9 * DAY, 60);
    // Nothing was read for most of an hour.
    assert_eq!(
        used_from(now - minutes, now, (now - 59 * minutes, now)),
        Ok(now + HOUR + 9 * minutes)
    );
    for age in 0..59 {
        let read = now - age * minutes;
        for claimed in (0..120).map(|ago| now - ago * minutes) {
            for begins in [now - 5 * HOUR, now - HOUR, now, now + DAY] {
                if let Ok(used_from) = used_from(claimed, begins, (read, now)) {
                    let ahead = used_from == begins && claimed + HOUR < begins;
                    assert!(
                        ahead || used_from >= read + HOUR,
                        "{age} {claimed} {begins}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_announcement_that_came_late_harms_nobody_once_its_key_has_expired() {
    let claimed = 19 * DAY;
    let refused = used_from(claimed, DAY, (20 * DAY - 1, 20 * DAY - 1));
    assert!(refused.is_err(), "{refused:?}");
    used_from(claimed, DAY, (20 * DAY - 1, 20 * DAY)).unwrap();
}

#[test]
fn a_key_for_less_than_four_hours_is_refused() {
    let mut keys = ObliviousKeys::default();
    let refused = announce(&mut keys, 60, key(1, 600, 600 + SHORTEST - 1));
    let expected = ObliviousKeysError::TooShort(KeyConfigDigest([1; 32]));
    assert_eq!(refused, Err(expected));
    announce(&mut keys, 60, key(1, 600, 600 + SHORTEST)).unwrap();
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
    let mut keys = ObliviousKeys::of_a_part();
    assert!(keys.is_empty());
    announce(&mut keys, 60, key(1, 0, DAY)).unwrap();
    let json = serde_json::to_string(&keys).unwrap();
    assert_eq!(serde_json::from_str::<ObliviousKeys>(&json).unwrap(), keys);
    keys.known = vec![keys.known[0]; MAX_UNEXPIRED + 1];
    let many = serde_json::to_string(&keys).unwrap();
    let refused = serde_json::from_str::<ObliviousKeys>(&many).unwrap_err();
    assert!(
        refused.to_string().contains("17 oblivious keys"),
        "{refused}"
    );
}
