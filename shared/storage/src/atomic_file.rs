//! Small files that are replaced whole: keys, certificates, lists. Private ones
//! are for their owner only, from the first byte on.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;
use zeroize::Zeroizing;

use crate::limited_file;

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Who may read a file that holds a secret. Nobody else than its owner may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Its owner.
    Owner,
    /// Its owner, and the group that it was given.
    Group,
}

impl Readers {
    /// The mode that it may have at most.
    const fn largest_mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o640,
        }
    }

    /// Whether somebody else could get at a file of this mode. What its owner may do with
    /// it is the owner's business.
    const fn are_exceeded(self, mode: u32) -> bool {
        mode & 0o077 & !self.largest_mode() != 0
    }
}

/// Most bytes of a private file, when it is read and when it is written: a key in any
/// form, or a few.
const MAX_PRIVATE_SIZE: usize = 1024 * 1024;

/// A private file that cannot be relied upon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// Others may read or write it.
    #[error(
        "{} holds a secret and has mode {mode:03o}, so that others can reach it: run \
         chmod {largest:03o} {}",
        path.display(), path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it may have at most.
        largest: u32,
    },
}

/// Writes a file of mode 0600, all of it or nothing, durably.
///
/// # Errors
/// What the file system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > MAX_PRIVATE_SIZE {
        return Err(limited_file::too_large(MAX_PRIVATE_SIZE));
    }
    write(path, bytes, PRIVATE)
}

/// Writes a file of mode 0644, all of it or nothing, durably.
///
/// # Errors
/// What the file system says.
pub fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, PUBLIC)
}

/// Gives a directory another name beside its old one, durably. One of that name that is not
/// empty is an error.
///
/// # Errors
/// What the file system says.
pub fn set_aside(path: &Path, name: &str) -> io::Result<()> {
    fs::rename(path, path.with_file_name(name))?;
    File::open(directory_of(path))?.sync_all()
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = directory_of(path);
    let mut file = Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// Reads a file that holds a secret, and refuses one that others can reach.
///
/// # Errors
/// [`PrivateFileError`].
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read_secret(path, Readers::Owner)
}

/// The same for a secret that programs of several users may share, such as the private key of
/// TLS, which belongs to the group `ssl-cert` on some systems: its group may read it.
///
/// # Errors
/// [`PrivateFileError`].
pub fn read_group_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read_secret(path, Readers::Group)
}

fn read_secret(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let io = |error| PrivateFileError::Io {
        path: path.to_owned(),
        error,
    };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if readers.are_exceeded(mode) {
        return Err(PrivateFileError::Exposed {
            path: path.to_owned(),
            mode,
            largest: readers.largest_mode(),
        });
    }
    let read = limited_file::read(path, MAX_PRIVATE_SIZE);
    read.map(Zeroizing::new).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_its_owners_alone_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for contents in [b"first".as_slice(), b"second"] {
            write_private(&path, contents).unwrap();
            assert_eq!(read_private(&path).unwrap().as_slice(), contents);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written_over_what_can() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let largest = vec![b'k'; MAX_PRIVATE_SIZE];
        write_private(&path, &largest).unwrap();
        assert_eq!(read_private(&path).unwrap().len(), MAX_PRIVATE_SIZE);
        let refused = write_private(&path, &[largest, vec![b'k']].concat());
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_private(&path).unwrap().len(), MAX_PRIVATE_SIZE);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_mend() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_public(&path, b"secret").unwrap();
        let error = read_private(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_group_may_read_what_it_was_given_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, b"secret").unwrap();
        for (mode, own, of_group) in [
            (0o400, true, true),
            (0o700, true, true),
            (0o440, false, true),
            (0o640, false, true),
            (0o660, false, false),
            (0o604, false, false),
            (0o650, false, false),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path).is_ok(), own, "{mode:o}");
            assert_eq!(read_group_private(&path).is_ok(), of_group, "{mode:o}");
        }
        let error = read_group_private(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 640"), "{error}");
    }
}
