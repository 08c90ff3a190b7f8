//! `pennyblack demo`: the demonstration on a terminal or as JSON, and the hidden
//! command by which it runs the services as processes of this program. Not here: how its
//! report looks (`text`, `cpss`, `sight`).

mod cpss;
mod sight;
mod text;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pennyblack_issuer::signer::KeyType;
use pennyblack_testbed::demo::{Audience, CALLS, Settings, Way, play};

use super::outcome::{Exit, Failure, Outcome, json_of};
use super::signals::Ends;

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack demo
  # keep certificates, configuration, logs, databases, and what CPSs and relay
  # received (cps-a.received, relay.received), to look at them
  pennyblack demo --keep
  # what the CPSs see without a relay
  pennyblack demo --direct
  # what is lost with one copy of each PASSporT when a CPS dies
  pennyblack demo --copies 1")]
pub(crate) struct DemoArguments {
    /// Keep the directory with all files of the demonstration, and print its path.
    #[arg(long)]
    keep: bool,
    /// Let carriers ask the CPSs themselves and not through the relay, to see what these see
    /// then.
    #[arg(long)]
    direct: bool,
    /// At how many of the three CPSs each PASSporT is stored. With 1, the calls that the killed
    /// CPS held have no verdict.
    #[arg(long, value_name = "NUMBER", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=3))]
    copies: u64,
    /// The token type: blind-rsa, which anyone can verify; or voprf-ristretto255 or
    /// voprf-p384, for one operator that runs both issuer and CPSs.
    #[arg(long, value_name = "TYPE", default_value = "blind-rsa", value_parser = token_type)]
    token_type: KeyType,
}

fn token_type(name: &str) -> Result<KeyType, String> {
    let named = KeyType::ALL.into_iter().find(|one| one.name() == name);
    named.ok_or_else(|| {
        let names: Vec<_> = KeyType::ALL.iter().map(|one| one.name()).collect();
        format!("use {}", names.join(", "))
    })
}

/// `service`, which the demonstration runs.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    service: ServiceName,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ServiceName {
    Issuer,
    Cps,
    Gateway,
    Relay,
}

/// Runs a service in this process, as its own program would.
pub(crate) fn serve(arguments: ServiceArguments) -> ExitCode {
    let line = std::iter::once(OsString::from("pennyblack"))
        .chain(arguments.arguments)
        .collect();
    match arguments.service {
        ServiceName::Issuer => pennyblack_issuer::run(line),
        ServiceName::Cps => pennyblack_cps::run(line),
        ServiceName::Gateway => pennyblack_gateway::run(line),
        ServiceName::Relay => pennyblack_relay::run(line),
    }
}

/// Plays it.
pub(crate) async fn run(arguments: DemoArguments, json: bool) -> Result<Outcome, Failure> {
    let mut ends = Ends::catch()?;
    let directory = tempfile::Builder::new()
        .prefix("pennyblack-demo-")
        .tempdir();
    let directory = directory.map_err(|error| {
        let text = format!("no temporary directory: {error}; TMPDIR names where to make it");
        Failure::new(Exit::Failed, text)
    })?;
    let watcher = Watcher::new(json);
    let settings = Settings {
        tokens: arguments.token_type,
        way: match arguments.direct {
            true => Way::Direct,
            false => Way::Relay,
        },
        copies: arguments.copies,
    };
    // What is not played to its end kills its services.
    let report = tokio::select! {
        report = play(directory.path(), settings, &watcher) => Some(report),
        () = ends.requested() => None,
    };
    watcher.leave();
    let report = report.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "stopped before its end: services and files are gone",
        )
    })?;
    let kept = arguments.keep.then(|| directory.keep());
    let report = report.map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut text = text::of(&report);
    if let Some(path) = kept {
        text.push_str(&format!("\nAll files are in {}\n", path.display()));
    }
    let json = json_of(&report)?;
    let exit = if report.ok { Exit::Done } else { Exit::Failed };
    Ok(Outcome::new(json, text, exit))
}

/// Shows what is going on, on standard error.
struct Watcher {
    bar: ProgressBar,
}

impl Watcher {
    fn new(json: bool) -> Self {
        let target = if json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(CALLS as u64), target);
        let template =
            "{spinner:.green} {msg:36} [{wide_bar:.green/dim}] {pos}/{len} calls {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn leave(&self) {
        self.bar.finish_and_clear();
    }
}

impl Audience for Watcher {
    fn begins(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn calls_done(&self, done: usize) {
        self.bar.set_position(done as u64);
    }
}
