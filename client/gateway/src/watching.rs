//! How the engine is doing, shown again and again: in metrics, in readiness, and in a log line
//! when it changes. **A gateway that is not ready says so in its log**, since calls go on and
//! nothing else shows it.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_engine::Engine;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use tokio::time::{Instant, sleep};

use crate::counts;
use crate::in_force::Settings;
use crate::oblivious::Oblivious;

/// How often metrics and readiness follow the engine.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The same until it is ready for the first time: after a restart calls wait for it.
const LOOK_AT_FIRST: Duration = Duration::from_millis(100);

/// How long looks must find the same before it has a line: a start reads its key records
/// and mailboxes first, and one late answer is no news.
const LASTING: Duration = Duration::from_secs(2);

/// What is shown.
pub(crate) struct Watched {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) oblivious: Option<Oblivious>,
    pub(crate) clock: Clock,
}

/// Shows how the engine is doing, until `shutdown`.
pub(crate) async fn watch(watched: Watched, readiness: Readiness, shutdown: Shutdown) {
    let Watched {
        engine,
        settings,
        oblivious,
        clock,
    } = watched;
    let mut pace = LOOK_AT_FIRST;
    let mut warned = Vec::new();
    let mut lasting = Lasting::default();
    loop {
        if let Some(way) = &oblivious {
            way.show(&readiness, clock.now());
        }
        let in_force = settings.current();
        let trunks: Vec<_> = in_force.trunks.iter().collect();
        let status = engine.status(&trunks).await;
        counts::copy(&engine.counts());
        counts::show(&status, clock.now());
        let reasons: Vec<_> = status.not_ready.iter().map(ToString::to_string).collect();
        let reasons = reasons.join("; ");
        lasting.report(&reasons, Instant::now());
        match reasons.is_empty() {
            true => {
                pace = LOOK_EVERY;
                readiness.has("engine");
            }
            false => readiness.lacks("engine", reasons),
        }
        for warning in &status.warnings {
            if !warned.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        warned = status.warnings;
        tokio::select! {
            () = sleep(pace) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Why the gateway is not ready, as it was at the last looks; nothing if it is ready.
#[derive(Debug, Default)]
struct Lasting {
    reasons: String,
    since: Option<Instant>,
    reported: Option<String>,
}

impl Lasting {
    /// Writes a line if looks have found this for long enough and no line has said it.
    fn report(&mut self, reasons: &str, now: Instant) {
        if self.reasons != reasons {
            reasons.clone_into(&mut self.reasons);
            self.since = None;
        }
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) < LASTING || self.reported.as_deref() == Some(reasons) {
            return;
        }
        match reasons.is_empty() {
            true => tracing::info!("ready"),
            false => tracing::warn!(reasons, "not ready: calls should go elsewhere"),
        }
        self.reported = Some(reasons.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_runtime::logging::testing::lines_of;

    use super::*;

    #[test]
    fn what_lasts_has_one_line_and_its_end_another() {
        let looks = [
            // A start, and what it reads first.
            "unread", "unread", "", "", "", "", //
            // One late answer.
            "unread", "", "", "", //
            "unread", "unread", "unread", "unread", "no token", "no token", "no token", //
            "", "", "", "",
        ];
        let (mut lasting, mut now) = (Lasting::default(), Instant::now());
        let lines = lines_of(|| {
            for reasons in looks {
                lasting.report(reasons, now);
                now += LOOK_EVERY;
            }
        });
        let begins = ["INFO message=ready", "WARN", "WARN", "INFO message=ready"];
        assert_eq!(lines.len(), begins.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
        assert!(lines[1].contains("unread") && lines[2].contains("no token"));
    }
}
