//! What a start would find of a directory that it makes and writes, found out without
//! changing anything: for the check of a configuration, also beside a running service.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::disk::LOCK_FILE;

/// A directory that cannot be made or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}; it must be a directory that this user can write, or can make", path.display())]
pub struct DirectoryError {
    path: PathBuf,
    error: io::Error,
}

/// Whether a process is at work in a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// No process is.
    Free,
    /// One has locked it, or a part of it.
    InUse,
}

/// Finds out whether a service could keep its state in `path` and in the directories that
/// are there already, and whether one does.
///
/// # Errors
/// [`DirectoryError`], of the first that could not be written.
pub fn examine(path: &Path) -> Result<Occupancy, DirectoryError> {
    check_writable(path)?;
    if !path.exists() {
        return Ok(Occupancy::Free);
    }
    let mut occupancy = occupancy_of(path);
    for entry in fs::read_dir(path).map_err(at(path))? {
        let part = entry.map_err(at(path))?.path();
        if part.is_dir() {
            check_writable(&part)?;
            if occupancy_of(&part) == Occupancy::InUse {
                occupancy = Occupancy::InUse;
            }
        }
    }
    Ok(occupancy)
}

/// Finds out whether files could be written into the directory `path`, which would be made if
/// it is missing.
///
/// # Errors
/// [`DirectoryError`].
pub fn check_writable(path: &Path) -> Result<(), DirectoryError> {
    for nearest in path.ancestors() {
        let nearest = match nearest.as_os_str().is_empty() {
            true => Path::new("."),
            false => nearest,
        };
        match fs::metadata(nearest) {
            Ok(found) if !found.is_dir() => {
                return Err(at(nearest)(io::ErrorKind::NotADirectory.into()));
            }
            Ok(_) => return check_access(nearest).map_err(at(nearest)),
            // A link to what is not there is no room for a directory.
            Err(error) if error.kind() != io::ErrorKind::NotFound || nearest.is_symlink() => {
                return Err(at(nearest)(error));
            }
            Err(_) => {}
        }
    }
    Err(at(path)(io::ErrorKind::NotFound.into()))
}

fn check_access(directory: &Path) -> io::Result<()> {
    let needed = Access::WRITE_OK | Access::EXEC_OK;
    // By the rights that opening would be judged by.
    Ok(accessat(CWD, directory, needed, AtFlags::EACCESS)?)
}

/// The holder of the lock has all of it; this is asked beside it, and let go at once.
fn occupancy_of(directory: &Path) -> Occupancy {
    let lock = File::open(directory.join(LOCK_FILE));
    match lock.map(|lock| lock.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => Occupancy::InUse,
        _ => Occupancy::Free,
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    |error| DirectoryError { path, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn nothing_is_made_of_a_directory_that_could_be() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("a/data");
        assert_eq!(examine(&data).unwrap(), Occupancy::Free);
        assert!(!home.path().join("a").exists());
    }

    #[test]
    fn what_can_be_no_directory_is_named() {
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        fs::write(&file, "").unwrap();
        symlink(home.path().join("nowhere"), &link).unwrap();
        for path in [&file, &file.join("data"), &link, &link.join("data")] {
            let error = examine(path).unwrap_err().to_string();
            let name = if path.starts_with(&file) {
                "file"
            } else {
                "link"
            };
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_directory_that_a_process_works_in_is_in_use_until_it_ends() {
        let home = tempfile::tempdir().unwrap();
        let part = home.path().join("store");
        let disk = RealDisk::open(&part).unwrap();
        assert_eq!(examine(home.path()).unwrap(), Occupancy::InUse);
        assert_eq!(examine(&part).unwrap(), Occupancy::InUse);
        drop(disk);
        assert_eq!(examine(home.path()).unwrap(), Occupancy::Free);
        // The look has kept nothing.
        RealDisk::open(&part).unwrap();
    }
}
