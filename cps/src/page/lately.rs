//! What was found a moment ago, for everybody who asks again: however many look at the
//! page, the store is asked once.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How old it may be.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// What was found last.
#[derive(Debug)]
pub(super) struct Lately<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Lately<T> {
    /// What was found last, or what is found now if that is too old. Others wait for it.
    pub(super) async fn get(&self, find: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, found)) if at.elapsed() < GOOD_FOR => found.clone(),
            _ => {
                let found = find.await;
                *last = Some((Instant::now(), found.clone()));
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_soon_again_gets_what_was_found_and_who_asks_later_asks() {
        let lately = Lately::default();
        assert_eq!(lately.get(async { 1 }).await, 1);
        assert_eq!(lately.get(async { 2 }).await, 1);
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(lately.get(async { 3 }).await, 3);
    }
}
