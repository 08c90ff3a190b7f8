//! Times as people read them.

use pennyblack_base::time::UnixTime;

/// `2026-11-23 09:38:18 UTC`; the bare seconds for times that no calendar has.
pub(crate) fn moment(time: UnixTime) -> String {
    i64::try_from(time.0)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || time.to_string(),
            |moment| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_utc() {
        assert_eq!(moment(UnixTime(1_800_000_000)), "2027-01-15 08:00:00 UTC");
        assert_eq!(moment(UnixTime(u64::MAX)), u64::MAX.to_string());
    }
}
