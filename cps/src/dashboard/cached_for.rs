//! What was found a moment ago, for the next requests: however many browsers show the
//! dashboard, it asks the store once.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How old it may be.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// What was found last.
#[derive(Debug)]
pub(super) struct CachedFor<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for CachedFor<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> CachedFor<T> {
    /// What was found last, or what is found now if that is too old. Others wait for it.
    pub(super) async fn get(&self, find: impl Future<Output = T>) -> T {
        self.get_at(Instant::now(), find).await
    }

    async fn get_at(&self, now: Instant, find: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, found)) if now.saturating_duration_since(*at) < GOOD_FOR => found.clone(),
            _ => {
                let found = find.await;
                *last = Some((now, found.clone()));
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_look_within_two_seconds_does_not_ask_again() {
        let (cached, now) = (CachedFor::default(), Instant::now());
        assert_eq!(cached.get_at(now, async { 1 }).await, 1);
        let soon = now + GOOD_FOR - Duration::from_millis(1);
        assert_eq!(cached.get_at(soon, async { 2 }).await, 1);
        assert_eq!(cached.get_at(now + GOOD_FOR, async { 3 }).await, 3);
    }
}
