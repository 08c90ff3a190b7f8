//! Starting a CPS that has key records: with the log that has published them, and with an
//! empty log in its place, which is what a start was before there was one.

use std::os::unix::fs::symlink;
use std::thread;
use std::time::Instant;

use pennyblack_cps::{Config, Cps};
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::world::World;
use tokio::runtime::Runtime;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use crate::finding::Unit;
use crate::machine;
use crate::setting::Setting;

const TURNS: usize = 3;
/// Most that the log may add to a start, in percent.
const ADDED: f64 = 20.0;

/// The files of a CPS that was killed.
pub(super) struct Stopped {
    config: Config,
    /// Whose temporary directory they are in.
    _world: World,
}

impl Stopped {
    pub(super) fn of(world: World) -> Self {
        Self {
            config: world.cps.clone(),
            _world: world,
        }
    }

    /// Seconds until it accepts connections.
    fn start(&self, runtime: &Runtime) -> f64 {
        seconds_to_start(self.config.clone(), runtime)
    }

    /// The same with its key records alone, in a directory where it makes the log anew.
    fn start_without_log(&self, runtime: &Runtime) -> f64 {
        let (home, mut config) = (tempfile::tempdir().unwrap(), self.config.clone());
        let keys = config.cps.data_directory.join("keys");
        symlink(keys, home.path().join("keys")).unwrap();
        config.cps.data_directory = home.path().to_owned();
        seconds_to_start(config, runtime)
    }
}

fn seconds_to_start(config: Config, runtime: &Runtime) -> f64 {
    runtime.block_on(async {
        let begin = Instant::now();
        let service = Cps::start(config, Clock::system()).await;
        let seconds = begin.elapsed().as_secs_f64();
        service.unwrap().stop().await;
        seconds
    })
}

/// In this process, which may use every core meanwhile.
pub(super) fn measure(setting: &Setting, mut scenes: Vec<(f64, Stopped)>) -> [Curve; 2] {
    let starting = || {
        machine::unpin();
        let runtime = Runtime::new().unwrap();
        by_turns(setting.pairs.min(TURNS), &mut scenes, |stopped| {
            let with = stopped.start(&runtime);
            let without = stopped.start_without_log(&runtime);
            [with, without, (with / without - 1.0) * 100.0]
        })
    };
    let starts = thread::scope(|scope| scope.spawn(starting).join());
    let [with, without, added] = starts.unwrap();
    let linear = |name: &str, samples| Series::new(name, Expectation::Linear(SLACK), samples);
    [
        Curve {
            name: "key-feed-restart",
            title: "Starting a CPS with key records",
            growing: "key records",
            cost: "time until it accepts connections",
            unit: Unit::Seconds,
            series: vec![
                linear("with their log", with),
                linear("with an empty log", without),
            ],
        },
        Curve {
            name: "key-feed-restart-log",
            title: "What the log of key records adds to a start",
            growing: "key records",
            cost: "of a start without it",
            unit: Unit::Percent,
            series: vec![Series::new("the log", Expectation::AtMost(ADDED), added)],
        },
    ]
}
