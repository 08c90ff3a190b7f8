//! The threads on which large answers are made. Each keeps a core busy for as long as
//! dozens of small ones: they stand back behind the threads that answer. Not here: the room
//! for an answer, which its maker reserves first and thereby waits for its turn.

use std::io;
use std::num::NonZeroUsize;

use pennyblack_service::answer_room::{AnswerRoom, most_large_answers};
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

    /// Makes an answer. The thread keeps its `room` until it is made: when the request is
    /// given up meanwhile, the next one that has its turn would find no thread free.
    ///
    /// # Errors
    /// [`Refusal::Pool`].
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        room: &AnswerRoom,
        answer: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let room = room.clone();
        let make = move || {
            let _until_made = room;
            answer()
        };
        Ok(self.0.run(make).await?)
    }
}

/// For tests of those who make such answers.
#[cfg(test)]
pub(crate) mod testing {
    use std::future::ready;
    use std::sync::mpsc::{Sender, channel};

    use pennyblack_service::worker_pool::PoolError;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// What comes of it while as many answers are made as have a thread, and as many wait as
    /// have a place in the queue.
    pub(crate) async fn while_full<T>(
        large: &LargeAnswers,
        room: &AnswerRoom,
        then: impl AsyncFnOnce() -> T,
    ) -> T {
        let threads = WorkerPool::one_worker_a_core().get();
        let (started, mut begun) = unbounded_channel();
        let (mut held, mut holding) = (Vec::<Sender<()>>::new(), Vec::new());
        let busy = loop {
            let (started, (release, hold)) = (started.clone(), channel());
            held.push(release);
            let mut one = Box::pin(large.make(room, move || {
                let _ = started.send(());
                let _ = hold.recv();
            }));
            let refused = tokio::select! {
                biased;
                refused = &mut one => Some(refused),
                () = ready(()) => None,
            };
            match refused {
                Some(refused) => break refused,
                None => holding.push(one),
            }
            if holding.len() <= threads {
                begun.recv().await.unwrap();
            }
        };
        assert!(matches!(busy, Err(Refusal::Pool(PoolError::Busy { .. }))));
        let outcome = then().await;
        held.clear();
        for one in holding {
            one.await.unwrap();
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::routing::get;
    use http::StatusCode;
    use pennyblack_runtime::config::PublicConfig;
    use pennyblack_runtime::shutdown::Shutdown;
    use pennyblack_service::listener::Listener;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    /// Says that the request was given up.
    struct GivenUp(UnboundedSender<()>);

    impl Drop for GivenUp {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    async fn ask(service: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(service).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn status(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    #[tokio::test]
    async fn an_answer_that_is_given_up_keeps_its_turn_until_its_thread_is_free() {
        let large = Arc::new(LargeAnswers::start().unwrap());
        let (release, hold) = channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let (begin, mut begun) = unbounded_channel();
        let (start, mut started) = unbounded_channel();
        let (give_up, mut given_up) = unbounded_channel();
        let make = move |room: AnswerRoom| async move {
            let _given_up = GivenUp(give_up);
            if room.reserve(200 * 1024, 0).await.is_err() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let _ = begin.send(());
            let wait = move || {
                let _ = start.send(());
                let _ = hold.lock().unwrap().recv();
            };
            match large.make(&room, wait).await {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
            }
        };
        let router = Router::new()
            .route("/large", get(make))
            .route("/small", get(|| async {}));
        let config = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind_public(&config).await.unwrap();
        let service = listener.address();
        tokio::spawn(listener.serve(router, Shutdown::new()));

        let turns = most_large_answers();
        let mut left = Vec::new();
        for place in 0..turns {
            left.push(ask(service, "/large").await);
            begun.recv().await.unwrap();
            if place < WorkerPool::one_worker_a_core().get() {
                started.recv().await.unwrap();
            }
        }
        drop(left);
        for _ in 0..turns {
            given_up.recv().await.unwrap();
        }
        let mut waiting = Vec::new();
        for _ in 0..turns {
            waiting.push(ask(service, "/large").await);
        }
        for _ in 0..20 {
            assert_eq!(status(ask(service, "/small").await).await, "200");
        }
        assert!(begun.try_recv().is_err(), "no thread is free for it");
        drop(release);
        for one in waiting {
            assert_eq!(status(one).await, "200");
        }
    }
}
