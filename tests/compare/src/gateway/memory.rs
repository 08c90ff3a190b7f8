//! The memory of the gateway over ten minutes of calls, after five in which its tables fill.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Extent;
use super::asking::{By, RATE, Switch, by_timetable, caller};
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::machine::{resident, threads};
use crate::pairs::Spread;
use crate::report::number;

/// Ten minutes after the first five.
const MINUTES: usize = 15;

/// By then, whatever is remembered for some minutes is there.
const WARM: usize = 5;

/// How much more it may be at the end, in parts of a hundred: what an allocator's pages take.
const FLAT: f64 = 5.0;

/// From the signing of a call until it is verified.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

pub(super) fn measure(extent: &Extent) -> Vec<Finding> {
    let minutes = if extent.quick { WARM + 1 } else { MINUTES };
    let calls = minutes * 60 * RATE as usize;
    let wanted = Wanted {
        tokens: calls + 64,
        ..Wanted::default()
    };
    let running = Running::start(extent, wanted);
    let switch = Switch::of(&running, By::Http);
    let process = running.scene.gateway.id();
    let began = resident(process);
    let watched = async {
        let start = Instant::now();
        let mut minute_by_minute = Vec::new();
        for minute in 0..minutes {
            let mut sizes = Vec::new();
            for second in 0..60 {
                let passed = Duration::from_secs(60 * minute as u64 + second + 1);
                sleep_until(start + passed).await;
                sizes.push(resident(process));
            }
            minute_by_minute.push((Spread::of(sizes).median, threads(process)));
        }
        minute_by_minute
    };
    let load = by_timetable(calls, |number, due| {
        let (switch, caller) = (switch.clone(), caller(number));
        async move {
            switch.signs(&caller, due).await;
            let due = due + ON_ITS_WAY;
            sleep_until(due).await;
            switch.verifies(&caller, due).await.is_good
        }
    });
    let (sizes, passed) = running.wait(async { tokio::join!(watched, load) });
    let passed = passed.into_iter().filter(|passed| *passed).count();
    let (warm, last) = (sizes[WARM - 1].0, sizes[minutes - 1].0);
    let megabytes = |size: f64| number(size / 1e6);
    let each = sizes
        .iter()
        .map(|(size, threads)| format!("{} ({threads})", megabytes(*size)));
    let each: Vec<_> = each.collect();
    vec![
        Finding::measured(
            format!("growth of memory, minute {WARM} to {minutes}"),
            "alive",
            Goal::AtMost(FLAT),
            Unit::Percent,
            Spread::once((last - warm) / warm * 100.0),
        )
        .note(format!(
            "resident MB, median of each minute, and threads at its end: {}; {} MB before the \
             first call; {calls} calls, {passed} of them passed",
            each.join(", "),
            megabytes(began),
        )),
    ]
}
