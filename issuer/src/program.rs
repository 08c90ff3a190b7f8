//! The issuer as a program: its name, and what it does instead of serving.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::program::{self, Outcome, Program};
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;

use crate::node_memory::NodeMemory;
use crate::{Config, Issuer};

/// What an issuer can be told besides the usual.
#[derive(Debug, Args)]
struct Options {
    /// Forgets what this node has seen of the Redis of [store], so that it takes it
    /// as it is, and exits. Quota that it has lost can be drawn again; after a loss
    /// of keys, to be run for every node, while none is running.
    #[arg(long)]
    accept_older_store: bool,
}

struct IssuerProgram;

impl Program for IssuerProgram {
    const NAME: &'static str = "pennyblack-issuer";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Checks STIR certificates and blind-signs one-time tokens";
    type Config = Config;
    type Options = Options;

    fn instead_of_serving(options: &Options, config: &Config) -> Option<Outcome> {
        options
            .accept_older_store
            .then(|| accept_older_store(config))
    }

    async fn start(config: Config, clock: Clock) -> Result<RunningService, StartError> {
        Issuer::start(config, clock).await
    }
}

/// Runs an issuer until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    program::run::<IssuerProgram>(arguments)
}

fn accept_older_store(config: &Config) -> Outcome {
    let options = config.store.as_ref();
    let options =
        options.ok_or("there is no [store] in the configuration, so there is no Redis")?;
    match NodeMemory::forget(&config.node_directory())? {
        true => println!("This node takes the store at {} as it is.", options.url),
        false => println!(
            "This node remembers nothing of the store at {}.",
            options.url
        ),
    }
    Ok(())
}
