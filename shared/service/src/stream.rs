//! The work on one HTTP/2 stream, as a task that can be ended at once. A task that is
//! aborted would free its memory only when its turn comes, behind all others.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// The rest of the work on a stream. Its memory is free when this is dropped.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The work on one stream, which two share: the task that does it, and the one that ends
/// it when its memory is needed.
pub(crate) struct Stream {
    /// Nothing once it is done or ended.
    work: Mutex<Option<Work>>,
    must_end: AtomicBool,
    task: AtomicWaker,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Stream {
    /// The task to start, and what ends it.
    pub(crate) fn new(work: Work) -> (Arc<Self>, StreamTask) {
        let stream = Arc::new(Self {
            work: Mutex::new(Some(work)),
            must_end: AtomicBool::new(false),
            task: AtomicWaker::new(),
        });
        (Arc::clone(&stream), StreamTask(stream))
    }

    /// Ends it. What is left is given out, so that it is dropped where no lock is held
    /// that its end takes; nothing, if its task works on it just now and will drop it.
    pub(crate) fn end(&self) -> Option<Work> {
        self.must_end.store(true, Ordering::SeqCst);
        let work = match self.work.try_lock() {
            Ok(mut work) => work.take(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        self.task.wake();
        work
    }
}

/// Does the work.
pub(crate) struct StreamTask(Arc<Stream>);

impl Future for StreamTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Stream {
            work,
            must_end,
            task,
        } = &*self.0;
        task.register(context.waker());
        let must_end = || must_end.load(Ordering::SeqCst);
        let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = work.as_mut()
            && !must_end()
            && work.as_mut().poll(context).is_pending()
            && !must_end()
        {
            return Poll::Pending;
        }
        let rest = work.take();
        // Its end takes locks: this one is not held meanwhile.
        drop(work);
        drop(rest);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[tokio::test]
    async fn what_waits_ends_at_once_and_its_task_with_it() {
        let whole = Arc::new(());
        let kept = Arc::clone(&whole);
        let (stream, task) = Stream::new(Box::pin(async move {
            pending::<()>().await;
            drop(kept);
        }));
        let task = tokio::spawn(task);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&whole), 2);
        drop(stream.end());
        assert_eq!(
            Arc::strong_count(&whole),
            1,
            "before its task is at work again"
        );
        task.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_ended_from_within_ends_after_this_turn() {
        let (given, ending) = tokio::sync::oneshot::channel::<Arc<Stream>>();
        let mut ending = Some(ending);
        let (stream, task) = Stream::new(Box::pin(async move {
            let stream = ending.take().unwrap().await.unwrap();
            assert!(stream.end().is_none(), "it is at work");
            poll_fn(|_| Poll::<()>::Pending).await;
        }));
        assert!(given.send(stream).is_ok());
        task.await;
    }
}
