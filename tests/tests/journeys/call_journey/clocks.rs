//! An OOB-AS whose clock is off: requests that the CPS may refuse are not signed.

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{KeyLookup, OobAuthenticationError, SecondAttempt};
use pennyblack_tests::meddler::{Meddler, answer};

use super::scene::{Scene, number};
use super::{CALLEE, NOW, QUICK};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The `Date` of a service whose clock is so many seconds ahead of this machine's.
fn date(ahead: i64) -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let time = UnixTime(seconds.saturating_add_signed(ahead)).to_string();
    let (year, month, day, hours) = (&time[..4], &time[5..7], &time[8..10], &time[11..19]);
    let month = MONTHS[month.parse::<usize>().unwrap() - 1];
    format!("date: {day} {month} {year} {hours} GMT")
}

/// The same answer by a clock so far ahead.
fn dated(honest: &[u8], ahead: i64) -> Vec<u8> {
    let end = honest.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, content) = honest.split_at(end.unwrap());
    let head = String::from_utf8_lossy(head);
    let lines = head.split("\r\n").map(|line| match line.get(..5) {
        Some(name) if name.eq_ignore_ascii_case("date:") => date(ahead),
        _ => line.to_owned(),
    });
    let mut changed = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
    changed.extend(content);
    changed
}

#[tokio::test]
async fn a_clock_that_the_cps_would_refuse_costs_no_token_once_it_is_seen() {
    let scene = Scene::set(4).await;
    let cps = Meddler::start(Some(scene.address()), |_, honest| honest);
    let cps = cps.await.unwrap();
    // 31 s are within what a Date can be off. A CPS takes a `created` of 120 s ago, and a
    // clock that is 90 s behind signs one by rounding.
    for (ahead, spends) in [(0, 1), (29, 1), (85, 1), (-40, 0), (95, 0), (-600, 0)] {
        cps.turn_to(move |_, honest| dated(&honest, ahead));
        let before = scene.tokens();
        let placed = scene.place_call(cps.address(), QUICK).await;
        assert_eq!(before - scene.tokens(), spends, "{ahead}: {placed:?}");
        match (spends, placed) {
            (1, Ok(1)) | (0, Err(OobAuthenticationError::Clock(_))) => {}
            (_, other) => panic!("{ahead}: {other:?}"),
        }
    }
    assert_eq!(cps.asked("/v1/passports"), 3);
    assert!(scene.wallet.outbox().unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn at_a_cps_that_was_not_asked_before_it_costs_one_token_and_not_each() {
    let scene = Scene::set(4).await;
    let honest = scene.federation.caller(scene.address(), QUICK).unwrap();
    let found = honest
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await
        .unwrap();
    let cps = Meddler::start(None, |_, _| {
        dated(&answer("401 Unauthorized\r\ndate: -", "{}"), -40)
    });
    let cps = cps.await.unwrap();
    let caller = scene.federation.caller(cps.address(), QUICK).unwrap();
    for turn in 0..3 {
        let second = SecondAttempt::default();
        let passport = scene.passport();
        let stored = caller.store(&scene.wallet, &passport, &found.keys[0], &second, NOW);
        let stored = stored.await.unwrap_err();
        let is_spent = matches!(stored, OobAuthenticationError::Refused { .. });
        assert_eq!(is_spent, turn == 0, "{stored}");
        assert_eq!(scene.tokens(), 3);
    }
    assert_eq!(cps.asked("/v1/passports"), 1);
    scene.end().await;
}
