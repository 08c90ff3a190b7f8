//! The file that holds a mailbox's private key, mode 0600.

use std::io;
use std::path::{Path, PathBuf};

use pennyblack_sealing::mailbox::{Kem, KeyError, RecipientKey};
use pennyblack_storage::atomic_file::{self, PrivateFileError};

use crate::missing_file;

/// Why a mailbox key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxKeyError {
    /// The file could not be written.
    #[error("mailbox key {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be read, or others can read it too.
    #[error("mailbox key {}{}", .0, advice(.0))]
    Private(#[from] PrivateFileError),
    /// There is one already; overwriting it would lose a mailbox.
    #[error("{} exists already: choose another file, since without its key a mailbox cannot be read", .0.display())]
    Exists(PathBuf),
    /// The file holds no key.
    #[error(
        "mailbox key {}: {error}; it is not a file that `pennyblack mailbox create` has made",
        path.display()
    )]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: KeyError,
    },
}

fn advice(error: &PrivateFileError) -> String {
    match error {
        PrivateFileError::Io { error, .. } => {
            missing_file::advice(error, "`pennyblack mailbox create` makes one")
        }
        _ => String::new(),
    }
}

/// Makes a key and writes it.
///
/// # Errors
/// [`MailboxKeyError`].
pub fn create_mailbox_key(path: &Path, kem: Kem) -> Result<RecipientKey, MailboxKeyError> {
    if path.exists() {
        return Err(MailboxKeyError::Exists(path.to_owned()));
    }
    let key = RecipientKey::generate(kem, &mut rand::rng());
    let key = key.map_err(|error| MailboxKeyError::Key {
        path: path.to_owned(),
        error,
    })?;
    atomic_file::write_private(path, &key.to_bytes()).map_err(|source| MailboxKeyError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(key)
}

/// Reads what [`create_mailbox_key`] wrote.
///
/// # Errors
/// [`MailboxKeyError`].
pub fn load_mailbox_key(path: &Path) -> Result<RecipientKey, MailboxKeyError> {
    let bytes = atomic_file::read_private(path)?;
    RecipientKey::from_bytes(&bytes).map_err(|error| MailboxKeyError::Key {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file_which_is_for_its_owner_only() {
        let home = tempfile::tempdir().unwrap();
        for kem in Kem::ALL {
            let path = home.path().join(format!("{}.key", kem.id()));
            let key = create_mailbox_key(&path, kem).unwrap();
            assert_eq!(load_mailbox_key(&path).unwrap().mailbox(), key.mailbox());
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(matches!(
                create_mailbox_key(&path, kem),
                Err(MailboxKeyError::Exists(_))
            ));
        }
    }
}
