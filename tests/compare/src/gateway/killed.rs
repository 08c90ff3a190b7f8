//! The gateway is killed (SIGKILL) under load, again and again.

use std::time::Duration;

use pennyblack_tests::gateway_load::{Books, Claims, Plan};
use pennyblack_tests::gateway_scene::WALLET;

use super::Extent;
use super::scene::{Running, Wanted};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;
use crate::report::number;

/// Rounds; in each it is killed twice.
const ROUNDS: usize = 10;

/// Calls of a round; those that are under way when it dies go on at the next start.
const LOAD: Plan = Plan {
    first: 0,
    calls: 200,
    before: 100,
};

/// Most calls of a round that are verified.
const CLAIMS: usize = 64;

/// What the rounds came to.
#[derive(Default)]
struct Seen {
    ready: Vec<Duration>,
    twice: usize,
    claims: usize,
    broken: usize,
}

pub(super) fn measure(extent: &Extent) -> Vec<Finding> {
    let rounds = extent.of(ROUNDS).max(2);
    let tokens = rounds * LOAD.calls;
    let wanted = Wanted {
        tokens,
        ..Wanted::default()
    };
    let mut running = Running::start(extent, wanted);
    let mut seen = Seen::default();
    for round in 0..rounds {
        once(&mut running, round, &mut seen);
    }
    let books = running.wait(Books::settled(&running.scene, &[WALLET], tokens));
    let none = |what, value: usize| {
        let value = Spread::once(value as f64);
        Finding::measured(what, "alive", Goal::AtMost(0.0), Unit::Count, value)
    };
    let times = Spread::of(seen.ready.iter().map(Duration::as_secs_f64));
    vec![
        Finding::measured(
            "longest time from the start until it is ready",
            "alive",
            Goal::AtMost(2.0),
            Unit::Seconds,
            Spread::once(times.high),
        )
        .note(format!(
            "killed {} times; median {} s",
            seen.ready.len(),
            number(times.median)
        )),
        none(
            "tokens spent more or less than copies at the CPS",
            books.spent.abs_diff(books.stored),
        )
        .note(format!("{} tokens spent", books.spent)),
        none("tokens spent twice", books.double_spends),
        none("PASSporTs good for two calls", seen.twice),
        none("claims lost or given to another call", seen.broken)
            .note(format!("{} claims", seen.claims)),
    ]
}

fn once(running: &mut Running, round: usize, seen: &mut Seen) {
    let plan = Plan {
        first: round * LOAD.calls,
        ..LOAD
    };
    let load = running.wait_with(async |scene| {
        let (world, gateway) = (&scene.world, &mut scene.gateway);
        let at = gateway.addresses().public;
        plan.run(world, &[at], || gateway.kill_in_place()).await
    });
    seen.ready.push(running.kill_and_start());
    let at = running.scene.gateway.addresses().public;
    let claims = Claims::make(&running.scene.world, [at; 2], &load, CLAIMS);
    let claims = running.wait(claims);
    seen.ready.push(running.kill_and_start());
    let at = running.scene.gateway.addresses().public;
    let broken = running.wait(claims.broken(&running.scene.world, at));
    seen.broken += broken.len();
    seen.claims += claims.own.len();
    seen.twice += claims.twice.len();
}
