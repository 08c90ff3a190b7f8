//! A CPS that is stopped, and one that accepts connections and says nothing: calls go on, in
//! time.

use futures_util::future::join;
use pennyblack_tests::gateway_scene::GatewayScene;

use super::Extent;
use super::asking::{Answered, By, Switch, by_timetable, caller, how_many, wait_of};
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::report::number;

/// Calls that leave, and as many that arrive, for each way to ask.
const CALLS: usize = 1_000;

/// `signing.deadline` and `verify.deadline`, and what the gateway may take besides, in
/// milliseconds.
const SIGNING: f64 = 250.0 + 50.0;
const VERIFYING: f64 = 300.0 + 50.0;

pub(super) fn stopped(extent: &Extent) -> Vec<Finding> {
    measure(extent, "stopped", async |scene| {
        let cps = scene.cps.take();
        cps.unwrap().stop().await;
    })
}

pub(super) fn silent(extent: &Extent) -> Vec<Finding> {
    // The kernel accepts connections for a process that does not run.
    measure(extent, "silent", async |scene| {
        scene.cps.as_ref().unwrap().freeze();
    })
}

fn measure(
    extent: &Extent,
    cps: &'static str,
    goes: impl AsyncFnOnce(&mut GatewayScene),
) -> Vec<Finding> {
    let calls = extent.of(CALLS);
    let wanted = Wanted {
        tokens: 2 * calls + 64,
        ..Wanted::default()
    };
    let mut running = Running::start(extent, wanted);
    running.wait_with(goes);
    let mut findings = Vec::new();
    let mut all = Vec::new();
    for (turn, by) in [By::Http, By::Sip].into_iter().enumerate() {
        let (signed, verified) = asked(&running, by, calls, turn);
        for (what, most, answers) in [("sign", SIGNING, &signed), ("verify", VERIFYING, &verified)]
        {
            let of = |percent| wait_of(answers, percent);
            let (name, goal) = (by.name(), Goal::AtMost(most));
            let value = Spread::once(of(99.0));
            let note = format!(
                "{what}, {name}: p50 {} ms, longest {} ms",
                number(of(50.0)),
                number(of(100.0))
            );
            let what = format!("{what}, p99, {name}");
            let finding = Finding::measured(what, cps, goal, Unit::Milliseconds, value);
            findings.push(finding.note(note));
        }
        all.push((signed, verified));
    }
    findings.extend(promises(cps, &all));
    findings
}

/// Calls that leave and calls that arrive, by the same timetable.
fn asked(running: &Running, by: By, calls: usize, turn: usize) -> (Vec<Answered>, Vec<Answered>) {
    let switch = Switch::of(running, by);
    let first = turn * 2 * calls;
    let answers = running.wait(by_timetable(calls, |number, due| {
        let switch = switch.clone();
        async move {
            let (leaves, arrives) = (caller(first + number), caller(first + calls + number));
            join(switch.signs(&leaves, due), switch.verifies(&arrives, due)).await
        }
    }));
    answers.into_iter().unzip()
}

/// No error, no call without its answer, and none that passes.
fn promises(cps: &'static str, all: &[(Vec<Answered>, Vec<Answered>)]) -> Vec<Finding> {
    let none = |what: &str, value: usize| {
        let value = Spread::once(value as f64);
        Finding::measured(what, cps, Goal::AtMost(0.0), Unit::Count, value)
    };
    let count = |answers: &[Answered], is: fn(&Answered) -> bool| how_many(answers, is);
    let is_error = |answer: &Answered| answer.status == 0 || answer.status >= 500;
    let (mut errors, mut incomplete, mut passed, mut calls) = (0, 0, 0, 0);
    for (signed, verified) in all {
        errors += count(signed, is_error) + count(verified, is_error);
        incomplete += count(signed, |answer| !answer.is_whole);
        incomplete += count(verified, |answer| !answer.is_whole);
        passed += count(verified, |answer| answer.is_good);
        calls += signed.len() + verified.len();
    }
    vec![
        none("answers 5xx, or none", errors).note(format!("of {calls}, half of them by SIP")),
        none("calls without an Identity or a verdict", incomplete),
        none("calls that passed", passed),
    ]
}
