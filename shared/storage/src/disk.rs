//! The few things that durable code asks of a directory, behind a trait, so that
//! the same code runs over a disk that loses power in tests.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use crate::limited_file;

/// One flat directory of files.
pub trait Disk: Send + Sync + 'static {
    /// A file open for appending and reading.
    type File: DiskFile;

    /// While commands come in numbers, a commit begins at most so long after the
    /// last: a sync costs the processor more than what it serves.
    const GATHER: Duration;

    /// From how many bytes on it is worth filling a file with zeros first.
    const WORTH_ZEROS: u64;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file for the owner alone. Durable after
    /// [`Disk::sync_directory`] only.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what the disk says.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Makes a file of `length` zeros, which appends overwrite from the start: a sync
    /// of it need not write how long it has become. The zeros are durable; the
    /// directory's entry is after [`Disk::sync_directory`] only.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what the disk says; then it is not there,
    /// so that a disk too full for zeros has room for what matters.
    fn create_zeroed(&self, name: &str, length: u64) -> io::Result<Self::File>;

    /// Does something slow without keeping the caller.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    fn in_background<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        thread::Builder::new().name("disk".to_owned()).spawn(work)
    }

    /// Opens a file that is there, to append behind all that is in it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or what the disk says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Removes a file. Durable after [`Disk::sync_directory`] only.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Where its files are, for log lines.
    fn directory(&self) -> &Path {
        Path::new("")
    }

    /// Whether it may refuse the next commit for want of room. Asking costs little.
    fn is_nearly_full(&self) -> bool {
        false
    }

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file of a [`Disk`].
pub trait DiskFile: Send + 'static {
    /// Writes behind what was appended before. After an error any part of `bytes` may
    /// be there.
    ///
    /// # Errors
    /// What the disk says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything appended durable. After an error nobody knows what is;
    /// trying again tells nothing, since the kernel forgets the lost pages.
    ///
    /// # Errors
    /// What the disk says.
    fn sync(&mut self) -> io::Result<()>;

    /// Writes again what is in the file, from `offset` on, without moving where the
    /// next append goes. Of a file that another process wrote nobody knows whether a
    /// sync failed then; a later one succeeds all the same, and what is read may be in
    /// memory alone. What was written again is durable after [`DiskFile::sync`].
    ///
    /// # Errors
    /// What the disk says.
    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file off, and appends there from now on.
    ///
    /// # Errors
    /// What the disk says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the disk says.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads everything.
    ///
    /// # Errors
    /// What the disk says.
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length()?).map_err(io::Error::other)?;
        let mut contents = vec![0; length];
        self.read_at(&mut contents, 0)?;
        Ok(contents)
    }
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDiskError {
    /// The file system refused.
    #[error("the data directory {}: {error}", path.display())]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// Another process is at work in it.
    #[error(
        "the data directory {} is in use by another process: stop that one, or configure another directory",
        .0.display()
    )]
    InUse(PathBuf),
}

pub(crate) const LOCK_FILE: &str = "lock";
/// With fewer free bytes than this the next commit may be refused.
const NEARLY_FULL: u64 = 16 * 1024 * 1024;
/// How long a lock is waited for that may be about to go. A process that is just being
/// started by the one that had the lock has it, too, until it is its own program.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_AGAIN: Duration = Duration::from_millis(5);

fn locked(lock: &File) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_AGAIN);
            }
            locked => return locked,
        }
    }
}

/// A directory of the file system, locked for this process as long as it lives.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    _lock: File,
}

impl RealDisk {
    /// Opens a directory, which is made (mode 0700) if it is missing, and locks it.
    ///
    /// # Errors
    /// [`OpenDiskError`].
    pub fn open(path: &Path) -> Result<Self, OpenDiskError> {
        let io = |error| OpenDiskError::Io {
            path: path.to_owned(),
            error,
        };
        create_durably(path).map_err(io)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(limited_file::unwaiting().map_err(io)?)
            .open(path.join(LOCK_FILE))
            .map_err(io)?;
        match locked(&lock) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenDiskError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a directory for its owner alone, and the entry for it durable.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_durably(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

impl Disk for RealDisk {
    type File = RealFile;
    const GATHER: Duration = Duration::from_millis(1);
    const WORTH_ZEROS: u64 = 256 * 1024;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            match entry?.file_name().into_string() {
                Ok(name) if name != LOCK_FILE => names.push(name),
                // Files that we did not name are nobody's business here.
                _ => {}
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(self.path.join(name))?;
        Ok(RealFile { file, end: 0 })
    }

    fn create_zeroed(&self, name: &str, length: u64) -> io::Result<RealFile> {
        let mut zeroed = self.create(name)?;
        io::copy(&mut io::repeat(0).take(length), &mut zeroed.file)
            .and_then(|_| zeroed.file.sync_all())
            .inspect_err(|_| drop(self.remove(name)))?;
        Ok(zeroed)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = options.open(self.path.join(name))?;
        let end = file.metadata()?.len();
        Ok(RealFile { file, end })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn directory(&self) -> &Path {
        &self.path
    }

    fn is_nearly_full(&self) -> bool {
        // What cannot be told is found out by the next commit.
        statvfs(&self.path).is_ok_and(|found| {
            let room = found.f_bavail.saturating_mul(found.f_frsize);
            room < NEARLY_FULL || (found.f_files > 0 && found.f_favail == 0)
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// A file of a [`RealDisk`].
#[derive(Debug)]
pub struct RealFile {
    file: File,
    /// Where the next append goes.
    end: u64,
}

impl DiskFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.end = length;
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_directory_in_use_is_refused_with_a_plain_sentence() {
        let directory = tempfile::tempdir().unwrap();
        let first = RealDisk::open(directory.path()).unwrap();
        let error = RealDisk::open(directory.path()).unwrap_err();
        assert!(matches!(error, OpenDiskError::InUse(_)), "{error}");
        assert!(error.to_string().contains("in use by another process"));
        drop(first);
        assert!(RealDisk::open(directory.path()).is_ok());
    }

    #[test]
    fn a_pipe_in_place_of_the_lock_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join(LOCK_FILE);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (done, opened) = std::sync::mpsc::channel();
        let path = directory.path().to_owned();
        thread::spawn(move || done.send(RealDisk::open(&path).is_ok()));
        let opened = opened.recv_timeout(Duration::from_secs(20));
        assert!(!opened.expect("it is waited for"));
    }

    #[test]
    fn a_lock_that_goes_at_once_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let first = RealDisk::open(directory.path()).unwrap();
        let inherited = first._lock.try_clone().unwrap();
        drop(first);
        let goes = thread::spawn(move || {
            thread::sleep(LOCK_PATIENCE / 20);
            drop(inherited);
        });
        assert!(RealDisk::open(directory.path()).is_ok());
        goes.join().unwrap();
    }

    #[test]
    fn files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(&directory.path().join("data")).unwrap();
        disk.create("a").unwrap().append(b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(disk.path()), 0o700);
        assert_eq!(mode(&disk.path().join("a")), 0o600);
        assert_eq!(disk.list().unwrap(), ["a"]);
    }
}
