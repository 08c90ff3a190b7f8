//! How long threads have been on a core: what work costs, whatever else the
//! machine does meanwhile.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// The time that all living threads of a process have spent on cores so far;
/// zero where the kernel does not count it.
#[must_use]
pub fn of_process(process: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Duration::ZERO;
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|line| {
            line.split(' ')
                .next()?
                .parse()
                .ok()
                .map(Duration::from_nanos)
        })
        .sum()
}

/// The same with threads that have ended, in hundredths of a second.
#[must_use]
pub fn of_process_so_far(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program, in brackets, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let user_and_system = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = user_and_system
        .filter_map(|part| part.parse::<u64>().ok())
        .sum();
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

/// The time that this thread has spent on cores so far.
#[must_use]
pub fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Seconds of this thread that one call takes, over `calls` of them.
pub fn seconds_per_call(calls: usize, mut call: impl FnMut()) -> f64 {
    let start = of_this_thread();
    for _ in 0..calls {
        call();
    }
    (of_this_thread() - start).as_secs_f64() / calls as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_the_time_is_counted() {
        let before = of_process(std::process::id());
        let start = of_this_thread();
        // Not by the clock: a busy machine gives this thread little of it.
        while of_this_thread() - start < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        assert!(of_process(std::process::id()) > before);
        assert!(of_process_so_far(std::process::id()) >= Duration::from_millis(10));
        assert!(of_this_thread() > Duration::from_millis(1));
    }
}
