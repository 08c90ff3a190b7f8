//! Reading the trust directories again while a service runs, and reporting what they
//! lack. Not here: the reading (`trust`).

use std::sync::Arc;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use tokio::sync::watch::Receiver;
use tokio::task::spawn_blocking;

use crate::trust::Trust;

/// The part of the service that is not ready without trust.
const PART: &str = "trust";

/// Reads the directories again every `every` and at each of `requests`, until `shutdown`; what is lacking
/// is reported to the operator, for the first time before this returns the task.
pub fn keep_current(
    trust: Arc<Trust>,
    every: Duration,
    clock: Clock,
    readiness: Readiness,
    mut requests: Receiver<u64>,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send {
    report(&readiness, trust.lack(clock.now()));
    let mut warned = warn_anew(None, trust.warnings(clock.now()));
    // Counted from here, not from when the task first runs.
    let mut next = clock.now().plus(every);
    async move {
        loop {
            tokio::select! {
                () = clock.reached(next) => {}
                // Nor longer, if the clock is set back meanwhile.
                () = tokio::time::sleep(every) => {}
                Ok(()) = requests.changed() => {}
                () = shutdown.requested() => return,
            }
            next = clock.now().plus(every);
            let (reading, now) = (Arc::clone(&trust), clock.now());
            let lack = match spawn_blocking(move || reading.reload(now)).await {
                Ok(()) => trust.lack(clock.now()),
                Err(error) => Some(format!("reading broke off: {error}")),
            };
            report(&readiness, lack);
            warned = warn_anew(warned, trust.warnings(clock.now()));
        }
    }
}

fn report(readiness: &Readiness, lack: Option<String>) {
    match lack {
        None => readiness.has(PART),
        Some(lack) => {
            tracing::warn!(lack, "trust in certificates is not as configured");
            readiness.lacks(PART, lack);
        }
    }
}

/// Logs what is wrong beside what is used, when that has changed.
fn warn_anew(before: Option<String>, warnings: Option<String>) -> Option<String> {
    if let Some(warnings) = warnings.as_ref().filter(|now| before.as_ref() != Some(now)) {
        tracing::warn!(
            warnings,
            "files of roots or revocation lists are not as they should be"
        );
    }
    warnings
}
