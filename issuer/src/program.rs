//! The issuer as a program: command line, runtime, signals, exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use pennyblack_service::clock::Clock;
use pennyblack_service::config::{CommandLine, Invocation};
use pennyblack_service::logging;

use crate::{Config, Issuer};

/// Runs an issuer until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let about = "Checks STIR certificates and blind-signs one-time tokens";
    let version = env!("CARGO_PKG_VERSION");
    let line = match CommandLine::parse_for("pennyblack-issuer", version, about, arguments) {
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
            eprintln!("pennyblack-issuer: {error}");
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
        let issuer = Issuer::start(config, Clock::system()).await?;
        issuer.shutdown().on_signals()?;
        issuer.addresses().announce(ready_file)?;
        issuer.stopped().await;
        Ok(())
    })
}
