//! The CPS as a program: command line, runtime, signals, exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use pennyblack_service::clock::Clock;
use pennyblack_service::config::{CommandLine, Invocation};
use pennyblack_service::logging;

use crate::{Config, Cps};

/// Runs a CPS until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let about = "Stores sealed PASSporTs against one-time tokens and serves them to whoever asks";
    let version = env!("CARGO_PKG_VERSION");
    let line = match CommandLine::parse_for("pennyblack-cps", version, about, arguments) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    let outcome = match line.invocation::<Config>() {
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            Ok(())
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
            eprintln!("pennyblack-cps: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cps = Cps::start(config, Clock::system()).await?;
        cps.shutdown().on_signals()?;
        cps.addresses().announce(ready_file)?;
        cps.stopped().await;
        Ok(())
    })
}
