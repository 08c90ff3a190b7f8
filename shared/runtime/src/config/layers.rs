//! The places that a configuration comes from, one over the other, and which of
//! them set a key. Not here: what the keys mean, and how an error reads.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::wording::in_plain_words;
use super::{ConfigurationError, Sources};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Its own defaults.
    Service,
    File(PathBuf),
    Variable(String),
    Setting,
}

/// Everything that one place sets.
#[derive(Debug)]
struct Layer {
    origin: Origin,
    /// Of a file, all of it; otherwise the text of the one value.
    text: String,
    /// Of an override, its key.
    key: String,
    table: Table,
}

/// All places; each overrides those before it.
#[derive(Debug)]
pub(super) struct Layers {
    service: &'static str,
    defaults: Table,
    layers: Vec<Layer>,
}

impl Layers {
    /// Reads all of them.
    pub(super) fn read(
        service: &'static str,
        defaults: &str,
        sources: Sources<'_>,
    ) -> Result<Self, ConfigurationError> {
        let defaults =
            toml::from_str(defaults).map_err(|error| not_toml(&Origin::Service, error))?;
        let mut layers = Vec::new();
        layers.extend(sources.file.map(read_file).transpose()?);
        let prefix = variable_prefix(service);
        for (name, value) in sources.environment {
            if let Some(key) = name.strip_prefix(&prefix) {
                let key = key.to_ascii_lowercase().replace("__", ".");
                layers.push(overriding(Origin::Variable(name.clone()), &key, value)?);
            }
        }
        for setting in sources.settings {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| ConfigurationError::SettingMalformed(setting.clone()))?;
            layers.push(overriding(Origin::Setting, key.trim(), value.trim())?);
        }
        Ok(Self {
            service,
            defaults,
            layers,
        })
    }

    /// What all of them together say.
    pub(super) fn deserialize<C: DeserializeOwned>(&mut self) -> Result<C, ConfigurationError> {
        loop {
            let error = match serde_path_to_error::deserialize(self.merged()) {
                Ok(configuration) => return Ok(configuration),
                Err(error) => error,
            };
            let key = error.path().to_string();
            if !self.retry_as_text(&key) {
                return Err(self.refusal(&key, error.inner().message()));
            }
        }
    }

    /// Says of a refusal which place set the key.
    pub(super) fn located(&self, mut error: ConfigurationError) -> ConfigurationError {
        if let ConfigurationError::Refused { key, place, .. } = &mut error {
            *place = self.place(key);
        }
        error
    }

    fn merged(&self) -> Value {
        let mut all = self.defaults.clone();
        for layer in &self.layers {
            merge(&mut all, &layer.table);
        }
        Value::Table(all)
    }

    /// An override that looks like a number may be meant as text: `carrier.iss` can
    /// be a telephone number. Each override is tried as text once.
    fn retry_as_text(&mut self, key: &str) -> bool {
        let mut overrides = self.layers.iter_mut().rev();
        let last = overrides.find(|layer| layer.key == key);
        let Some(layer) = last.filter(|layer| !is_text(&layer.table, key)) else {
            return false;
        };
        match text_at(key, &layer.text) {
            Ok(table) => {
                layer.table = table;
                true
            }
            Err(_) => false,
        }
    }

    fn refusal(&self, key: &str, message: &str) -> ConfigurationError {
        if let Some(missing) = missing_field(message) {
            return self.missing(&join(key, missing));
        }
        ConfigurationError::Key {
            key: key.to_owned(),
            detail: in_plain_words(message),
            place: self
                .place(key)
                .unwrap_or_else(|| "the configuration".to_owned()),
        }
    }

    fn missing(&self, key: &str) -> ConfigurationError {
        let variable = variable_prefix(self.service) + &key.to_uppercase().replace('.', "__");
        let file = self.layers.iter().find_map(|layer| match &layer.origin {
            Origin::File(path) => Some(path.display()),
            _ => None,
        });
        let how = match file {
            Some(file) => format!(
                "set it in {file}, with --set {key}=VALUE or with the environment variable {variable}"
            ),
            None => "name a configuration file with --config".to_owned(),
        };
        ConfigurationError::Missing {
            key: key.to_owned(),
            how,
        }
    }

    /// The last place that sets this key; `None` for a default. A place that sets another
    /// key of the same section is not named, since the operator would look there in vain.
    fn place(&self, key: &str) -> Option<String> {
        let mut layers = self.layers.iter().rev();
        let layer = layers.find(|layer| find(&layer.table, key).is_some());
        layer.map(|layer| layer.place(key))
    }
}

