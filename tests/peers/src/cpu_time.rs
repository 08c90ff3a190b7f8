//! How long this thread has been on a core, as `compare` measures our side.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Seconds of this thread for one of `items` that `work` handles.
pub fn seconds_per_item(items: usize, work: impl FnOnce()) -> f64 {
    let start = of_this_thread();
    work();
    (of_this_thread() - start).as_secs_f64() / items as f64
}

fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
