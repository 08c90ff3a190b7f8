//! `pennyblack load`: measure an issuer and a CPS under load.

mod arguments;
mod notice;
mod output;
mod watch;

use std::sync::Arc;

use console::style;
use pennyblack_testbed::load::{
    FailureKind, FailureReport, LoadError, MailboxesError, PreparedLoad, Progress, Report,
};

pub(crate) use arguments::LoadArguments;

use super::outcome::{Exit, Failure, Outcome, json_of};

/// Does it.
pub(crate) async fn run(arguments: LoadArguments, json: bool) -> Result<Outcome, Failure> {
    let load = arguments.load().await?;
    if !json {
        let label = style("note:").for_stderr().yellow();
        for note in notice::notice(&load) {
            eprintln!("{label} {note}");
        }
    }
    let signals = load.stop.on_signals();
    signals.map_err(|error| Failure::new(Exit::Failed, error))?;
    let (stop, progress) = (load.stop.clone(), Arc::new(Progress::default()));
    let watcher = watch::Watcher::new(&load, progress.clone(), json);
    let prepared = tokio::select! {
        prepared = watcher.watch_preparation(load.prepare(progress)) => prepared?,
        () = stop.requested() => {
            return Err(Failure::new(Exit::Failed, "stopped before the run began"));
        }
    };
    let report = watcher.watch_run(PreparedLoad::run(prepared)).await?;
    let json = json_of(&report)?;
    let text = output::text_of(&report);
    Ok(Outcome::new(json, text, exit_of(&report)))
}

/// Scripts learn whether there is anything to look at in the numbers.
fn exit_of(report: &Report) -> Exit {
    let is_refusal = |failure: &FailureReport| match failure.kind {
        FailureKind::Refused { status, .. } => status < 500,
        _ => false,
    };
    let mut failures = report.operations.iter().flat_map(|one| &one.failures);
    match (report.succeeded(), report.failed()) {
        (1.., _) => Exit::Done,
        (0, 0) if report.unsent == 0 => Exit::Failed,
        (0, 1..) if failures.all(is_refusal) => Exit::Refused,
        (0, _) => Exit::Network,
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Carrier(error) => error.into(),
            LoadError::Http(error) => error.into(),
            error => Self::new(Exit::Failed, error),
        }
    }
}

impl From<MailboxesError> for Failure {
    fn from(error: MailboxesError) -> Self {
        match error {
            MailboxesError::Publish(error) => error.into(),
            error => Self::new(Exit::Failed, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_testbed::load::{End, Operation, OperationReport, Preparation};

    use super::*;

    fn report(succeeded: u64, failures: &[FailureKind]) -> Report {
        let failures = failures.iter().map(|kind| FailureReport {
            kind: *kind,
            count: 1,
            slowest_us: 1,
        });
        Report {
            pace: "closed",
            rate: None,
            connections: 1,
            mix: "store=1".to_owned(),
            warm_up_seconds: 0.0,
            seconds: 1.0,
            ended_by: End::Duration,
            preparation: Preparation::default(),
            operations: vec![OperationReport {
                operation: Operation::Store,
                succeeded,
                per_second: 0.0,
                latency: None,
                failures: failures.collect(),
            }],
            lateness: None,
            unsent: 0,
        }
    }

    #[test]
    fn a_run_in_which_nothing_succeeded_exits_with_what_kept_it_from_that() {
        let refused = |status| FailureKind::Refused {
            status,
            problem: None,
        };
        let gone = FailureKind::NotConnected;
        for (succeeded, failures, exit) in [
            (1, vec![gone], Exit::Done),
            (0, vec![refused(401), refused(404)], Exit::Refused),
            (0, vec![refused(401), refused(503)], Exit::Network),
            (0, vec![refused(401), gone], Exit::Network),
            (0, vec![], Exit::Failed),
        ] {
            assert_eq!(exit_of(&report(succeeded, &failures)), exit, "{failures:?}");
        }
    }
}
