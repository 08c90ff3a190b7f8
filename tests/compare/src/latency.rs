//! What a set of latencies comes to.

use std::time::Duration;

/// The latency that `percent` of them do not exceed.
///
/// # Panics
/// Without any.
#[must_use]
pub fn percentile(mut latencies: Vec<Duration>, percent: f64) -> Duration {
    latencies.sort_unstable();
    let place = (latencies.len() as f64 * percent / 100.0).ceil() as usize;
    latencies[place.clamp(1, latencies.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let latencies: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let of = |percent| percentile(latencies.clone(), percent);
        assert_eq!(of(50.0), Duration::from_millis(100));
        assert_eq!(of(99.0), Duration::from_millis(198));
        assert_eq!(of(100.0), Duration::from_millis(200));
        assert_eq!(of(0.0), Duration::from_millis(1));
    }
}
