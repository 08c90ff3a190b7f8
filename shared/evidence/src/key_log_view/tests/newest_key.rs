//! Which key of a log may be drawn of.

use std::time::Duration;

use super::*;

const DAY: u64 = 86_400;
const NOW: UnixTime = UnixTime(1_800_000_000);
const MINUTE: u64 = 60;

/// The key of this number, beginning so many seconds after [`NOW`].
fn key_at(number: u16, offset: i64) -> DirectoryKey {
    let not_before = Some(UnixTime(NOW.0.saturating_add_signed(offset)));
    DirectoryKey {
        not_before,
        ..key(number)
    }
}

fn announced(listed: &DirectoryKey) -> Vec<u8> {
    statement(Statement::TokenKeyAnnounced {
        key: TokenKey::parse(listed.token_type, &listed.encoded).unwrap(),
        not_before: listed.not_before.unwrap(),
    })
}

fn total(listed: &DirectoryKey, issued: u64) -> Vec<u8> {
    statement(Statement::IssuanceTotal {
        token_key_id: listed.id(),
        issued,
    })
}

fn statement(statement: Statement) -> Vec<u8> {
    let minute = Minute::of(NOW);
    LogEntry { minute, statement }.to_bytes()
}

/// A log with these entries.
fn log(entries: Vec<Vec<u8>>) -> Served {
    let mut served = Served::with(0..0);
    served.entries = entries;
    served
}

fn seen(served: &Served, memory: Option<KeyLogView>, now: UnixTime) -> KeyLogView {
    let view = served.follow_at(&LogPolicy::default(), memory, now);
    view.unwrap().unwrap()
}

fn view_of(keys: &[DirectoryKey]) -> KeyLogView {
    seen(&log(keys.iter().map(announced).collect()), None, NOW)
}

fn judge(view: &KeyLogView, key: &DirectoryKey, offset: i64) -> Result<(), KeyNotNewest> {
    let now = UnixTime(NOW.0.saturating_add_signed(offset));
    view.require_newest(key, None, now)
}

fn is_superseded(judged: &Result<(), KeyNotNewest>) -> bool {
    matches!(judged, Err(KeyNotNewest::Superseded { .. }))
}

#[test]
fn the_newest_key_that_has_begun_is_drawn_of_and_for_a_minute_the_one_before() {
    let keys = [key_at(1, -86_400), key_at(2, 0), key_at(3, 86_400)];
    let view = view_of(&keys);
    judge(&view, &keys[0], -1).unwrap();
    for offset in [0, 59] {
        judge(&view, &keys[0], offset).unwrap();
        judge(&view, &keys[1], offset).unwrap();
    }
    let judged = judge(&view, &keys[0], 60);
    assert!(is_superseded(&judged), "{judged:?}");
    let said = judged.unwrap_err().to_string();
    assert!(said.contains(&keys[1].id().to_string()), "{said}");
    judge(&view, &keys[1], 60).unwrap();
    judge(&view, &keys[2], 86_400).unwrap();
}

#[test]
fn keys_that_begin_close_to_each_other_are_not_drawn_of() {
    for apart in [0, 1, 19 * 60 + 59] {
        let keys = [key_at(1, -86_400), key_at(2, 0), key_at(3, apart)];
        let view = view_of(&keys);
        judge(&view, &keys[0], -1).unwrap();
        for (key, offset) in [(&keys[1], 0), (&keys[2], apart)] {
            let judged = judge(&view, key, offset);
            assert!(
                matches!(judged, Err(KeyNotNewest::TooClose { .. })),
                "{apart}: {judged:?}"
            );
        }
    }
    let keys = [key_at(1, -86_400), key_at(2, 0), key_at(3, 20 * 60)];
    let view = view_of(&keys);
    judge(&view, &keys[1], 0).unwrap();
    judge(&view, &keys[2], 20 * 60).unwrap();
}

#[test]
fn a_key_that_the_issuer_gave_up_unused_stands_in_nobodys_way() {
    let (used, given_up) = (key_at(1, -86_400), key_at(2, 0));
    let next = key_at(3, 60);
    let keys = [&used, &given_up, &next];
    let with = |issued| {
        let mut entries: Vec<_> = keys.iter().map(|key| announced(key)).collect();
        entries.push(total(&given_up, issued));
        seen(&log(entries), None, NOW)
    };
    judge(&with(0), &used, 59).unwrap();
    // Nothing else has begun a minute ago.
    judge(&with(0), &used, 100).unwrap();
    judge(&with(0), &next, 60).unwrap();
    // What was signed once could be somebody's.
    let judged = judge(&with(1), &used, 100);
    assert!(is_superseded(&judged), "{judged:?}");
    // And the key itself is not drawn of.
    let judged = judge(&with(0), &given_up, 1);
    assert!(judged.is_err());
}

