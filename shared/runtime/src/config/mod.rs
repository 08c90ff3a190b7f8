//! How a service is configured: one TOML file, then the environment, then
//! `--set`, each overriding the one before, read into a documented structure
//! that knows no other keys. The keys of one service stand with that service;
//! here are only the sections that all have.

mod command_line;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod example;
mod layers;
mod safe_url;
mod sections;
mod wording;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use command_line::{CommandLine, Description, Invocation};
pub use error::ConfigurationError;
use layers::Layers;
pub use safe_url::is_safe_url;
pub use sections::{
    AdminConfig, Limits, LogConfig, LogFormat, LogLevel, PublicConfig, TlsConfig, Transport,
};

/// The configuration of a service. No key holds a secret: keys of that kind
/// name files. So [`to_toml`] may print every one.
pub trait Configuration: DeserializeOwned + Serialize {
    /// The service's name, lower-case, for example `issuer`: the environment
    /// variables are `PENNYBLACK_ISSUER__SECTION__KEY`.
    const SERVICE: &'static str;

    /// Defaults of this service where a section's own do not fit, as TOML.
    const DEFAULTS: &'static str = "";

    /// Checks what no single key can say.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] naming the key.
    fn check(&self) -> Result<(), ConfigurationError>;
}

/// Where a configuration comes from; later fields override earlier ones.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The TOML file, if there is one.
    pub file: Option<&'a Path>,
    /// Environment variables; those without the service's prefix are passed over.
    pub environment: &'a [(String, String)],
    /// `section.key=value` texts.
    pub settings: &'a [String],
}

/// Reads and checks a configuration. A value from the environment or from a
/// setting is taken as TOML if it is TOML, as plain text otherwise: `5`,
/// `["a", "b"]` and `127.0.0.1:0` all work without further quotes.
///
/// # Errors
/// [`ConfigurationError`], naming the key and where its value came from.
pub fn load<C: Configuration>(sources: Sources<'_>) -> Result<C, ConfigurationError> {
    let mut layers = Layers::read(C::SERVICE, C::DEFAULTS, sources)?;
    let configuration: C = layers.deserialize()?;
    configuration
        .check()
        .map_err(|error| layers.located(error))?;
    Ok(configuration)
}

/// The configuration as a file that would bring it about.
///
/// # Errors
/// [`ConfigurationError::Unprintable`], which no structure of ours provokes.
pub fn to_toml(configuration: &impl Configuration) -> Result<String, ConfigurationError> {
    toml::to_string(configuration).map_err(ConfigurationError::Unprintable)
}

#[cfg(test)]
mod tests;
