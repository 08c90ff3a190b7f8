//! The issuer as a program: its name, and what it does instead of serving.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::Description;
use pennyblack_service::findings::Findings;
use pennyblack_service::program::{self, LoadAgain, Outcome, Program};
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;
use pennyblack_trust::accept_older_lists;

use crate::node_memory::NodeMemory;
use crate::{Config, Issuer, outside};

const DESCRIPTION: Description = Description {
    name: "pennyblack-issuer",
    version: env!("CARGO_PKG_VERSION"),
    about: "An issuer for out-of-band STIR: checks a carrier's STIR certificate and signs \
            one-time tokens blindly, at most as many in a key epoch as the carrier's quota.",
    examples: "\
Examples:
  pennyblack-issuer --config issuer.toml
  # is the configuration good, and what is in force?
  pennyblack-issuer --config issuer.toml --check-config
  # one key by option, one by environment variable
  PENNYBLACK_ISSUER__QUOTA__TOKENS=50000 \\
      pennyblack-issuer --config issuer.toml --set log.level=debug

issuer/issuer.example.toml explains every key of the configuration.",
};

/// The arguments that only an issuer has.
#[derive(Debug, Args)]
struct Options {
    /// Forgets what this node has seen of the Redis of [store], so that it accepts
    /// that Redis as it is, and exits. Quota that Redis has lost can be drawn again.
    /// After a loss of keys run it for every node, while none is running.
    #[arg(long)]
    accept_older_store: bool,
    /// Forgets which revocation lists this node has seen, and exits. When it starts next,
    /// it accepts the lists that it finds, though they may be older, and misses none:
    /// certificates that a later list revoked are good again. Stop it first.
    #[arg(long, conflicts_with = "accept_older_store")]
    accept_older_lists: bool,
}

struct IssuerProgram;

impl Program for IssuerProgram {
    const DESCRIPTION: Description = DESCRIPTION;
    type Config = Config;
    type Options = Options;

    fn instead_of_serving(options: &Options, config: &Config) -> Option<Outcome> {
        match options {
            Options {
                accept_older_store: true,
                ..
            } => Some(accept_older_store(config)),
            Options {
                accept_older_lists: true,
                ..
            } => Some(accept_older_lists(&config.trust_directory())),
            _ => None,
        }
    }

    async fn check(config: Config, clock: Clock) -> Findings {
        outside::check(&config, &clock).await
    }

    async fn start(
        config: Config,
        _: LoadAgain<Config>,
        clock: Clock,
    ) -> Result<RunningService, StartError> {
        Issuer::start(config, clock).await
    }
}

/// Runs an issuer until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    program::run::<IssuerProgram>(arguments)
}

fn accept_older_store(config: &Config) -> Outcome {
    let options = config.store.as_ref();
    let options =
        options.ok_or("the configuration has no [store], so there is no Redis: set store.url")?;
    match NodeMemory::forget(&config.node_directory())? {
        true => println!("This node accepts the store at {} as it is.", options.url),
        false => println!(
            "This node remembers nothing of the store at {}.",
            options.url
        ),
    }
    Ok(())
}
