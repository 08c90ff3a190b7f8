//! A run as it goes on, on a terminal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pennyblack_testbed::load::{Load, LoadError, PreparedLoad, Progress, Report, Window};
use tokio::time::{MissedTickBehavior, interval};

/// How often what is shown changes.
const PACE: Duration = Duration::from_millis(250);

/// Shows it on standard error, if that is a terminal.
pub(super) struct Watcher {
    bar: ProgressBar,
    progress: Arc<Progress>,
    tokens: u64,
    requests: u64,
    window: Window,
}

impl Watcher {
    pub(super) fn new(load: &Load, progress: Arc<Progress>, json: bool) -> Self {
        let target = if json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let template = "{spinner:.green} {msg:46} [{wide_bar:.green/dim}] {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self {
            bar,
            progress,
            tokens: load.stores(),
            requests: load.stores() + load.draws(),
            window: load.window,
        }
    }

    /// Shows how many tokens are drawn and requests made, until they all are.
    pub(super) async fn watch_preparation(
        &self,
        preparation: impl Future<Output = Result<PreparedLoad, LoadError>>,
    ) -> Result<PreparedLoad, LoadError> {
        self.bar.set_length(self.tokens + self.requests);
        self.watch(preparation, || {
            let (tokens, prepared) = (self.progress.tokens(), self.progress.prepared());
            self.bar.set_position(tokens.min(self.tokens) + prepared);
            if tokens < self.tokens {
                let (drawn, wanted) = (HumanCount(tokens), HumanCount(self.tokens));
                format!("drawing tokens: {drawn} of {wanted}")
            } else {
                let (made, wanted) = (HumanCount(prepared), HumanCount(self.requests));
                format!("making requests: {made} of {wanted}")
            }
        })
        .await
    }

    /// Shows how many requests are answered, until the run has ended.
    pub(super) async fn watch_run(
        &self,
        run: impl Future<Output = Result<Report, LoadError>>,
    ) -> Result<Report, LoadError> {
        let began = Instant::now();
        let mut last = (began, 0);
        let length = u64::try_from(self.window.end().as_millis()).unwrap_or(u64::MAX);
        self.bar.set_length(length);
        let report = self
            .watch(run, || {
                let elapsed = began.elapsed();
                let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                self.bar.set_position(millis.min(length));
                let (now, answered) = (Instant::now(), self.progress.succeeded());
                let rate = per_second(answered - last.1, now - last.0);
                last = (now, answered);
                let phase = if elapsed < self.window.warm_up {
                    "warming up"
                } else {
                    "measuring"
                };
                let failed = HumanCount(self.progress.failed());
                format!("{phase}: {rate:.0}/s, {failed} failed")
            })
            .await;
        self.bar.finish_and_clear();
        report
    }

    async fn watch<T>(&self, work: impl Future<Output = T>, mut text: impl FnMut() -> String) -> T {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = pace.tick() => {
                    let text = text();
                    self.bar.set_message(text);
                    self.bar.tick();
                }
            }
        }
    }
}

impl Drop for Watcher {
    /// Clears the bar, so that an error message begins on a line of its own.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}
