//! When a whole operation must end, however many requests it makes.

use std::time::Duration;

use tokio::time::Instant;

/// The moment at which an operation ends, done or not. It is passed down through all that
/// the operation consists of. A time-out of each request is no bound for the operation: a
/// service that answers each one slowly, or says `more` each time, can hold it as long as
/// it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        let now = Instant::now();
        // A time that no clock can show is a century.
        let century = Duration::from_secs(100 * 366 * 86_400);
        Self(now.checked_add(time).unwrap_or(now + century))
    }

    /// How long it is until then; zero afterwards.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Half of the remaining time from now: for a step that must leave time for the next.
    #[must_use]
    pub fn half(self) -> Self {
        self.share(2)
    }

    /// An equal part of the remaining time from now: for the first of so many steps that must
    /// leave time for each other.
    #[must_use]
    pub fn share(self, parts: usize) -> Self {
        let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        Self::after(self.remaining() / parts)
    }

    /// What `work` comes to, if it does so in time.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}
