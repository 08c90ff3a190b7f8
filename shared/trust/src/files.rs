//! Reading the files of a directory that the operator fills.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pennyblack_storage::limited_file;

use crate::error::{MAX_FILE_SIZE, MAX_FILES, TrustError};

/// The files of a directory with this extension, in the order of their names: the first
/// [`MAX_FILES`] of them, with a complaint if there are more.
pub(crate) fn files_in(
    directory: &Path,
    extension: &str,
    complaints: &mut Vec<TrustError>,
) -> Result<BTreeSet<PathBuf>, TrustError> {
    let entries = fs::read_dir(directory).map_err(TrustError::io(directory))?;
    let mut paths = BTreeSet::new();
    let mut are_too_many = false;
    for entry in entries {
        let path = entry.map_err(TrustError::io(directory))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.insert(path);
        }
        if paths.len() > MAX_FILES {
            paths.pop_last();
            are_too_many = true;
        }
    }
    if are_too_many {
        complaints.push(TrustError::TooManyFiles {
            path: directory.to_owned(),
            extension: extension.to_owned(),
        });
    }
    Ok(paths)
}

/// The contents of a file of at most [`MAX_FILE_SIZE`] bytes. What is another thing than
/// such a file is told from one that the system does not let us read.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, TrustError> {
    limited_file::read(path, MAX_FILE_SIZE).map_err(|source| match source.kind() {
        ErrorKind::FileTooLarge | ErrorKind::InvalidInput => TrustError::Unread {
            path: path.to_owned(),
            source,
        },
        _ => TrustError::io(path)(source),
    })
}
