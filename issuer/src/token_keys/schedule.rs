//! When a token key begins, when its successor is announced and when it goes
//! (docs/protocol.md section 2, "Key life"). Pure: takes the times at which the
//! known keys begin, and the present time.

use std::time::Duration;

use pennyblack_attestation::MAX_CLOCK_SKEW;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::SHORTEST_EPOCH;

/// The lengths that decide; see `[token_keys]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySchedule {
    /// How long a key signs.
    pub epoch: Duration,
    /// How long before it signs a key is in the directory.
    pub announce_ahead: Duration,
}

/// What a key may sign at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPhase {
    /// It is the signing key, or is so by a clock that is a little off.
    Signs,
    /// It was the signing key before: only requests that were charged while it
    /// was are signed again, since their answers may have been lost.
    SignsAgain,
    /// It is announced and not yet in use, or gone.
    Silent,
}

impl KeySchedule {
    /// When the next key is to begin if the present one must not sign much longer,
    /// and none is announced: as soon as everybody can have heard of it.
    #[must_use]
    pub fn early_key(&self, starts: &[UnixTime], now: UnixTime) -> Option<UnixTime> {
        let current = current(starts, now)?;
        match starts.get(current + 1) {
            Some(_) => None,
            // Of a clock set back, the present key may not have begun.
            None => {
                let begun = starts.get(current).map_or(now, |start| now.max(*start));
                Some(begun.plus(self.announce_ahead))
            }
        }
    }

    /// When the next key is to begin, if one must be made now. `starts` are those
    /// of the known keys, earliest first.
    ///
    /// After a long standstill the next key begins late rather than unannounced:
    /// clients hold copies of the directory that do not have it.
    #[must_use]
    pub fn missing_key(&self, starts: &[UnixTime], now: UnixTime) -> Option<UnixTime> {
        let Some(current) = current(starts, now) else {
            return Some(now);
        };
        if starts.get(current + 1).is_some() {
            return None;
        }
        let end = starts.get(current)?.plus(self.epoch);
        let earliest = now.plus(self.announce_ahead);
        (end <= earliest).then_some(end.max(earliest))
    }

    /// How many keys, from the latest, are announced for a time so far ahead that
    /// only a clock gone wrong can have made them. While they stayed, no key would
    /// follow the present one for as long. When none has begun it is the present
    /// clock that is wrong, and no key is given up for it.
    #[must_use]
    pub fn misplaced(&self, starts: &[UnixTime], now: UnixTime) -> usize {
        if starts.first().is_none_or(|first| *first > now) {
            return 0;
        }
        let horizon = now.plus(self.epoch * 2);
        let announced = starts.len() - current(starts, now).map_or(0, |current| current + 1);
        let latest = starts.iter().rev().take(announced);
        latest.take_while(|start| **start > horizon).count()
    }

    /// When [`Self::missing_key`] or [`retired`] will next say something new.
    #[must_use]
    pub fn next_change(&self, starts: &[UnixTime], now: UnixTime) -> UnixTime {
        let Some(current) = current(starts, now) else {
            return now;
        };
        match (starts.get(current + 1), starts.get(current)) {
            (Some(next), _) => *next,
            (None, Some(start)) => start.plus(self.epoch).minus(self.announce_ahead),
            (None, None) => now,
        }
    }

    /// How long the present key goes on signing: what a subject without quota waits.
    #[must_use]
    pub fn rest_of_epoch(&self, starts: &[UnixTime], now: UnixTime) -> Duration {
        let Some(current) = current(starts, now) else {
            return Duration::ZERO;
        };
        let next = starts.get(current + 1).copied();
        let end = next.or_else(|| starts.get(current).map(|start| start.plus(self.epoch)));
        end.map_or(Duration::ZERO, |end| end.since(now))
    }
}

/// Which key is the signing key: the last that has begun. If none has, because
/// the clock was set back, the first.
fn current(starts: &[UnixTime], now: UnixTime) -> Option<usize> {
    let begun = starts.iter().take_while(|start| **start <= now).count();
    (!starts.is_empty()).then(|| begun.saturating_sub(1))
}

