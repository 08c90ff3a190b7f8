//! The command line that every service has.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use super::{Configuration, ConfigurationError, Sources, load};

/// What a service is told when it is started.
#[derive(Debug, Clone, Default, Parser)]
pub struct CommandLine {
    /// The configuration file (TOML). Its example explains every key.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key, such as log.level=debug; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub settings: Vec<String>,
    /// Does all that a start would, short of changing anything; prints the effective
    /// configuration, and what is wrong. Exits with 0 if the service would start and be ready.
    #[arg(long)]
    pub check_config: bool,
    /// Writes the addresses as one line of JSON to this file as soon as
    /// connections are accepted; the same line goes to standard output.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// What `--help` says of a program.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is, in a paragraph: the beginning of the help.
    pub about: &'static str,
    /// How it is called: the end of the help.
    pub examples: &'static str,
}

impl Description {
    fn describe(&self, command: clap::Command) -> clap::Command {
        command
            .name(self.name)
            .version(self.version)
            .about(self.about)
            .long_about(None)
            .after_help(self.examples)
    }
}

/// What a command line and the environment amount to.
#[derive(Debug)]
pub enum Invocation<C> {
    /// Run with this configuration.
    Run {
        /// The configuration, checked.
        configuration: C,
        /// Where to write the addresses, besides standard output.
        ready_file: Option<PathBuf>,
    },
    /// Say whether the service would start with it.
    Check(C),
}

impl CommandLine {
    /// Reads the arguments of the process (the first is the program's name).
    /// `--help` and `--version` are errors of clap with an exit code of 0.
    ///
    /// # Errors
    /// clap's, to be printed with [`clap::Error::exit`].
    pub fn parse_for(
        program: &Description,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let command = program.describe(Self::command());
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    /// [`Self::parse_for`] for a service that has arguments of its own besides.
    ///
    /// # Errors
    /// clap's, to be printed with [`clap::Error::exit`].
    pub fn parse_with<O: Args>(
        program: &Description,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, O), clap::Error> {
        // Described last: the doc comments of both sets of arguments are not about
        // the program.
        let command = program.describe(O::augment_args(Self::command()));
        let matches = command.try_get_matches_from(arguments)?;
        Ok((
            Self::from_arg_matches(&matches)?,
            O::from_arg_matches(&matches)?,
        ))
    }

    /// Loads the configuration with this process's environment.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn configuration<C: Configuration>(&self) -> Result<C, ConfigurationError> {
        let environment: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        load(Sources {
            file: self.config.as_deref(),
            environment: &environment,
            settings: &self.settings,
        })
    }

    /// Loads the configuration, and does with it what the command line asks for.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn invocation<C: Configuration>(self) -> Result<Invocation<C>, ConfigurationError> {
        let configuration: C = self.configuration()?;
        if self.check_config {
            return Ok(Invocation::Check(configuration));
        }
        Ok(Invocation::Run {
            configuration,
            ready_file: self.ready_file,
        })
    }
}
