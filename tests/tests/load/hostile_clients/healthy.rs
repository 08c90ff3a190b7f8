//! A client as it should be, which polls at a steady pace while others misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pennyblack_tests::answer::Answer;
use tokio::time::interval;

/// Between two polls.
const PACE: Duration = Duration::from_millis(10);

/// Fewest polls of a measurement: one of a hundred must not be the only one.
const LEAST: usize = 300;

/// Polls on a thread of its own, so that hostile clients of this process delay it
/// only through the service and through the machine.
pub(crate) struct Healthy {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Healthy {
    /// Begins to poll `url`: by turns on a connection that is kept and on a new
    /// one. A poll's latency counts from the time at which it was due.
    pub(crate) fn begin(url: String) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let enough = Arc::clone(&enough);
            move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(poll_until(&enough, &url))
            }
        });
        Self { enough, thread }
    }

    /// Ends it, after enough polls for a measurement; the latency that 99 of 100
    /// did not exceed.
    ///
    /// # Panics
    /// When a poll was not answered with 200.
    pub(crate) fn end(self) -> Duration {
        self.enough.store(true, Ordering::Relaxed);
        let mut latencies = self.thread.join().expect("a healthy client's poll");
        latencies.sort_unstable();
        latencies[latencies.len() * 99 / 100]
    }
}

async fn poll_until(enough: &AtomicBool, url: &str) -> Vec<Duration> {
    let (kept, fresh) = (client(1), client(0));
    let mut latencies = Vec::new();
    let mut pace = interval(PACE);
    while !enough.load(Ordering::Relaxed) || latencies.len() < LEAST {
        let due = pace.tick().await;
        for client in [&kept, &fresh] {
            let answer = Answer::to(client.get(url)).await;
            let _ = answer.expect("a healthy client's answer").content();
        }
        latencies.push(due.elapsed());
    }
    latencies
}

/// A client that keeps this many connections. Of certificates it takes any: the
/// service's is no matter here.
fn client(kept: usize) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(kept)
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}
