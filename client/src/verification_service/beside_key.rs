//! What is written down of a mailbox key, as JSON in files beside its own.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_storage::{atomic_file, limited_file};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of such a file.
const MAX_SIZE: usize = 1024 * 1024;

/// Why it is not known what is written down of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BesideKeyError {
    /// The file could not be read or written.
    #[error("{}, which says {what}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} does not say {what} ({source}): {advice}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// What to do.
        advice: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// A kind of file beside that of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct BesideKey {
    /// What its name has at its end.
    pub(super) suffix: &'static str,
    /// What it says.
    pub(super) what: &'static str,
    /// What to do if it says something else.
    pub(super) advice: &'static str,
}

impl BesideKey {
    /// What the file holds; nothing if there is none.
    pub(super) fn read<T: DeserializeOwned + Default>(
        self,
        mailbox_key: &Path,
    ) -> Result<T, BesideKeyError> {
        let path = self.path(mailbox_key);
        match limited_file::read(&path, MAX_SIZE) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| self.form(path, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
            Err(source) => Err(self.file(path, source)),
        }
    }

    /// Changes what the file holds. It is durable when this returns. Others who do the same
    /// with this key wait meanwhile.
    pub(super) fn change<T: Serialize + DeserializeOwned + Default>(
        self,
        mailbox_key: &Path,
        change: impl FnOnce(&mut T),
    ) -> Result<T, BesideKeyError> {
        let path = self.path(mailbox_key);
        let locked = File::open(mailbox_key).and_then(|key| key.lock().map(|()| key));
        let _locked = locked.map_err(|source| self.file(mailbox_key.to_owned(), source))?;
        let mut all = self.read(mailbox_key)?;
        change(&mut all);
        match serde_json::to_vec(&all) {
            Ok(json) => match atomic_file::write_private(&path, &json) {
                Ok(()) => Ok(all),
                Err(source) => Err(self.file(path, source)),
            },
            Err(error) => Err(self.form(path, error)),
        }
    }

    fn path(self, mailbox_key: &Path) -> PathBuf {
        let mut path = mailbox_key.as_os_str().to_owned();
        path.push(self.suffix);
        path.into()
    }

    fn file(self, path: PathBuf, source: io::Error) -> BesideKeyError {
        let what = self.what;
        BesideKeyError::File { path, what, source }
    }

    fn form(self, path: PathBuf, source: serde_json::Error) -> BesideKeyError {
        BesideKeyError::Form {
            path,
            what: self.what,
            advice: self.advice,
            source,
        }
    }
}
