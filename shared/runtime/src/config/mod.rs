//! How a service is configured: one TOML file, then the environment, then
//! `--set`, each overriding the one before, read into a documented structure
//! that knows no other keys. The keys of one service stand with that service;
//! here are only the sections that all have.

mod command_line;
mod error;
mod safe_url;
mod sections;

use std::fs;
use std::path::Path;

use config::{Config, File, FileFormat};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use command_line::{CommandLine, Invocation};
pub use error::ConfigurationError;
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
    let mut builder = Config::builder();
    if let Some(path) = sources.file {
        builder = builder.add_source(read_file(path)?);
    }
    let prefix = format!("PENNYBLACK_{}__", C::SERVICE.to_ascii_uppercase());
    for (name, value) in sources.environment {
        if let Some(key) = name.strip_prefix(&prefix) {
            let key = key.to_ascii_lowercase().replace("__", ".");
            builder = builder.add_source(overriding(name, &key, value)?);
        }
    }
    for setting in sources.settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| ConfigurationError::SettingMalformed(setting.clone()))?;
        builder = builder.add_source(overriding(setting, key.trim(), value.trim())?);
    }
    let configuration: C = builder
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| ConfigurationError::key(error, sources.file))?;
    configuration.check()?;
    Ok(configuration)
}

/// The configuration as a file that would bring it about.
///
/// # Errors
/// [`ConfigurationError::Unprintable`], which no structure of ours provokes.
pub fn to_toml(configuration: &impl Configuration) -> Result<String, ConfigurationError> {
    toml::to_string(configuration).map_err(ConfigurationError::Unprintable)
}

type Text = File<config::FileSourceString, FileFormat>;

fn read_file(path: &Path) -> Result<Text, ConfigurationError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigurationError::FileUnreadable {
        path: path.to_owned(),
        source,
    })?;
    // Parsed here so that an error tells line and column, and names the file.
    toml::from_str::<toml::Table>(&text).map_err(|source| ConfigurationError::NotToml {
        place: path.display().to_string(),
        source: Box::new(source),
    })?;
    Ok(File::from_str(&text, FileFormat::Toml))
}

fn overriding(place: &str, key: &str, value: &str) -> Result<Text, ConfigurationError> {
    let as_toml = format!("{key} = {value}");
    let text = match toml::from_str::<toml::Table>(&as_toml) {
        Ok(_) => as_toml,
        Err(_) => format!("{key} = {}", toml::Value::from(value)),
    };
    toml::from_str::<toml::Table>(&text).map_err(|source| ConfigurationError::NotToml {
        place: place.to_owned(),
        source: Box::new(source),
    })?;
    Ok(File::from_str(&text, FileFormat::Toml))
}

#[cfg(test)]
mod tests;