/// `start`, or the first time after it that is not close to any of `begins`: between the
/// beginnings of two keys in the log there is [`SHORTEST_EPOCH`], also if one of them was
/// lost before it began.
#[must_use]
pub fn clear_of(begins: &[UnixTime], start: UnixTime) -> UnixTime {
    let mut begins = begins.to_vec();
    begins.sort_unstable();
    begins.into_iter().fold(start, |start, begin| {
        let apart = start.since(begin).max(begin.since(start));
        match apart < SHORTEST_EPOCH {
            true => begin.plus(SHORTEST_EPOCH),
            false => start,
        }
    })
}

/// How many keys, from the earliest, are no longer redeemable: all but the
/// signing key and the one before it, and those that are announced.
#[must_use]
pub fn retired(starts: &[UnixTime], now: UnixTime) -> usize {
    current(starts, now).map_or(0, |current| current.saturating_sub(1))
}

/// What the key that is number `index` of `starts` may sign.
#[must_use]
pub fn phase(starts: &[UnixTime], index: usize, now: UnixTime) -> KeyPhase {
    let is_current_at = |time| current(starts, time) == Some(index);
    let a_little_off = [now, now.plus(MAX_CLOCK_SKEW), now.minus(MAX_CLOCK_SKEW)];
    if a_little_off.into_iter().any(is_current_at) {
        return KeyPhase::Signs;
    }
    match current(starts, now) {
        Some(current) if index + 1 == current => KeyPhase::SignsAgain,
        _ => KeyPhase::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const HOUR: u64 = 3_600;
    const SCHEDULE: KeySchedule = KeySchedule {
        epoch: Duration::from_secs(DAY),
        announce_ahead: Duration::from_secs(2 * HOUR),
    };

    fn times(seconds: &[u64]) -> Vec<UnixTime> {
        seconds.iter().copied().map(UnixTime).collect()
    }

    #[test]
    fn the_first_key_begins_at_once() {
        assert_eq!(SCHEDULE.missing_key(&[], UnixTime(5)), Some(UnixTime(5)));
    }

    #[test]
    fn the_next_key_is_announced_ahead_and_begins_when_the_present_one_ends() {
        let starts = times(&[0]);
        assert_eq!(SCHEDULE.missing_key(&starts, UnixTime(22 * HOUR - 1)), None);
        assert_eq!(
            SCHEDULE.next_change(&starts, UnixTime(0)),
            UnixTime(22 * HOUR)
        );
        assert_eq!(
            SCHEDULE.missing_key(&starts, UnixTime(22 * HOUR)),
            Some(UnixTime(DAY))
        );
        let starts = times(&[0, DAY]);
        assert_eq!(SCHEDULE.missing_key(&starts, UnixTime(23 * HOUR)), None);
        assert_eq!(
            SCHEDULE.next_change(&starts, UnixTime(23 * HOUR)),
            UnixTime(DAY)
        );
    }

    #[test]
    fn a_key_that_is_used_up_is_followed_early_but_not_unannounced() {
        let now = UnixTime(HOUR);
        let next = now.plus(SCHEDULE.announce_ahead);
        assert_eq!(SCHEDULE.early_key(&times(&[0]), now), Some(next));
        assert_eq!(SCHEDULE.early_key(&[UnixTime(0), next], now), None);
        assert_eq!(SCHEDULE.missing_key(&[UnixTime(0), next], next), None);
        assert_eq!(
            SCHEDULE.missing_key(&[UnixTime(0), next], next.plus(SCHEDULE.epoch)),
            Some(next.plus(SCHEDULE.epoch + SCHEDULE.announce_ahead))
        );
        assert_eq!(SCHEDULE.early_key(&[], now), None);
        // Not before the present one either, if the clock was set back.
        let next = SCHEDULE.early_key(&times(&[DAY]), now);
        assert_eq!(next, Some(UnixTime(DAY + 2 * HOUR)));
    }

    #[test]
    fn a_key_begins_well_apart_from_all_that_were_ever_announced() {
        let clear = |begins: &[u64], start| clear_of(&times(begins), UnixTime(start)).0;
        assert_eq!(clear(&[], DAY), DAY);
        assert_eq!(clear(&[0, 2 * DAY], DAY), DAY);
        // One was lost that was to begin a moment before, at once, or soon.
        for lost in [DAY - 1, DAY, DAY + 1] {
            assert_eq!(clear(&[0, lost], DAY), lost + 1_200);
        }
        assert_eq!(clear(&[DAY + 1_800, DAY], DAY + 5), DAY + 3_000);
        assert_eq!(clear(&[DAY - 1_200, DAY + 1_200], DAY), DAY);
    }

    #[test]
    fn after_a_standstill_the_next_key_is_still_announced_in_time() {
        let now = UnixTime(10 * DAY);
        let next = SCHEDULE.missing_key(&times(&[0]), now);
        assert_eq!(next, Some(now.plus(SCHEDULE.announce_ahead)));
    }

    #[test]
    fn the_previous_key_stays_for_one_epoch_and_no_longer() {
        let starts = times(&[0, DAY, 2 * DAY]);
        assert_eq!(retired(&starts, UnixTime(DAY)), 0);
        assert_eq!(retired(&starts, UnixTime(2 * DAY - 1)), 0);
        assert_eq!(retired(&starts, UnixTime(2 * DAY)), 1);
    }

    #[test]
    fn one_key_signs_and_around_a_change_two_do_for_clocks_that_are_off() {
        let starts = times(&[0, DAY, 2 * DAY]);
        let all = |now| [0, 1, 2].map(|index| phase(&starts, index, UnixTime(now)));
        use KeyPhase::{Signs, SignsAgain, Silent};
        assert_eq!(all(HOUR), [Signs, Silent, Silent]);
        assert_eq!(all(DAY - 31), [Signs, Silent, Silent]);
        assert_eq!(all(DAY - 30), [Signs, Signs, Silent]);
        assert_eq!(all(DAY + 29), [Signs, Signs, Silent]);
        assert_eq!(all(DAY + 31), [SignsAgain, Signs, Silent]);
        assert_eq!(all(2 * DAY + 31), [Silent, SignsAgain, Signs]);
    }

    #[test]
    fn a_clock_set_back_before_the_first_key_uses_the_first() {
        let starts = times(&[DAY, 2 * DAY]);
        assert_eq!(phase(&starts, 0, UnixTime(5)), KeyPhase::Signs);
        assert_eq!(retired(&starts, UnixTime(5)), 0);
        assert_eq!(SCHEDULE.missing_key(&starts, UnixTime(5)), None);
    }

    #[test]
    fn a_key_made_by_a_clock_far_ahead_does_not_stop_the_rotation() {
        let year = 365 * DAY;
        let misplaced = |starts: &[u64], now| SCHEDULE.misplaced(&times(starts), UnixTime(now));
        assert_eq!(misplaced(&[0, 10 * year], HOUR), 1);
        assert_eq!(misplaced(&[0, DAY], HOUR), 0);
        // Set back by an hour, or before the first key: nothing is given up.
        assert_eq!(misplaced(&[0, DAY], 21 * HOUR), 0);
        assert_eq!(misplaced(&[10 * year], HOUR), 0);
        assert_eq!(
            misplaced(&[10 * year, 10 * year + DAY, 10 * year + 2 * DAY], 5),
            0
        );
        assert_eq!(misplaced(&[], HOUR), 0);
    }

    #[test]
    fn a_subject_without_quota_waits_for_the_end_of_the_epoch() {
        let rest = |starts: &[u64], now| SCHEDULE.rest_of_epoch(&times(starts), UnixTime(now));
        assert_eq!(rest(&[0], HOUR), Duration::from_secs(23 * HOUR));
        assert_eq!(rest(&[0, 2 * DAY], HOUR), Duration::from_secs(47 * HOUR));
    }
}
