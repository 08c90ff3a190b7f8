//! For tests: holds an example configuration against the defaults. Lines that begin with
//! `#:` show keys that are not set, with their defaults if they have any.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::{Configuration, ConfigurationError, Sources, load, to_toml};

/// What the keys of an example that it does not set come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ExampleKeys {
    /// Keys that have a default, and another value in the example.
    pub other_than_default: Vec<String>,
    /// Keys that have no default, or cannot be set alone.
    pub without_default: BTreeSet<String>,
    /// Keys with a default that the example does not name.
    pub unexplained: Vec<String>,
}

impl ExampleKeys {
    /// An example that shows every default as it is, and besides these keys only such.
    #[must_use]
    pub fn all_default_but<const N: usize>(without_default: [&str; N]) -> Self {
        Self {
            without_default: without_default.map(str::to_owned).into(),
            ..Self::default()
        }
    }
}

/// Compares the example at `path`. `required` are settings without which sections that it does
/// not set cannot be there. Sections that can be repeated are left out.
///
/// # Errors
/// [`ConfigurationError`] if the example with `required` is refused, or is not TOML.
pub fn keys_of<C: Configuration>(
    path: &Path,
    required: &[&str],
) -> Result<ExampleKeys, ConfigurationError> {
    let effective = |setting: Option<String>| {
        let settings = required.iter().map(|text| (*text).to_owned());
        let settings: Vec<_> = settings.chain(setting).collect();
        let configuration: C = load(Sources {
            file: Some(path),
            environment: &[],
            settings: &settings,
        })?;
        to_toml(&configuration)
    };
    let defaults = effective(None)?;
    let known = leaves(&table(&defaults, path)?);
    let (text, whole) = read(path)?;
    let set = leaves(&table(&text, path)?);
    let shown = leaves(&table(&whole, path)?);
    let mut keys = ExampleKeys::default();
    for (key, value) in shown.iter().filter(|leaf| !set.contains(leaf)) {
        match effective(Some(format!("{key}={value}"))) {
            Ok(same) if same == defaults => {}
            _ if known.iter().any(|(known, _)| known == key) => {
                keys.other_than_default.push(format!("{key} = {value}"));
            }
            _ => {
                keys.without_default.insert(key.clone());
            }
        }
    }
    let is_shown = |key: &String| shown.iter().any(|(shown, _)| shown == key);
    let unexplained = known.into_iter().map(|(key, _)| key);
    keys.unexplained = unexplained.filter(|key| !is_shown(key)).collect();
    Ok(keys)
}

/// The example as it is, and with all that it shows.
fn read(path: &Path) -> Result<(String, String), ConfigurationError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| ConfigurationError::FileUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines();
    let shown = lines.map(|line| line.strip_prefix("#:").unwrap_or(line));
    let whole = shown.collect::<Vec<_>>().join("\n");
    Ok((text, whole))
}

fn table(text: &str, path: &Path) -> Result<Table, ConfigurationError> {
    text.parse().map_err(|source| ConfigurationError::NotToml {
        place: path.display().to_string(),
        source: Box::new(source),
    })
}

/// The keys with their sections, and their values.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let below = |(key, value): (&String, &Value)| match value {
        Value::Table(section) => {
            let leaves = leaves(section).into_iter();
            leaves
                .map(|(below, value)| (format!("{key}.{below}"), value))
                .collect()
        }
        Value::Array(elements) if elements.iter().any(Value::is_table) => Vec::new(),
        // A section that can be repeated, and is not there.
        Value::Array(elements) if elements.is_empty() => Vec::new(),
        value => vec![(key.clone(), value.clone())],
    };
    table.iter().flat_map(below).collect()
}
