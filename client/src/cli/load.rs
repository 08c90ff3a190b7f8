//! `pennyblack load`: measure an issuer and a CPS under load.

mod arguments;
mod telling;
mod watch;

use std::sync::Arc;

use pennyblack_client::load::{
    FailureKind, FailureReport, LoadError, MailboxesError, PreparedLoad, Progress, Report,
};

pub(crate) use arguments::LoadArguments;

use super::outcome::{Exit, Failure, Outcome};

/// Does it.
pub(crate) async fn run(arguments: LoadArguments, json: bool) -> Result<Outcome, Failure> {
    let load = arguments.load().await?;
    load.stop.on_signals()?;
    let (stop, progress) = (load.stop.clone(), Arc::new(Progress::default()));
    let watcher = watch::Watcher::new(&load, progress.clone(), json);
    let prepared = tokio::select! {
        prepared = watcher.watch_preparation(load.prepare(progress)) => prepared?,
        () = stop.requested() => {
            return Err(Failure::new(Exit::Failed, "stopped before the run began"));
        }
    };
    let report = watcher.watch_run(PreparedLoad::run(prepared)).await?;
    Ok(Outcome {
        json: serde_json::to_value(&report).unwrap_or_default(),
        text: telling::tell(&report),
        exit: exit_of(&report),
    })
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
