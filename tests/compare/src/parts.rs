//! A list of single operations with the processor time that one call takes.

use std::hint::black_box;

use comfy_table::{CellAlignment, Table, presets};

use crate::cpu_time::{of_this_thread, seconds_per_call};
use crate::pairs::Spread;
use crate::report::number;

/// Turns that a value is the median of.
const TURNS: usize = 11;
/// Seconds of processor time in one turn, at least.
const TURN: f64 = 0.05;

/// What was measured so far.
#[derive(Debug)]
pub struct Parts {
    filter: String,
    measured: Vec<(String, Spread)>,
}

impl Parts {
    /// Measures only parts whose name contains `filter`, in any case.
    #[must_use]
    pub fn new(filter: &str) -> Self {
        Self {
            filter: filter.to_lowercase(),
            measured: Vec::new(),
        }
    }

    /// Measures one part, if the filter lets it through.
    pub fn measure<T>(&mut self, name: &str, mut call: impl FnMut() -> T) {
        if !name.to_lowercase().contains(&self.filter) {
            return;
        }
        let mut call = || drop(black_box(call()));
        let calls = calls_in_a_turn(&mut call);
        let turns = (0..TURNS).map(|_| seconds_per_call(calls, &mut call));
        self.measured.push((name.to_owned(), Spread::of(turns)));
    }

    /// A table for people, in microseconds.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
            "part",
            "µs a call",
            "lowest",
            "highest",
        ]);
        for (name, Spread { low, median, high }) in &self.measured {
            let [median, low, high] = [median, low, high].map(|seconds| number(seconds * 1e6));
            table.add_row([name, &median, &low, &high]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// How many calls fill a turn. The calls that find it out warm the caches.
fn calls_in_a_turn(call: &mut impl FnMut()) -> usize {
    let mut calls = 1;
    loop {
        let start = of_this_thread();
        seconds_per_call(calls, &mut *call);
        if (of_this_thread() - start).as_secs_f64() >= TURN {
            return calls;
        }
        calls *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn millisecond() {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_part_is_measured_only_if_the_filter_lets_it_through() {
        let mut parts = Parts::new("SEAL");
        parts.measure("opened", || panic!("called"));
        parts.measure("sealed", millisecond);
        let [(name, spread)] = &parts.measured[..] else {
            panic!("{parts:?}");
        };
        assert_eq!(name, "sealed");
        assert!(spread.median > 0.0 && spread.median < 2e-3, "{spread:?}");
        assert!(parts.table().to_string().contains("sealed"));
    }
}
