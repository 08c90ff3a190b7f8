//! Waiting for conditions, with deadlines.

use std::time::Duration;

/// How often a condition is looked at that nothing tells of.
const PACE: Duration = Duration::from_millis(5);

/// Looks until `look` finds something.
///
/// # Panics
/// When it has found nothing by `deadline`; `what` says what was waited for.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let mut pace = tokio::time::interval(PACE);
    let found = tokio::time::timeout(deadline, async {
        loop {
            pace.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    match found.await {
        Ok(found) => found,
        Err(_) => panic!("{what}: not within {deadline:?}"),
    }
}
