//! Reading the files of a directory that the operator fills.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{MAX_FILE_SIZE, TrustError};

/// The files of a directory with this extension, in the order of their names.
pub(crate) fn files_in(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, TrustError> {
    let entries = fs::read_dir(directory).map_err(TrustError::io(directory))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(TrustError::io(directory))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The contents of a file of at most [`MAX_FILE_SIZE`] bytes.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, TrustError> {
    let size = fs::metadata(path).map_err(TrustError::io(path))?.len();
    if size > MAX_FILE_SIZE {
        return Err(TrustError::TooLarge {
            path: path.to_owned(),
            size,
        });
    }
    fs::read(path).map_err(TrustError::io(path))
}
