//! The relay as a program.

use std::ffi::OsString;
use std::process::ExitCode;

use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::Description;
use pennyblack_service::findings::Findings;
use pennyblack_service::program::{self, LoadAgain, NoOptions, Program};
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;

use crate::{Config, Relay, outside};

const DESCRIPTION: Description = Description {
    name: "pennyblack-relay",
    version: env!("CARGO_PKG_VERSION"),
    about: "An Oblivious HTTP relay (RFC 9458): passes sealed requests on to the gateways that \
            its configuration names, and to nobody else. It can read neither requests nor \
            answers, keeps no file, and writes no client's address anywhere.",
    examples: "\
Examples:
  pennyblack-relay --config relay.toml
  # is the configuration good, and what is in force?
  pennyblack-relay --config relay.toml --check-config
  # one key by option, one by environment variable
  PENNYBLACK_RELAY__CLIENTS__AT_ONCE=64 \\
      pennyblack-relay --config relay.toml --set forward.deadline=2s

client/relay/relay.example.toml explains every key of the configuration.",
};

struct RelayProgram;

impl Program for RelayProgram {
    const DESCRIPTION: Description = DESCRIPTION;
    type Config = Config;
    type Options = NoOptions;

    async fn check(config: Config, _: Clock) -> Findings {
        outside::check(&config).await
    }

    async fn start(
        config: Config,
        _: LoadAgain<Config>,
        _: Clock,
    ) -> Result<RunningService, StartError> {
        Relay::start(config).await
    }
}

/// Runs a relay until it is asked to stop. `arguments` are those of the process, the first
/// one its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    program::run::<RelayProgram>(arguments)
}
