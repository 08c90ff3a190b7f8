//! How the tasks of HTTP/2 streams are started, so that each can be ended alone.

use std::sync::Arc;

use hyper::rt::Executor;

use crate::exchanges::Exchanges;
use crate::stream::Stream;

/// Starts the tasks of one connection.
#[derive(Debug, Clone)]
pub(crate) struct StreamTasks(pub(crate) Arc<Exchanges>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, work: F) {
        let (stream, task) = Stream::new(Box::pin(work));
        // hyper starts the task of a request right after it has handed over the request.
        self.0.attach(&stream);
        tokio::spawn(task);
    }
}
