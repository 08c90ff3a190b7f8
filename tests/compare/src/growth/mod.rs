//! What costs do while there is more and more of one thing: tokens, mailboxes,
//! entries, epochs, connections, keys, rosters. Each file measures the costs of one thing;
//! `curve` judges them, `page` shows them.

mod connections;
pub mod curve;
mod entries;
mod epochs;
mod key_feed;
mod key_records;
mod mailboxes;
pub mod page;
mod restarts;
mod rosters;
mod spent_tokens;

use std::time::Duration;

use self::curve::Curve;
use crate::cpu_time;
use crate::setting::Setting;

/// Measures the costs of one thing.
pub type Measure = fn(&Setting) -> Vec<Curve>;

/// Every thing by its name.
pub const CURVES: &[(&str, Measure)] = &[
    ("spent-tokens", spent_tokens::measure),
    ("mailboxes", mailboxes::measure),
    ("entries", entries::measure),
    ("epochs", epochs::measure),
    ("connections", connections::measure),
    ("key-records", key_records::measure),
    ("key-feed", key_feed::measure),
    ("rosters", rosters::measure),
];

/// A size of a full run in this one.
fn sized(setting: &Setting, size: u64) -> u64 {
    setting.scaled(size as usize) as u64
}

/// Microseconds of this process's processor time for one of `items`.
fn own_microseconds(items: u64, work: impl FnOnce()) -> f64 {
    let cpu_time = || cpu_time::of_process(std::process::id());
    let before = cpu_time();
    work();
    microseconds(cpu_time() - before) / items as f64
}

const fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Numbers that jump about below `below`, the same ones every time.
fn scattered(number: u64, below: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_numbers_reach_most_places() {
        let reached: std::collections::HashSet<_> =
            (0..1_000).map(|number| scattered(number, 100)).collect();
        assert!(reached.len() > 90, "{}", reached.len());
        assert!(reached.iter().all(|place| *place < 100));
    }
}
