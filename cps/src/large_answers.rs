//! The threads on which large answers are made. Each keeps a core busy for as long as
//! dozens of small ones: they stand back behind the threads that answer. Not here: the room
//! for an answer, which its maker reserves first and thereby waits for its turn.

use std::io;
use std::num::NonZeroUsize;

use pennyblack_service::answer_room::most_large_answers;
use pennyblack_service::worker_pool::WorkerPool;

use crate::refusal::Refusal;

/// One pool for large answers of all kinds, since all wait for the same turns.
#[derive(Debug)]
pub(crate) struct LargeAnswers(WorkerPool);

impl LargeAnswers {
    /// Starts its threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let workers = WorkerPool::one_worker_a_core();
        let queue = NonZeroUsize::new(most_large_answers()).unwrap_or(NonZeroUsize::MIN);
        Ok(Self(WorkerPool::start("answer", workers, queue)?))
    }

    /// Makes an answer.
    ///
    /// # Errors
    /// [`Refusal::Pool`].
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        answer: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        Ok(self.0.run(answer).await?)
    }
}
