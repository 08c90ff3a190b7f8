//! The issuer as a program: command line, runtime, signals, exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use pennyblack_service::clock::Clock;
use pennyblack_service::config::{CommandLine, Invocation, Program};
use pennyblack_service::logging;

use crate::node_memory::NodeMemory;
use crate::{Config, Issuer};

const PROGRAM: Program = Program {
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
struct Verbs {
    /// Forgets what this node has seen of the Redis of [store], so that it accepts
    /// that Redis as it is, and exits. Quota that Redis has lost can be drawn again.
    /// After a loss of keys run it for every node, while none is running.
    #[arg(long)]
    accept_older_store: bool,
}

/// Runs an issuer until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = CommandLine::parse_with(&PROGRAM, arguments);
    let (line, verbs): (_, Verbs) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let outcome = match line.invocation::<Config>() {
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            Ok(())
        }
        Ok(Invocation::Run { configuration, .. }) if verbs.accept_older_store => {
            accept_older_store(&configuration)
        }
        Ok(Invocation::Run {
            configuration,
            ready_file,
        }) => serve(configuration, ready_file.as_deref()),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pennyblack-issuer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn accept_older_store(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
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

fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let issuer = Issuer::start(config, Clock::system()).await?;
        issuer.shutdown().on_signals()?;
        issuer.addresses().announce(ready_file)?;
        issuer.stopped().await;
        Ok(())
    })
}
