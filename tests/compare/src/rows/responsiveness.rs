//! How long somebody else's request waits while the issuer signs.

use std::time::Duration;

use http::StatusCode;
use pennyblack_privacypass::directory::WELL_KNOWN_PATH;
use pennyblack_tests::process::Role;

use super::issuing::prepare;
use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::http_load::{paced, request};
use crate::latency::percentile;
use crate::machine;
use crate::pairs::Spread;
use crate::report::number;
use crate::services::Services;
use crate::setting::Setting;

/// Tokens in a request of the load.
const BATCH: usize = 16;
/// Requests for the directory in a turn, one a millisecond.
const PROBES: usize = 2_000;

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    // On all cores, as it is deployed; the senders take their share of them.
    machine::unpin();
    let services = Services::start(None);
    let probes = vec![request("GET", WELL_KNOWN_PATH, &[], &[]); setting.scaled(PROBES)];
    let length = Duration::from_millis(probes.len() as u64);
    let token = floors::rsa_private_operation(500);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Half of what all cores can sign.
    let interval = Duration::from_secs_f64(2.0 * token * BATCH as f64 / cores as f64);
    let draws = (length.as_secs_f64() / interval.as_secs_f64()) as usize;
    let issuer = services.target(Role::Issuer, StatusCode::OK);

    let probe = || paced(issuer, &probes, Duration::from_millis(1), 4);
    let mut idle = Vec::new();
    let mut busy = Vec::new();
    for _ in 0..setting.pairs {
        idle.push(percentile(services.wait(probe()), 99.0).as_secs_f64() * 1e3);
        let load = prepare(&services, draws, BATCH);
        let both = async { tokio::join!(probe(), paced(issuer, &load, interval, 8)) };
        let (latencies, _) = services.wait(both);
        busy.push(percentile(latencies, 99.0).as_secs_f64() * 1e3);
    }
    machine::pin(setting.cores.load);
    vec![
        Finding::measured(
            "p99 of another request while the issuer signs at 50 % load",
            "the same while it is idle",
            Goal::AtMost(2.0),
            Unit::Milliseconds,
            Spread::of(busy),
        )
        .note(format!(
            "idle {} ms; {cores} cores for the issuer and the senders together",
            number(Spread::of(idle).median)
        )),
    ]
}
