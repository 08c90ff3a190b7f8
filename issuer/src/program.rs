//! The issuer as a program: command line, runtime, signals, exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{CommandLine, Invocation};
use pennyblack_runtime::logging;

use crate::node_memory::NodeMemory;
use crate::{Config, Issuer};

/// What an issuer can be told besides the usual.
#[derive(Debug, Args)]
struct Verbs {
    /// Forgets what this node has seen of the Redis of [store], so that it takes it
    /// as it is, and exits. Quota that it has lost can be drawn again; after a loss
    /// of keys, to be run for every node, while none is running.
    #[arg(long)]
    accept_older_store: bool,
}

/// Runs an issuer until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let about = "Checks STIR certificates and blind-signs one-time tokens";
    let version = env!("CARGO_PKG_VERSION");
    let parsed = CommandLine::parse_with("pennyblack-issuer", version, about, arguments);
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
