//! A service as a program: command line, `--check-config`, log lines, runtime, signals,
//! exit code. What a program can do instead of serving stands with each service.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{
    CommandLine, ConfigurationError, Description, Invocation, to_toml,
};
use pennyblack_runtime::logging;
use pennyblack_runtime::reload::Hangups;

use crate::findings::Findings;
use crate::start::{RunningService, ServiceConfig};
use crate::start_error::StartError;

/// What came of a run: nothing, or a sentence for the operator.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Reads the configuration again from where it came from at the start.
pub type LoadAgain<C> = Arc<dyn Fn() -> Result<C, ConfigurationError> + Send + Sync>;

/// The options of a service that has none of its own.
#[derive(Debug, Args)]
pub struct NoOptions {}

/// A service that is a program.
pub trait Program {
    /// What `--help` says of it.
    const DESCRIPTION: Description;
    /// Its configuration.
    type Config: ServiceConfig;
    /// Its options besides those of every service.
    type Options: Args;

    /// Does what `options` ask for and no configuration is needed for; nothing if they ask for
    /// no such thing.
    fn without_configuration(_: &Self::Options) -> Option<Outcome> {
        None
    }

    /// Does what `options` ask for instead of serving; nothing if they ask for nothing.
    fn instead_of_serving(options: &Self::Options, config: &Self::Config) -> Option<Outcome> {
        let _ = (options, config);
        None
    }

    /// Finds out whether it would start with `config`, and be ready, and changes nothing.
    /// Called inside a tokio runtime.
    fn check(config: Self::Config, clock: Clock) -> impl Future<Output = Findings>;

    /// Starts the service. Called inside a tokio runtime. `again` is for services that
    /// change what they do while they run.
    fn start(
        config: Self::Config,
        again: LoadAgain<Self::Config>,
        clock: Clock,
    ) -> impl Future<Output = Result<RunningService, StartError>>;
}

/// Runs the program until the service is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run<P: Program>(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = CommandLine::parse_with(&P::DESCRIPTION, arguments);
    let (line, options): (_, P::Options) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    match invoke::<P>(line, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", P::DESCRIPTION.name);
            ExitCode::FAILURE
        }
    }
}

fn invoke<P: Program>(line: CommandLine, options: &P::Options) -> Outcome {
    if let Some(outcome) = P::without_configuration(options) {
        return outcome;
    }
    let again = line.clone();
    match line.invocation::<P::Config>()? {
        Invocation::Check(configuration) => check::<P>(configuration),
        Invocation::Run {
            configuration,
            ready_file,
        } => P::instead_of_serving(options, &configuration).unwrap_or_else(|| {
            let again = Arc::new(move || again.configuration());
            serve::<P>(configuration, again, ready_file.as_deref())
        }),
    }
}

/// Prints the configuration that is in force, and on standard error what is wrong with it.
fn check<P: Program>(config: P::Config) -> Outcome {
    print!("{}", to_toml(&config)?);
    block_on(async {
        let findings = P::check(config, Clock::system()).await;
        for line in findings.lines() {
            eprintln!("{}: {line}", P::DESCRIPTION.name);
        }
        match findings.are_good() {
            true => Ok(()),
            false => Err("the configuration is not good".into()),
        }
    })
}

fn serve<P: Program>(
    config: P::Config,
    again: LoadAgain<P::Config>,
    ready_file: Option<&Path>,
) -> Outcome {
    logging::start(config.common().log)?;
    block_on(async {
        // Before the start, which may take long: from here on no SIGHUP kills.
        let hangups = Hangups::catch()?;
        let service = P::start(config, again, Clock::system()).await?;
        service.shutdown().on_signals()?;
        service.reload().on_hangups(hangups);
        service.addresses().announce(ready_file)?;
        service.stopped().await;
        Ok(())
    })
}

/// Runs `work` on a runtime of its own.
///
/// # Errors
/// The error of `work`, or that the operating system starts no threads.
pub fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
