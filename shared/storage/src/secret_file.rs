//! A private file of which nothing earlier is to be left: its old bytes are overwritten before
//! they are let go. Not here: what the file system below and the device copy by themselves,
//! which nobody overwrites.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
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

/// Overwrites and removes what a crash has left of a replacement. A link or whatever else
/// stands there under its name is removed, and what it leads to is left alone.
///
/// # Errors
/// What the file system says.
pub fn erase_replaced(path: &Path) -> io::Result<()> {
    let path = &resolved(path)?;
    let aside = aside(path);
    let found = match fs::symlink_metadata(&aside) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // It must not be in force when it is overwritten, whatever fails from now on.
    sync_directory(path)?;
    if found.is_file() {
        overwrite(&open_to_overwrite(&aside)?)?;
    }
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
    let path = &resolved(path)?;
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
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => replace_by_name(&aside, path),
        Err(error) => Err(error.into()),
    }
}

/// Where names cannot be exchanged.
fn replace_by_name(aside: &Path, path: &Path) -> io::Result<()> {
    let old = open_to_overwrite(path)?;
    fs::rename(aside, path)?;
    sync_directory(path)?;
    overwrite(&old)
}

/// The file itself: names are exchanged, and a link's name would be, in place of the secret's.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(path) if path.is_file() => Ok(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe, a device or a directory: only a regular file holds a secret",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(path.to_owned())
        }
        Err(error) => Err(error),
    }
}

/// A file that its owner may not write, too. A link is not followed.
fn open_to_overwrite(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits());
    let flags = limited_file::unwaiting()? | flags.map_err(io::Error::other)?;
    let open = |options: &mut OpenOptions| options.custom_flags(flags).open(path);
    let file = open(OpenOptions::new().read(true))?;
    file.set_permissions(Permissions::from_mode(PRIVATE))?;
    open(OpenOptions::new().write(true))
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

    #[test]
    fn of_a_path_that_is_a_link_the_file_is_replaced_and_the_link_stays() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("volume")).unwrap();
        let (file, link, kept) = (at("volume/seed"), at("seed"), at("kept"));
        replace(&file, b"first").unwrap();
        fs::hard_link(&file, &kept).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"second").unwrap();
        assert!(link.is_symlink());
        assert_eq!(*read(&link).unwrap(), *b"second");
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(fs::read(&kept).unwrap(), [0; 5]);
        assert_eq!(names(home.path()), ["kept", "seed", "volume"]);
        assert_eq!(names(&at("volume")), ["seed"]);
        // What a crash left stands beside the file, and not beside the link.
        fs::write(at("volume/seed.replaced"), b"first").unwrap();
        erase_replaced(&link).unwrap();
        assert_eq!(names(&at("volume")), ["seed"]);
    }

    #[test]
    fn a_link_beside_the_secret_is_removed_and_what_it_leads_to_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::write(at("precious"), b"of others").unwrap();
        fs::set_permissions(at("precious"), Permissions::from_mode(0o644)).unwrap();
        for leads_to in ["precious", "nowhere"] {
            std::os::unix::fs::symlink(at(leads_to), at("seed.replaced")).unwrap();
            replace(&at("seed"), b"secret").unwrap();
            assert_eq!(names(home.path()), ["precious", "seed"]);
        }
        assert_eq!(fs::read(at("precious")).unwrap(), b"of others");
        let mode = fs::metadata(at("precious")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        for name in ["directory", "dangling"] {
            assert!(replace(&at(name), b"secret").is_err(), "{name}");
        }
        assert_eq!(names(home.path()), ["dangling", "directory"]);
        assert!(at("directory").is_dir() && at("dangling").is_symlink());
    }

    #[test]
    fn where_names_cannot_be_exchanged_a_file_is_overwritten_that_its_owner_may_only_read() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        replace(&at("seed"), b"first").unwrap();
        fs::hard_link(at("seed"), at("kept")).unwrap();
        fs::set_permissions(at("seed"), Permissions::from_mode(0o400)).unwrap();
        fs::write(at("seed.replaced"), b"second").unwrap();
        replace_by_name(&at("seed.replaced"), &at("seed")).unwrap();
        assert_eq!(fs::read(at("seed")).unwrap(), b"second");
        assert_eq!(fs::read(at("kept")).unwrap(), [0; 5]);
        // Root may write whatever the mode says; others could not without a change of it.
        let mode = fs::metadata(at("kept")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
    }
}
