//! A private file of which nothing earlier is to be left: its old bytes are overwritten before
//! they are let go. Not here: what the file system below and the device copy by themselves,
//! which nobody overwrites.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use zeroize::Zeroizing;

use crate::atomic_file::{self, PrivateFileError, directory_of};
use crate::limited_file;

const PRIVATE: u32 = 0o600;

/// Most bytes: a key or a few.
const MAX_SIZE: usize = 64 * 1024;

/// Behind the name of the file, the name of what is not in force: the next bytes before they
/// take its place, the last ones after that.
const ASIDE: &str = ".replaced";

/// Reads it, and never bytes that are being overwritten: the file that was opened is the one
/// that is in force afterwards, too.
///
/// # Errors
/// [`PrivateFileError`], also if others can reach it.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let in_force = || fs::metadata(path).map(|it| it.ino()).ok();
    loop {
        let before = in_force();
        let read = atomic_file::read_private(path)?;
        if before.is_some() && before == in_force() {
            return Ok(read);
        }
    }
}

/// Puts these bytes in the place of those before, all or nothing, durably, and overwrites the
/// latter. **A crash at any moment leaves one or the other in force**, and [`erase_replaced`]
/// overwrites the rest. File systems that cannot exchange two names are an exception: there a
/// crash in between may leave the old bytes in blocks that are free.
///
/// # Errors
/// What the file system says. The new bytes may be in force by then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_in_steps(path, bytes, || Ok(()))
}

/// Overwrites and removes what a crash has left of a replacement.
///
/// # Errors
/// What the file system says.
pub fn erase_replaced(path: &Path) -> io::Result<()> {
    let aside = aside(path);
    if let Err(error) = fs::symlink_metadata(&aside) {
        let is_none = error.kind() == io::ErrorKind::NotFound;
        return if is_none { Ok(()) } else { Err(error) };
    }
    // It must not be in force when it is overwritten, whatever fails from now on.
    sync_directory(path)?;
    fs::set_permissions(&aside, Permissions::from_mode(PRIVATE))?;
    overwrite(&OpenOptions::new().write(true).open(&aside)?)?;
    fs::remove_file(&aside)?;
    sync_directory(path)
}

/// `step` is called wherever a crash may come.
fn replace_in_steps(
    path: &Path,
    bytes: &[u8],
    mut step: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    if bytes.len() > MAX_SIZE {
        return Err(limited_file::too_large(MAX_SIZE));
    }
    erase_replaced(path)?;
    let aside = aside(path);
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(PRIVATE);
    let mut file = options.open(&aside)?;
    step()?;
    file.write_all(bytes)?;
    file.sync_all()?;
    step()?;
    match renameat_with(CWD, &aside, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => {
            step()?;
            erase_replaced(path)
        }
        Err(Errno::NOENT) => {
            fs::rename(&aside, path)?;
            sync_directory(path)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let old = OpenOptions::new().write(true).open(path)?;
            fs::rename(&aside, path)?;
            sync_directory(path)?;
            overwrite(&old)
        }
        Err(error) => Err(error.into()),
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ASIDE);
    path.with_file_name(name)
}

fn overwrite(mut file: &File) -> io::Result<()> {
    let size = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(size), &mut file)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(home: &Path) -> Vec<String> {
        let names = fs::read_dir(home).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = names
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_bytes_that_are_replaced_are_overwritten_where_they_were() {
        let home = tempfile::tempdir().unwrap();
        let (path, kept) = (home.path().join("seed"), home.path().join("kept"));
        replace(&path, b"first").unwrap();
        fs::hard_link(&path, &kept).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read(&kept).unwrap(), [0; 5]);
        assert_eq!(names(home.path()), ["kept", "seed"]);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, PRIVATE);
    }

    #[test]
    fn a_crash_at_any_step_leaves_one_secret_in_force_and_the_other_is_overwritten() {
        let mut crashes = 0;
        loop {
            let home = tempfile::tempdir().unwrap();
            let (path, kept) = (home.path().join("seed"), home.path().join("kept"));
            replace(&path, b"first").unwrap();
            fs::hard_link(&path, &kept).unwrap();
            let mut left = crashes;
            let crash = || match left {
                0 => Err(io::Error::other("a crash")),
                _ => {
                    left -= 1;
                    Ok(())
                }
            };
            let replaced = replace_in_steps(&path, b"second", crash);
            let is_whole = replaced.is_ok();
            erase_replaced(&path).unwrap();
            match fs::read(&path).unwrap().as_slice() {
                b"first" => assert!(!is_whole),
                b"second" => assert_eq!(fs::read(&kept).unwrap(), [0; 5]),
                other => panic!("{other:?} after {crashes} steps"),
            }
            assert_eq!(names(home.path()), ["kept", "seed"]);
            // What was left does not hinder the next one.
            replace(&path, b"third").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"third");
            assert_eq!(fs::read(&kept).unwrap(), [0; 5]);
            if is_whole {
                break;
            }
            crashes += 1;
        }
        assert_eq!(crashes, 3);
    }
}
