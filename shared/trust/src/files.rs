//! Reading the files of a directory that the operator fills.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pennyblack_storage::{file_listing, limited_file};

use crate::error::{MAX_FILE_SIZE, MAX_FILES, TrustError};

/// The files of a directory with one of these extensions, in the order of their names: the
/// first [`MAX_FILES`] of them, with a complaint if there are more or others.
pub(crate) fn files_in(
    directory: &Path,
    extensions: &'static [&'static str],
    complaints: &mut Vec<TrustError>,
) -> Result<BTreeSet<PathBuf>, TrustError> {
    let found = file_listing::list(directory, extensions, MAX_FILES);
    let found = found.map_err(TrustError::io(directory))?;
    if found.is_cut {
        complaints.push(TrustError::TooManyFiles {
            path: directory.to_owned(),
        });
    }
    if !found.others.is_empty() {
        complaints.push(TrustError::OtherFiles {
            paths: found.others,
            extensions,
        });
    }
    Ok(found.files)
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
