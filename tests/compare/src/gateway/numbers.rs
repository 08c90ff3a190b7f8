//! No telephone number in anything that the gateway writes by default.

use pennyblack_tests::gateway_numbers::{make_calls, needles, written};

use super::Extent;
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;

pub(super) fn measure(extent: &Extent) -> Vec<Finding> {
    let wanted = Wanted {
        tokens: 16,
        ..Wanted::default()
    };
    let running = Running::start(extent, wanted);
    let (scene, sip) = (&running.scene, running.sip);
    let written = running.wait(async {
        let calls = make_calls(scene, sip).await;
        // Again, with nobody behind the gateway.
        scene.cps.as_ref().unwrap().freeze();
        let calls = calls + make_calls(scene, sip).await;
        written(scene, calls).await
    });
    let found = needles().found_in(&written);
    vec![
        Finding::measured(
            "telephone numbers in log lines, lines of calls and metrics",
            "alive, silent",
            Goal::AtMost(0.0),
            Unit::Count,
            Spread::once(found.len() as f64),
        )
        .note(format!(
            "{} bytes were searched for three numbers: as digits, in hexadecimal, in base64",
            written.len()
        )),
    ]
}
