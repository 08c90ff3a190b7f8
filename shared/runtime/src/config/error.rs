//! What can be wrong with a configuration, in sentences for the operator.

use std::path::{Path, PathBuf};

/// A configuration that a service does not start with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file is missing or may not be read.
    #[error("cannot read the configuration file {}: {source}; check the path after --config", path.display())]
    FileUnreadable {
        /// The path that was tried.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Text that is not TOML.
    #[error("{place} is not TOML: {source}")]
    NotToml {
        /// The file, environment variable or setting.
        place: String,
        /// Line, column and reason.
        source: Box<toml::de::Error>,
    },
    /// A `--set` without an equals sign.
    #[error("--set {0} is not of the form section.key=value")]
    SettingMalformed(String),
    /// A key that is unknown, missing, or of another type.
    #[error("{detail} (in {place}); the example configuration of this service explains every key")]
    Key {
        /// The key and what is wrong with it.
        detail: String,
        /// The file, if there is one, and what overrides it.
        place: String,
    },
    /// Values that do not go together, or that this service does not accept.
    #[error("{key}: {reason}; {advice}")]
    Refused {
        /// The key, with its sections.
        key: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A configuration that TOML cannot express.
    #[error("the effective configuration cannot be printed as TOML: {0}")]
    Unprintable(toml::ser::Error),
}

impl ConfigurationError {
    /// A refusal of `key` for `reason`; `advice` begins with a verb.
    pub fn refused(
        key: impl Into<String>,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Refused {
            key: key.into(),
            reason: reason.into(),
            advice: advice.into(),
        }
    }

    pub(super) fn key(error: config::ConfigError, file: Option<&Path>) -> Self {
        let file = file.map_or_else(
            || "no configuration file".to_owned(),
            |path| path.display().to_string(),
        );
        Self::Key {
            detail: error.to_string(),
            place: format!("{file}, environment and --set taken together"),
        }
    }
}
