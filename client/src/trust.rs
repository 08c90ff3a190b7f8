//! What certificates of other parties are judged by here: roots and revocation
//! lists from files. Not here: the judging (`pennyblack_stir`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::{
    MAX_LIST_SIZE, RevocationError, RevocationLists, TrustAnchors, TrustError, TrustPolicy,
};
use pennyblack_storage::limited_file;

use crate::missing_file;

/// How long past its `nextUpdate` a list is still relied upon.
const LIST_GRACE: Duration = Duration::from_secs(3600);

/// Most bytes of a file: the largest list as PEM, with its signer.
const MAX_FILE_SIZE: usize = 2 * MAX_LIST_SIZE;

const FOR_TESTS: &str =
    "`pennyblack pki init` makes a directory with roots and revocation lists for tests";

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustFilesError {
    /// A file or directory could not be read.
    #[error("{}: {source}{}", path.display(), missing_file::advice(source, FOR_TESTS))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The roots are not usable.
    #[error("roots {}: {error}", path.display())]
    Roots {
        /// Where they lie.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
    /// A revocation list is not usable.
    #[error("revocation list {}: {error}", path.display())]
    List {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: RevocationError,
    },
    /// The directory of revocation lists holds none.
    #[error("{} holds no .crl file: put the revocation lists there, or leave the option out", .0.display())]
    NoLists(PathBuf),
}

impl TrustFilesError {
    /// True when what is wrong are the roots in `roots`; else the lists are.
    #[must_use]
    pub fn is_of_the_roots(&self, roots: &Path) -> bool {
        match self {
            Self::File { path, .. } => path.starts_with(roots),
            Self::Roots { .. } => true,
            Self::List { .. } | Self::NoLists(_) => false,
        }
    }
}

/// Reads roots (a PEM file, or a directory of `.pem` files) and revocation lists
/// (a PEM file that also holds the certificate of the list's signer, or a
/// directory of such `.crl` files). Without lists nothing counts as revoked. Anything that
/// is wrong with one file is an error. Which lists were read before is not remembered.
///
/// # Errors
/// [`TrustFilesError`].
pub fn load_trust(
    roots: &Path,
    revocation: Option<&Path>,
    now: UnixTime,
) -> Result<TrustPolicy, TrustFilesError> {
    let mut pem = Vec::new();
    for file in files(roots, "pem")? {
        pem.extend(limited_file::read(&file, MAX_FILE_SIZE).map_err(at(&file))?);
        pem.push(b'\n');
    }
    let anchors = TrustAnchors::from_pem(&pem).map_err(|error| TrustFilesError::Roots {
        path: roots.to_owned(),
        error,
    })?;
    let Some(revocation) = revocation else {
        return Ok(TrustPolicy::new(Arc::new(anchors)));
    };
    let mut lists = RevocationLists::none();
    let list_files = files(revocation, "crl")?;
    if list_files.is_empty() {
        return Err(TrustFilesError::NoLists(revocation.to_owned()));
    }
    for file in list_files {
        let list = limited_file::read(&file, MAX_FILE_SIZE).map_err(at(&file))?;
        lists
            .add_pem(&list, &anchors, now)
            .map_err(|error| TrustFilesError::List { path: file, error })?;
    }
    Ok(TrustPolicy::new(Arc::new(anchors)).with_revocation(Arc::new(lists), LIST_GRACE))
}

fn files(path: &Path, extension: &str) -> Result<Vec<PathBuf>, TrustFilesError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(at(path))?;
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(at(path))?;
    found.retain(|file| file.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TrustFilesError + use<> {
    let path = path.to_owned();
    |source| TrustFilesError::File { path, source }
}
