//! Connections that are kept alive without a request: what a request on another one
//! costs, and how long it takes.

use std::time::Duration;

use http::StatusCode;
use pennyblack_tests::process::Role;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use crate::finding::Unit;
use crate::http_load::{CONNECTIONS, Idle, Target, closed_loop, idle, paced, request};
use crate::latency::percentile;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

const SIZES: [usize; 3] = [40, 400, 4_000];
/// Polls in a turn as fast as they are answered.
const POLLS: usize = 2_000;
/// Polls in a turn one a millisecond: a tenth of what a core can do.
const PACED: usize = 1_000;
/// Longer than the measurement.
const HOUR: Duration = Duration::from_secs(3_600);

/// A CPS with so many idle connections.
struct Scene {
    services: Services,
    polls: Vec<u8>,
    idle: Vec<Idle>,
}

impl Scene {
    fn open(setting: &Setting, connections: usize) -> Self {
        let services = Services::start_in(Some(setting.cores.service), |world| {
            world.cps.public.limits.connections = 2 * SIZES[2];
            world.cps.public.limits.idle = HOUR;
        });
        let mailbox = services.wait(services.world.mailbox());
        let path = format!("/v1/mailboxes/{}?slots=16&after=0", mailbox.id());
        let poll = request("GET", &path, &[], &[]);
        let target = services.target(Role::Cps, StatusCode::OK);
        let idle = services.wait(idle(target, connections, &poll));
        Self {
            services,
            polls: poll,
            idle,
        }
    }

    fn target(&self) -> Target {
        self.services.target(Role::Cps, StatusCode::OK)
    }

    /// Microseconds of processor time for a poll.
    fn cost(&self, polls: usize) -> f64 {
        let requests = vec![self.polls.clone(); polls];
        let poll = || {
            let sent = closed_loop(self.target(), CONNECTIONS, &requests);
            self.services.wait(sent);
        };
        cpu_per_item(|| self.services.cpu_time(Role::Cps), polls, poll) * 1e6
    }

    /// How long polls take that come one a millisecond: the median and the 99th
    /// percentile, in milliseconds.
    fn latency(&self, polls: usize) -> [f64; 2] {
        let requests = vec![self.polls.clone(); polls];
        let every = Duration::from_millis(1);
        let took = self
            .services
            .wait(paced(self.target(), &requests, every, 4));
        [50.0, 99.0].map(|percent| percentile(took.clone(), percent).as_secs_f64() * 1e3)
    }

    /// Every idle connection is open still.
    fn check(&mut self) {
        for connection in &mut self.idle {
            self.services.wait(connection.exchange(&self.polls));
        }
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let mut scenes = SIZES.map(|size| (size as f64, Scene::open(setting, size)));
    let (polls, slow) = (setting.scaled(POLLS), setting.scaled(PACED));
    let [cost] = by_turns(setting.pairs, &mut scenes, |scene| [scene.cost(polls)]);
    let [median, p99] = by_turns(setting.pairs, &mut scenes, |scene| scene.latency(slow));
    for (_, scene) in &mut scenes {
        scene.check();
    }
    let flat = |name: &str, samples| Series::new(name, Expectation::Flat(SLACK), samples);
    let growing = "idle connections that are kept alive";
    vec![
        Curve {
            name: "connections-cost",
            title: "A poll beside idle connections",
            growing,
            cost: "processor time of the CPS for a poll",
            unit: Unit::Microseconds,
            series: vec![flat("a poll", cost)],
        },
        Curve {
            name: "connections-latency",
            title: "How long a poll takes beside idle connections",
            growing,
            cost: "from when it was due, a thousand a second",
            unit: Unit::Milliseconds,
            series: vec![flat("p50", median), flat("p99", p99)],
        },
    ]
}