#[test]
fn a_key_that_comes_into_the_log_late_is_drawn_of_when_others_can_have_seen_it() {
    let old = key_at(1, -86_400);
    let mut served = log(vec![announced(&old)]);
    let before = seen(&served, None, NOW);
    // Announced after it began, or a minute before.
    for begins in [-3_600, 0, 60] {
        let late = key_at(2, begins);
        served.entries = vec![announced(&old), announced(&late)];
        let view = seen(&served, Some(before.clone()), NOW.plus(SHORTEST_EPOCH));
        let now = 20 * 60;
        let judged = judge(&view, &late, now);
        let until = NOW.plus(2 * SHORTEST_EPOCH);
        let expected = KeyNotNewest::Late {
            key: late.id(),
            until,
        };
        assert_eq!(judged, Err(expected));
        assert!(is_superseded(&judge(&view, &old, now)));
        // It is remembered, and looking again does not prolong it.
        let view = KeyLogView::from_json(&view.to_json().unwrap()).unwrap();
        let view = seen(&served, Some(view), until.minus(Duration::from_secs(1)));
        assert!(judge(&view, &late, now + 20 * 60 - 1).is_err());
        judge(&view, &late, now + 20 * 60).unwrap();
        // One that was not there meanwhile draws.
        judge(&seen(&served, None, NOW), &late, now).unwrap();
    }
    // Announced in time, seen at the next look.
    let next = key_at(3, 20 * 60);
    served.entries = vec![announced(&old), announced(&next)];
    let view = seen(&served, Some(before), NOW.plus(SHORTEST_EPOCH));
    judge(&view, &next, 20 * 60).unwrap();
}

#[test]
fn a_clock_that_was_a_year_ahead_costs_twenty_minutes_when_it_is_set_right() {
    let (old, late) = (key_at(1, -86_400), key_at(2, 0));
    let a_year_ahead = NOW.plus(Duration::from_secs(365 * DAY));
    let mut served = log(vec![announced(&old)]);
    let mistaken = seen(&served, None, a_year_ahead);
    served.entries.push(announced(&late));
    // Seen while the clock was wrong, or first when it is right.
    for memory in [
        seen(&served, Some(mistaken.clone()), a_year_ahead),
        mistaken,
    ] {
        let view = seen(&served, Some(memory), NOW);
        assert!(judge(&view, &late, 20 * 60 - 1).is_err());
        judge(&view, &late, 20 * 60).unwrap();
    }
}

#[test]
fn a_reader_that_was_away_draws_of_keys_that_it_has_never_seen() {
    let keys = [key_at(1, -5 * 86_400), key_at(2, -86_400), key_at(3, 0)];
    let mut served = log(vec![announced(&keys[0])]);
    let before = seen(&served, None, NOW.minus(Duration::from_secs(4 * DAY)));
    served.entries = keys.iter().map(announced).collect();
    let view = seen(&served, Some(before), NOW.plus(SHORTEST_EPOCH));
    judge(&view, &keys[2], 20 * 60).unwrap();
}

#[test]
fn a_key_is_over_when_two_have_followed_or_its_total_is_stated() {
    let keys = [key_at(1, -86_400), key_at(2, 0), key_at(3, 86_400)];
    let view = view_of(&keys);
    let at = |offset: u64| NOW.plus(Duration::from_secs(offset));
    assert!(!view.is_over(keys[0].id(), at(DAY + MINUTE - 1)));
    assert!(view.is_over(keys[0].id(), at(DAY + MINUTE)));
    assert!(!view.is_over(keys[1].id(), at(9 * DAY)));
    assert!(!view.is_over(key(9).id(), at(9 * DAY)));
    let ended = vec![announced(&keys[0]), announced(&keys[1]), total(&keys[0], 7)];
    let view = seen(&log(ended), None, NOW);
    assert!(view.is_over(keys[0].id(), NOW));
    let judged = judge(&view, &keys[0], -1);
    assert_eq!(judged, Err(KeyNotNewest::Ended(keys[0].id())));
}

#[test]
fn a_key_whose_successor_is_overdue_is_not_drawn_of_if_epochs_are_known() {
    let only = key_at(1, 0);
    let view = view_of(std::slice::from_ref(&only));
    let day = Some(Duration::from_secs(DAY));
    let at = |offset| NOW.plus(Duration::from_secs(offset));
    view.require_newest(&only, day, at(DAY + MINUTE)).unwrap();
    let overdue = view.require_newest(&only, day, at(DAY + MINUTE + 1));
    assert!(matches!(overdue, Err(KeyNotNewest::Overdue { .. })));
    view.require_newest(&only, None, at(9 * DAY)).unwrap();
}
