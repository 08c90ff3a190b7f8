//! The file of API keys: one a line, `name sha256:<64 hexadecimal digits>`. It holds no key,
//! only the hashes of random ones, so that reading it helps nobody. Comparing takes as long
//! whatever matches.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pennyblack_base::encoding::{base64url, sha256};
use pennyblack_storage::limited_file;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// Most bytes of the file.
const MAX_FILE: usize = 1024 * 1024;

/// Most keys: each request is compared with all of them.
const MAX_KEYS: usize = 1_000;

/// Bytes of a new key.
const KEY_BYTES: usize = 32;

/// What stands before the digits.
const ALGORITHM: &str = "sha256:";

/// Why a file of API keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// It cannot be read.
    #[error(
        "{}: {source}; the file holds the lines that `pennyblack-gateway --new-api-key NAME` prints",
        path.display()
    )]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is none.
    #[error(
        "{}, line {line}: {reason}; `pennyblack-gateway --new-api-key NAME` makes a key and its line",
        path.display()
    )]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, the first is 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The name of an API key, by which a trunk names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys that are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<(KeyName, [u8; 32])>);

impl ApiKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ApiKeysError`].
    pub fn read(path: &Path) -> Result<Self, ApiKeysError> {
        let file = limited_file::read(path, MAX_FILE).map_err(|source| ApiKeysError::File {
            path: path.to_owned(),
            source,
        })?;
        let text = String::from_utf8_lossy(&file);
        let mut keys: Vec<(KeyName, [u8; 32])> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let refused = |reason| ApiKeysError::Line {
                path: path.to_owned(),
                line: number,
                reason,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = entry(line).map_err(refused)?;
            if keys.iter().any(|(known, _)| *known == name) {
                return Err(refused("a key of this name stands there before"));
            }
            if keys.len() == MAX_KEYS {
                return Err(refused("there are more than 1000 keys"));
            }
            keys.push((name, hash));
        }
        Ok(Self(keys))
    }

    /// The name of the key that was given, if it is one of these. All are compared, in
    /// constant time.
    #[must_use]
    pub fn find(&self, given: &str) -> Option<KeyName> {
        let given = sha256(given.as_bytes());
        let (mut found, mut index) = (Choice::from(0), 0_u64);
        for (number, (_, hash)) in (0_u64..).zip(&self.0) {
            let is_it = hash.ct_eq(&given);
            index.conditional_assign(&number, is_it);
            found |= is_it;
        }
        let index = usize::try_from(index).ok()?;
        let found = bool::from(found).then(|| self.0.get(index));
        found.flatten().map(|(name, _)| name.clone())
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.as_str() == name)
    }

    #[cfg(test)]
    pub(crate) fn of(keys: &[(&str, &str)]) -> Self {
        let keys = keys.iter();
        Self(
            keys.map(|(name, key)| (KeyName((*name).to_owned()), sha256(key.as_bytes())))
                .collect(),
        )
    }
}

fn entry(line: &str) -> Result<(KeyName, [u8; 32]), &'static str> {
    let (name, hash) = line
        .split_once(char::is_whitespace)
        .ok_or("a line is a name, a blank and sha256:<digits>")?;
    let digits = hash.trim().strip_prefix(ALGORITHM);
    let digits = digits.ok_or("after the name stands no sha256:<digits>")?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_| "after sha256: stand no 64 hexadecimal digits")?;
    Ok((KeyName(name.to_owned()), bytes))
}

/// A new key, and the line that lets it in.
#[must_use]
pub fn new_key(name: &str) -> (Zeroizing<String>, String) {
    let secret = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
    let key = Zeroizing::new(base64url(&*secret));
    let mut line = format!("{name} {ALGORITHM}");
    for byte in sha256(key.as_bytes()) {
        // A text takes everything.
        let _ = write!(line, "{byte:02x}");
    }
    (key, line)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<ApiKeys, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        fs::write(&path, text).unwrap();
        ApiKeys::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_new_key_is_let_in_by_its_line_and_no_other_is() {
        let (key, line) = new_key("sbc-1");
        let (other_key, other) = new_key("sbc-2");
        let keys = read(&format!("# keys\n\n{line}\n{other}\n")).unwrap();
        assert_eq!(keys.find(&key).unwrap().as_str(), "sbc-1");
        assert_eq!(keys.find(&other_key).unwrap().as_str(), "sbc-2");
        assert_eq!(keys.find("something"), None);
        assert_eq!(keys.find(""), None);
        assert!(!line.contains(&*key));
        assert!(keys.has("sbc-1") && !keys.has("sbc-3"));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let (_, line) = new_key("a");
        for (text, says) in [
            ("a\n", "line 1"),
            ("\na plaintext\n", "line 2"),
            ("a sha256:00\n", "64 hexadecimal"),
            (&format!("{line}\n{line}\n"), "line 2"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn without_keys_nothing_is_found() {
        assert_eq!(read("").unwrap().find("x"), None);
    }
}
