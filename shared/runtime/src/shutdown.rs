//! The one way in which a service is asked to stop: a value that is passed to
//! everything that runs, and a signal or a caller that triggers it.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A request to stop that many tasks listen to. Clones share one request.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that nobody has triggered yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Asks everything that waits to stop. Asking twice changes nothing.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// True once [`Self::trigger`] was called.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the request to stop has been made.
    pub async fn requested(&self) {
        // The sender cannot be gone: it is `self`.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }

    /// Triggers this on the first SIGINT or SIGTERM that the process receives.
    /// A second one has its usual effect no more: the drain has a deadline.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn on_signals(&self) -> Result<(), std::io::Error> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            tracing::info!(signal = name, "stopping: what has begun is finished first");
            shutdown.trigger();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_to_stop_reaches_those_who_wait_and_those_who_come_late() {
        let shutdown = Shutdown::new();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_triggered());
        shutdown.trigger();
        waiter.await.unwrap();
        shutdown.requested().await;
        assert!(shutdown.is_triggered());
    }
}
