//! A numbering table in a file: read up to its limit, and said to be wrong with the file's
//! name.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use pennyblack_stir::numbering::{MAX_TABLE_SIZE, NumberingError, NumberingTable};
use pennyblack_storage::limited_file;

/// A file that cannot be used as a numbering table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableFileError {
    /// It cannot be read, or is too large.
    #[error("{}: {error}{}", path.display(), advice(error))]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// It holds something else.
    #[error("{}: {error}", path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: NumberingError,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => {
            "; a numbering table is a CSV file of SPC, first number and count, as `pennyblack \
             numbering import` writes it"
        }
        _ => "",
    }
}

/// Reads a table. Waits for the disk.
///
/// # Errors
/// [`TableFileError`].
pub fn read(path: &Path) -> Result<NumberingTable, TableFileError> {
    let csv = limited_file::read(path, MAX_TABLE_SIZE).map_err(|error| TableFileError::File {
        path: path.to_owned(),
        error,
    })?;
    NumberingTable::parse(&csv).map_err(|error| TableFileError::Table {
        path: path.to_owned(),
        error,
    })
}

/// The same for a table that grows: it is empty as long as there is no file.
///
/// # Errors
/// [`TableFileError`].
pub fn read_or_empty(path: &Path) -> Result<NumberingTable, TableFileError> {
    match read(path) {
        Err(TableFileError::File { error, .. }) if error.kind() == ErrorKind::NotFound => {
            Ok(NumberingTable::default())
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_table_is_read_up_to_its_limit_and_named_when_it_is_wrong() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("numbering.csv");
        assert!(matches!(read(&path), Err(TableFileError::File { .. })));
        assert_eq!(read_or_empty(&path).unwrap(), NumberingTable::default());
        fs::write(&path, "spc,first,count\n683G,12155550100,1\n").unwrap();
        assert_ne!(read(&path).unwrap(), NumberingTable::default());
        assert_eq!(read(&path).unwrap(), read_or_empty(&path).unwrap());
        fs::write(&path, "something else").unwrap();
        for wrong in [read(&path), read_or_empty(&path)] {
            let error = wrong.unwrap_err();
            assert!(matches!(error, TableFileError::Table { .. }), "{error}");
            assert!(error.to_string().contains("numbering.csv"), "{error}");
        }
        // It takes no room on the disk.
        let large = fs::File::create(&path).unwrap();
        large.set_len(MAX_TABLE_SIZE as u64 + 1).unwrap();
        for large in [read(&path), read_or_empty(&path)] {
            assert!(
                matches!(large, Err(TableFileError::File { .. })),
                "{large:?}"
            );
        }
    }
}
