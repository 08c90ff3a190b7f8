//! The leave that the circuit breaker gives to one request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::breaker::{Admission, Breaker, End};
use super::error::RedisError;

/// The breakers of a Redis, each for a part of the hash slots.
pub(super) type Breakers = Vec<Arc<Mutex<Breaker>>>;

/// Leave of the breaker; its end is recorded even when the future is dropped.
pub(super) struct Permit {
    breaker: Arc<Mutex<Breaker>>,
    admission: Admission,
    end: End,
}

impl Permit {
    /// Of the breaker of this part of the slots.
    ///
    /// # Errors
    /// [`RedisError::Away`].
    pub(super) fn ask(breakers: &Breakers, part: usize) -> Result<Self, RedisError> {
        let Some(breaker) = breakers.get(part).or_else(|| breakers.first()) else {
            return Err(RedisError::Away);
        };
        match lock(breaker).admit(Instant::now()) {
            Admission::Wait(_) => Err(RedisError::Away),
            admission => Ok(Self {
                breaker: Arc::clone(breaker),
                admission,
                end: End::Abandoned,
            }),
        }
    }

    /// Whether all other requests wait for the end of this one.
    pub(super) fn is_try(&self) -> bool {
        self.admission == Admission::Try
    }

    /// What came of the request.
    pub(super) const fn end(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut breaker = lock(&self.breaker);
        let was_open = breaker.is_open();
        breaker.ended(self.admission, self.end, Instant::now());
        match (was_open, breaker.is_open()) {
            (false, true) => {
                metrics::counter!("pennyblack_redis_breaker_opened_total").increment(1);
                tracing::warn!("Redis does not answer: requests are turned away for now");
            }
            (true, false) => tracing::info!("Redis answers again"),
            _ => {}
        }
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}
