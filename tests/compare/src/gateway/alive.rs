//! Fifty calls a second with everything alive: each is signed, sealed, paid for and stored,
//! and a second later, when it has reached the other network, verified.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Extent;
use super::asking::{By, RATE, Switch, by_timetable, caller, how_many, wait_of};
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::report::number;

/// A minute of calls.
const CALLS: usize = 3_000;

/// From the signing of a call until it is verified.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// How long it is watched what following a mailbox alone costs.
const IDLE: u64 = 5;

pub(super) fn over_http(extent: &Extent) -> Vec<Finding> {
    measure(extent, By::Http)
}

pub(super) fn by_sip(extent: &Extent) -> Vec<Finding> {
    measure(extent, By::Sip)
}

fn measure(extent: &Extent, by: By) -> Vec<Finding> {
    let calls = extent.of(CALLS);
    let wanted = Wanted {
        tokens: calls + 64,
        ..Wanted::default()
    };
    let running = Running::start(extent, wanted);
    let switch = Switch::of(&running, by);
    let resting = running.gateway_time();
    running.wait(async { sleep(Duration::from_secs(IDLE)).await });
    let resting = running.gateway_time() - resting;

    let (began, gateway, cps) = (Instant::now(), running.gateway_time(), running.cps_time());
    let answers = running.wait(by_timetable(calls, |number, due| {
        let (switch, caller) = (switch.clone(), caller(number));
        async move {
            let signed = switch.signs(&caller, due).await;
            let due = due + ON_ITS_WAY;
            sleep_until(due).await;
            (signed, switch.verifies(&caller, due).await)
        }
    }));
    let took = began.elapsed();
    let (gateway, cps) = (running.gateway_time() - gateway, running.cps_time() - cps);
    let (signed, verified): (Vec<_>, Vec<_>) = answers.into_iter().unzip();

    let line = |what: &str, most, value| {
        let what = format!("{what}, {}", by.name());
        let goal = Goal::AtMost(most);
        Finding::measured(what, "alive", goal, Unit::Milliseconds, Spread::once(value))
    };
    let share = |time: Duration, of: f64| time.as_secs_f64() / of * 100.0;
    let cost = share(gateway, took.as_secs_f64());
    let a_call = gateway.as_secs_f64() * 1e3 / calls as f64;
    let stored = running.count("pennyblack_gateway_copies_total{result=\"in-time\"}");
    vec![
        line("sign + store, p50", 15.0, wait_of(&signed, 50.0)).note(format!(
            "{} of {calls} calls were signed, {stored} were stored before the answer, {} \
             passed; {RATE} began each second",
            how_many(&signed, |answer| answer.is_whole),
            how_many(&verified, |answer| answer.is_good),
        )),
        line("sign + store, p99", 60.0, wait_of(&signed, 99.0)),
        line("verify, hit, p99", 10.0, wait_of(&verified, 99.0)).note(format!(
            "verify, hit: p50 {} ms",
            number(wait_of(&verified, 50.0))
        )),
        Finding::measured(
            format!("gateway, all of {RATE} calls a second, {}", by.name()),
            "alive",
            Goal::AtMost(25.0),
            Unit::Percent,
            Spread::once(cost),
        )
        .note(format!(
            "of a core: {} ms of processor time a call; {} % without calls, for following one \
             mailbox; the CPS takes {} %",
            number(a_call),
            number(share(resting, IDLE as f64)),
            number(share(cps, took.as_secs_f64())),
        )),
    ]
}
