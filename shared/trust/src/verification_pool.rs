//! The threads on which a service reads and verifies what strangers have signed:
//! certificates, and the JWTs that come with them. Nobody needs a credential to send
//! these, and they cost many times what a look-up does.

use std::io;
use std::num::NonZeroUsize;

use pennyblack_service::worker_pool::{PoolError, WorkerPool};

/// Most verifications that wait for a thread. Each takes some hundred microseconds, so the
/// last of them waits for some tens of milliseconds.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// As many threads as cores, which let those go first that answer requests: however many
/// certificates are sent, look-ups are answered and tokens are spent.
#[derive(Debug)]
pub struct VerificationPool(WorkerPool);

impl VerificationPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start() -> io::Result<Self> {
        WorkerPool::start("verify", WorkerPool::one_worker_a_core(), QUEUE).map(Self)
    }

    /// Runs one verification; it is not begun when the one who asks is gone.
    ///
    /// # Errors
    /// [`PoolError::Busy`] when as many wait as may.
    pub async fn run<T: Send + 'static>(
        &self,
        verification: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.0.run(verification).await
    }
}
