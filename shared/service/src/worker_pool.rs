//! A fixed number of threads for work that keeps a core busy, with a bounded
//! queue in front: when the queue is full the caller hears so at once. Not for
//! work that waits: the runtime does that.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How much less urgent a worker is than the threads beside it (`nice(2)`).
const NICENESS: i32 = 5;

/// Why a pool gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full. Answer 503 with `Retry-After`; the work was not begun.
    #[error("all workers are busy and {queue} jobs wait already; try again shortly")]
    Busy {
        /// How many jobs the queue holds.
        queue: usize,
    },
    /// The job panicked. The worker lives on; the log has the panic's message.
    #[error("the job failed unexpectedly; the log of the service has the reason")]
    Panicked,
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that take jobs from one queue in the order of arrival. The threads
/// end when the pool is dropped and the queue is empty.
#[derive(Debug)]
pub struct WorkerPool {
    /// Bounded by `places`.
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
    queue: usize,
}

/// A place in the queue of a pool, held for a job that is still being prepared:
/// what must not be done in vain is done after a place is sure.
#[derive(Debug)]
pub struct QueuePermit<'a> {
    pool: &'a WorkerPool,
    permit: OwnedSemaphorePermit,
}

impl WorkerPool {
    /// Starts `workers` threads named `name` behind a queue of `queue` jobs
    /// (a job that a worker has taken up no longer counts).
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(
        name: &str,
        workers: NonZeroUsize,
        queue: NonZeroUsize,
    ) -> Result<Self, std::io::Error> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..workers.get() {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    stand_back();
                    work(&waiting);
                })?;
        }
        Ok(Self {
            jobs,
            places: Arc::new(Semaphore::new(queue.get())),
            queue: queue.get(),
        })
    }

    /// As many workers as this machine offers to the process.
    #[must_use]
    pub fn one_worker_a_core() -> NonZeroUsize {
        thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// Takes a place in the queue; dropping it gives it back.
    ///
    /// # Errors
    /// [`PoolError::Busy`].
    pub fn reserve(&self) -> Result<QueuePermit<'_>, PoolError> {
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| PoolError::Busy { queue: self.queue })?;
        Ok(QueuePermit { pool: self, permit })
    }

    /// [`Self::reserve`] and [`QueuePermit::run`] in one.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.reserve()?.run(job).await
    }
}

impl QueuePermit<'_> {
    /// Runs `job` on a worker and waits for its result. When the caller stops
    /// waiting before a worker takes the job up, the job is not run at all.
    ///
    /// # Errors
    /// [`PoolError::Panicked`].
    pub async fn run<T: Send + 'static>(
        self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let Self { pool, permit } = self;
        let (reply, result) = oneshot::channel();
        let job = Box::new(move || {
            drop(permit);
            if !reply.is_closed() {
                let _ = reply.send(job());
            }
        });
        // The workers live as long as the pool, which is borrowed here.
        pool.jobs.send(job).map_err(|_| PoolError::Panicked)?;
        result.await.map_err(|_| PoolError::Panicked)
    }
}

/// Lets threads that answer requests go first where there are fewer cores than
/// threads with work: a worker is busy for milliseconds, they for microseconds.
fn stand_back() {
    // Linux counts niceness by thread. Where it cannot be set, all goes well too.
    let _ = rustix::process::nice(NICENESS);
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: its holder takes the next job, the
        // others queue for the lock, and no thread holds it while working.
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else { return };
        // A panic drops the reply, which tells the caller.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    #[tokio::test]
    async fn results_come_back_to_those_who_asked() {
        let pool = WorkerPool::start("test", ONE, ONE).unwrap();
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn a_full_queue_is_said_at_once_and_empties_again() {
        let pool = Arc::new(WorkerPool::start("test", ONE, ONE).unwrap());
        let (started, begun) = oneshot::channel();
        let (release, held) = channel::<()>();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move || {
                    let _ = started.send(());
                    let _ = held.recv();
                })
                .await
            }
        });
        begun.await.unwrap();
        // Polled once, the second job fills the queue of one.
        let mut second = Box::pin(pool.run(|| ()));
        tokio::select! {
            biased;
            _ = &mut second => panic!("the only worker is held"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Busy { queue: 1 }));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(second.await, Ok(()));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_reserved_place_is_nobody_elses_until_it_is_given_back() {
        let pool = WorkerPool::start("test", ONE, ONE).unwrap();
        let place = pool.reserve().unwrap();
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Busy { queue: 1 }));
        drop(place);
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_worker_with_it() {
        let pool = WorkerPool::start("test", ONE, ONE).unwrap();
        assert_eq!(
            pool.run(|| panic!("on purpose")).await,
            Err::<(), _>(PoolError::Panicked)
        );
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_job_whose_caller_left_is_not_run() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let pool = WorkerPool::start("test", ONE, NonZeroUsize::new(2).unwrap()).unwrap();
        let (started, begun) = oneshot::channel();
        let (release, held) = channel::<()>();
        let mut first = Box::pin(pool.run(move || {
            let _ = started.send(());
            let _ = held.recv();
        }));
        tokio::select! {
            _ = &mut first => panic!("it is held"),
            begun = begun => begun.unwrap(),
        }
        {
            let mut left = Box::pin(pool.run(|| RUNS.fetch_add(1, Ordering::SeqCst)));
            tokio::select! {
                biased;
                _ = &mut left => panic!("the only worker is held"),
                () = std::future::ready(()) => {}
            }
        }
        release.send(()).unwrap();
        first.await.unwrap();
        pool.run(|| ()).await.unwrap();
        assert_eq!(RUNS.load(Ordering::SeqCst), 0);
    }
}
