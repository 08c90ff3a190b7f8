//! What can be wrong with a configuration, in sentences for the operator.

use std::path::PathBuf;

/// A configuration that a service does not start with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file is missing or may not be read.
    #[error("cannot read the configuration file {}: {source}; check the path after --config, or copy the example configuration there", path.display())]
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
    /// A key that is unknown, or a value that its key does not take.
    #[error("{key}: {detail} ({place})")]
    Key {
        /// The key, with its sections.
        key: String,
        /// What is wrong with it, and what would be right.
        detail: String,
        /// The file with the line, the environment variable or the setting.
        place: String,
    },
    /// A key that has to be there.
    #[error("{key} is not set: {how}; the example configuration of this service explains it")]
    Missing {
        /// The key, with its sections.
        key: String,
        /// Where it can be set.
        how: String,
    },
    /// Values that do not go together, or that this service does not accept.
    #[error("{key}: {reason}; {advice}{}", in_place(place.as_deref()))]
    Refused {
        /// The key, with its sections.
        key: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        advice: String,
        /// Where it was set, if it was.
        place: Option<String>,
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
            place: None,
        }
    }

    /// Refuses limits of zero, which let nothing through.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] naming the first.
    pub fn refuse_zeros<K: Into<String>>(
        limits: impl IntoIterator<Item = (K, usize)>,
    ) -> Result<(), Self> {
        let mut limits = limits.into_iter();
        match limits.find(|(_, limit)| *limit == 0) {
            None => Ok(()),
            Some((key, _)) => Err(Self::refused(
                key,
                "a limit of zero lets no request through",
                "set 1 or more",
            )),
        }
    }
}

fn in_place(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(" ({place})"))
}
