//! Signing by SIP, of calls that are not stored: the called number has no keys.

use pennyblack_tests::sip_caller;
use tokio::task::JoinSet;

use super::Extent;
use super::asking::caller;
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::report::number;

/// Not among the prefixes whose key records are at hand.
const CALLED: &str = "12129990100";

/// Turns, of which the spread is told, and the calls of each.
const TURNS: usize = 5;
const CALLS: usize = 5_000;

/// Calls that are made at once.
const AT_ONCE: usize = 32;

/// Room for all calls of the row: each is remembered for five seconds.
const ROOM: [&str; 2] = [
    "sip.limits.transactions=50000",
    "sip.limits.bytes=268435456",
];

pub(super) fn measure(extent: &Extent) -> Vec<Finding> {
    let calls = extent.of(CALLS);
    let wanted = Wanted {
        tokens: 1,
        settings: ROOM.map(str::to_owned).into(),
        ..Wanted::default()
    };
    let running = Running::start(extent, wanted);
    let mut speeds = Vec::new();
    let mut failed = 0;
    for turn in 0..TURNS {
        let before = running.gateway_time();
        failed += running.wait(turn_of(&running, turn * calls, calls));
        speeds.push(calls as f64 / (running.gateway_time() - before).as_secs_f64());
    }
    let speed = Spread::of(speeds);
    vec![
        Finding::measured(
            "calls signed a core, SIP over UDP, not stored",
            "not asked",
            Goal::AtLeast(1_000.0),
            Unit::PerSecond,
            speed,
        )
        .note(format!(
            "{} µs of the gateway's processor time a call, INVITE, 302, ACK; {failed} of {} \
             calls were not signed",
            number(1e6 / speed.median),
            TURNS * calls
        )),
    ]
}

/// Makes the calls, and returns how many were not signed.
async fn turn_of(running: &Running, first: usize, calls: usize) -> usize {
    let gateway = running.sip.sign;
    let mut callers = JoinSet::new();
    for place in 0..AT_ONCE {
        callers.spawn(async move {
            let mut failed = 0;
            for number in (first..first + calls).skip(place).step_by(AT_ONCE) {
                let signed = sip_caller::sign(gateway, &caller(number), CALLED).await;
                failed += usize::from(signed.is_none());
            }
            failed
        });
    }
    callers.join_all().await.into_iter().sum()
}
