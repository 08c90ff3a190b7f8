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
    let mut lacked = report(&readiness, false, trust.lack(clock.now()));
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
            lacked = report(&readiness, lacked, lack);
            warned = warn_anew(warned, trust.warnings(clock.now()));
        }
    }
}

/// Whether anything lacks, which was so before if `lacked`.
fn report(readiness: &Readiness, lacked: bool, lack: Option<String>) -> bool {
    let lacks = lack.is_some();
    match lack {
        None => {
            if lacked {
                tracing::info!("trust in certificates is as configured again");
            }
            readiness.has(PART);
        }
        Some(lack) => {
            tracing::warn!(lack, "trust in certificates is not as configured");
            readiness.lacks(PART, lack);
        }
    }
    lacks
}

/// Logs what is wrong beside what is used, when that has changed.
fn warn_anew(before: Option<String>, warnings: Option<String>) -> Option<String> {
    match &warnings {
        Some(warnings) if before.as_ref() != Some(warnings) => tracing::warn!(
            warnings,
            "files of roots or revocation lists are not as they should be"
        ),
        None if before.is_some() => {
            tracing::info!("files of roots and revocation lists are as they should be again");
        }
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use pennyblack_runtime::logging::testing::levels_of;
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_in_order_again_has_one_line() {
        let readiness = Readiness::new();
        let levels = levels_of(|| {
            let mut lacked = false;
            for lack in [None, Some("no root"), None, None] {
                lacked = report(&readiness, lacked, lack.map(str::to_owned));
            }
        });
        assert_eq!(levels, [Level::WARN, Level::INFO]);
        assert!(readiness.is_ready());
        let levels = levels_of(|| {
            let mut warned = None;
            for warnings in [None, Some("a list"), Some("a list"), None, None] {
                warned = warn_anew(warned, warnings.map(str::to_owned));
            }
        });
        assert_eq!(levels, [Level::WARN, Level::INFO]);
    }
}
