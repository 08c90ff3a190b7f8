//! The gateway as a program: its name, and what it does instead of serving.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::Description;
use pennyblack_service::findings::Findings;
use pennyblack_service::program::{self, LoadAgain, Outcome, Program};
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;

use crate::access::api_keys;
use crate::{Config, Gateway, outside};

const DESCRIPTION: Description = Description {
    name: "pennyblack-gateway",
    version: env!("CARGO_PKG_VERSION"),
    about: "A telephone gateway for out-of-band STIR: signs, stores and verifies calls for \
            SBCs and softswitches that ask over HTTP or SIP, inside a deadline.",
    examples: "\
Examples:
  pennyblack-gateway --config gateway.toml
  # is the configuration good, and what is in force?
  pennyblack-gateway --config gateway.toml --check-config
  # a key for a switch, and its line for the file http.api_keys
  pennyblack-gateway --new-api-key sbc-1

client/gateway/gateway.example.toml explains every key of the configuration.",
};

/// The arguments that only a gateway has.
#[derive(Debug, Args)]
struct Options {
    /// Prints a new API key and the line that lets it in, and exits. The file of http.api_keys
    /// gets the line; nobody can get the key out of it.
    #[arg(long, value_name = "NAME", value_parser = key_name)]
    new_api_key: Option<String>,
}

/// A name has no blanks: it is the first word of its line.
fn key_name(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err("use letters, digits, '-', '.' and '_'".to_owned()),
    }
}

struct GatewayProgram;

impl Program for GatewayProgram {
    const DESCRIPTION: Description = DESCRIPTION;
    type Config = Config;
    type Options = Options;

    fn without_configuration(options: &Options) -> Option<Outcome> {
        let name = options.new_api_key.as_deref()?;
        let (key, line) = api_keys::new_key(name);
        println!("key (give it to the switch): {}", *key);
        println!("line (append it to http.api_keys): {line}");
        Some(Ok(()))
    }

    fn instead_of_serving(_: &Options, _: &Config) -> Option<Outcome> {
        None
    }

    async fn check(config: Config, clock: Clock) -> Findings {
        outside::check(config, clock).await
    }

    async fn start(
        config: Config,
        again: LoadAgain<Config>,
        clock: Clock,
    ) -> Result<RunningService, StartError> {
        Gateway::start(config, again, clock).await
    }
}

/// Runs a gateway until it is asked to stop. `arguments` are those of the process, the first
/// one its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    program::run::<GatewayProgram>(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_without_a_configuration() {
        let run = |arguments: &[&str]| run(arguments.iter().map(Into::into).collect());
        let made = run(&["pennyblack-gateway", "--new-api-key", "sbc-1"]);
        assert_eq!(made, ExitCode::SUCCESS);
        let nowhere = ["pennyblack-gateway", "--config", "/none/gateway.toml"];
        assert_eq!(run(&nowhere), ExitCode::FAILURE);
    }
}
