//! What is said of a file that cannot be opened. Not here: opening it.

use std::io;
use std::path::{Path, PathBuf};

/// What a kind of file is called, and what to do when one cannot be opened.
pub(crate) struct Words {
    /// Its name without an article: `wallet`.
    pub(crate) name: &'static str,
    /// How another file is named; it follows "name a file in a directory that exists and is
    /// yours".
    pub(crate) naming: &'static str,
    /// What to do besides when others may have read it; it follows the command.
    pub(crate) leaked: &'static str,
    /// What to do with a file of a version from which no upgrade leads here.
    pub(crate) other_version: fn(i32) -> &'static str,
}

/// A file that is none of this program's, or not its owner's alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseFileError {
    /// The file could not be made or looked at.
    #[error(
        "{name} {}: {source}; name a file in a directory that exists and is yours{naming}",
        path.display()
    )]
    Unusable {
        /// What the file is.
        name: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// How another is named.
        naming: &'static str,
    },
    /// Others may read it, and with it what its owner does, or spend what is in it.
    #[error(
        "others may read the {name} {} (mode {mode:03o}): run chmod 600 {}{leaked}",
        path.display(), path.display()
    )]
    Permissions {
        /// What the file is.
        name: &'static str,
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do besides.
        leaked: &'static str,
    },
    /// Written by a later version of this program, or by one from which no upgrade leads here.
    #[error(
        "the {name} {} has tables of version {found}, and this program knows version {known}: \
         {advice}", path.display()
    )]
    Version {
        /// What the file is.
        name: &'static str,
        /// Which.
        path: PathBuf,
        /// The version in it.
        found: i32,
        /// The version that is read and written here.
        known: i32,
        /// What to do.
        advice: &'static str,
    },
}

impl Words {
    pub(crate) fn unusable(&self, path: &Path, source: io::Error) -> DatabaseFileError {
        DatabaseFileError::Unusable {
            name: self.name,
            path: path.to_owned(),
            source,
            naming: self.naming,
        }
    }

    pub(super) fn other_version(&self, path: &Path, found: i32, known: i32) -> DatabaseFileError {
        DatabaseFileError::Version {
            name: self.name,
            path: path.to_owned(),
            found,
            known,
            advice: (self.other_version)(found),
        }
    }
}