impl Layer {
    fn place(&self, key: &str) -> String {
        match &self.origin {
            Origin::Service => self.origin.to_string(),
            Origin::File(path) => match line_of(&self.text, key) {
                Some(line) => format!("{}, line {line}", path.display()),
                None => path.display().to_string(),
            },
            Origin::Variable(name) => format!("the environment variable {name}"),
            Origin::Setting => format!("--set {}={}", self.key, self.text),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("the defaults of the service"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Setting => f.write_str("--set"),
        }
    }
}

fn variable_prefix(service: &str) -> String {
    format!("PENNYBLACK_{}__", service.to_ascii_uppercase())
}

fn read_file(path: &Path) -> Result<Layer, ConfigurationError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigurationError::FileUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let origin = Origin::File(path.to_owned());
    let table = toml::from_str(&text).map_err(|error| not_toml(&origin, error))?;
    Ok(Layer {
        origin,
        text,
        key: String::new(),
        table,
    })
}

fn overriding(origin: Origin, key: &str, value: &str) -> Result<Layer, ConfigurationError> {
    let as_toml = toml::from_str(&format!("{key} = {value}"));
    let table = as_toml
        .or_else(|_| text_at(key, value))
        .map_err(|error| not_toml(&origin, error))?;
    Ok(Layer {
        origin,
        text: value.to_owned(),
        key: key.to_owned(),
        table,
    })
}

fn text_at(key: &str, value: &str) -> Result<Table, toml::de::Error> {
    toml::from_str(&format!("{key} = {}", Value::from(value)))
}

fn not_toml(origin: &Origin, error: toml::de::Error) -> ConfigurationError {
    ConfigurationError::NotToml {
        place: origin.to_string(),
        source: Box::new(error),
    }
}

/// Tables are merged key by key; everything else is replaced.
fn merge(all: &mut Table, over: &Table) {
    for (key, value) in over {
        match (all.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            _ => {
                all.insert(key.clone(), value.clone());
            }
        }
    }
}

fn is_text(table: &Table, key: &str) -> bool {
    matches!(find(table, key), Some(Value::String(_)))
}

fn find<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let mut parts = parts(key);
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| match value {
        Value::Table(table) => table.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// `issuer[0].url` has the parts `issuer`, `0` and `url`.
fn parts(key: &str) -> impl Iterator<Item = &str> {
    let parts = key.split(['.', '[']);
    parts.map(|part| part.trim_end_matches(']'))
}

fn join(section: &str, key: &str) -> String {
    match section {
        "" | "." => key.to_owned(),
        section => format!("{section}.{key}"),
    }
}

/// serde's message for a key that has to be there.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// The line, from 1, on which the file sets this key.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut parts = parts(key);
    let (name, mut value) = document.get_ref().get_key_value(parts.next()?)?;
    let mut at = name.span().start;
    for part in parts {
        match value.get_ref() {
            toml::de::DeValue::Table(table) => {
                let (name, inner) = table.get_key_value(part)?;
                (at, value) = (name.span().start, inner);
            }
            toml::de::DeValue::Array(items) => {
                value = items.get(part.parse::<usize>().ok()?)?;
                at = value.span().start;
            }
            _ => return None,
        }
    }
    Some(text.get(..at)?.matches('\n').count() + 1)
}
