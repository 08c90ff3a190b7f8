//! Where a log's files come from. Not here: HTTP; the reader brings a client.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

/// Files of a log that cannot be had; it says nothing about the operator.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be read: {error}")]
pub struct SourceError {
    /// Which file.
    pub path: String,
    /// Why not.
    pub error: Box<dyn Error + Send + Sync>,
}

/// Gives a log's files by their paths below its prefix, such as `checkpoint` and
/// `tile/0/000`.
pub trait LogSource: Sync {
    /// The content of a file; it is an error if that exceeds `max` bytes. `None` if it
    /// is certain that there is no such file.
    ///
    /// # Errors
    /// [`SourceError`], also for a file that is longer.
    fn read(
        &self,
        path: &str,
        max: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, SourceError>> + Send;
}

impl<S: LogSource + Send> LogSource for Arc<S> {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.as_ref().read(path, max).await
    }
}

impl<S: LogSource> LogSource for &S {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        (*self).read(path, max).await
    }
}

/// A log as plain files: a service's own `public` directory, or a copy of it.
#[derive(Debug, Clone)]
pub struct Mirror(PathBuf);

impl Mirror {
    /// The files below a directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }
}

impl LogSource for Mirror {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let file = self.0.join(path);
        let read = tokio::task::spawn_blocking(move || read_file(&file, max)).await;
        let read = read.map_err(io::Error::other).and_then(|read| read);
        read.map_err(|error| SourceError {
            path: self.0.join(path).display().to_string(),
            error: error.into(),
        })
    }
}

fn read_file(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    // To open a pipe may take endlessly long, and a file that was looked at before may be one
    // by then.
    let unwaiting = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let unwaiting = i32::try_from(unwaiting).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(unwaiting).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        let why = format!("it has more than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let name = format!("pennyblack-pipe-{}", std::process::id());
        let pipe = std::env::temp_dir().join(name);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let (done, read) = mpsc::channel();
        let path = pipe.clone();
        std::thread::spawn(move || done.send(read_file(&path, 1)));
        let read = read.recv_timeout(Duration::from_secs(20));
        fs::remove_file(pipe).unwrap();
        let refused = read.expect("it is waited for").unwrap_err();
        assert!(refused.to_string().contains("not a file"), "{refused}");
    }

    #[test]
    fn a_file_that_becomes_a_pipe_at_any_moment_is_not_waited_for() {
        let name = format!("pennyblack-swapped-{}", std::process::id());
        let home = std::env::temp_dir().join(name);
        fs::create_dir(&home).unwrap();
        let (file, pipe) = (home.join("file"), home.join("pipe"));
        fs::write(&file, "four").unwrap();
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let (done, read) = mpsc::channel();
        let path = file.clone();
        std::thread::spawn(move || {
            let (mut whole, mut refused) = (0, 0);
            while whole < 1_000 || refused < 1_000 {
                match read_file(&path, 4) {
                    Ok(read) => whole += usize::from(read.unwrap() == b"four"),
                    Err(error) => refused += usize::from(error.to_string() == "it is not a file"),
                }
            }
            done.send(())
        });
        let until = Instant::now() + Duration::from_secs(20);
        let ended = loop {
            renameat_with(CWD, &file, CWD, &pipe, RenameFlags::EXCHANGE).unwrap();
            match read.try_recv() {
                Err(mpsc::TryRecvError::Empty) if Instant::now() < until => {}
                ended => break ended,
            }
        };
        fs::remove_dir_all(home).unwrap();
        ended.expect("it is waited for");
    }

    #[test]
    fn a_file_is_read_to_its_limit_and_what_is_no_file_is_not_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let size = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        assert_eq!(read_file(&path, size).unwrap().unwrap().len(), size);
        let refused = read_file(&path, size - 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_file(&path.with_extension("none"), 1).unwrap(), None);
        let refused = read_file(Path::new("/dev/null"), 1).unwrap_err();
        assert!(refused.to_string().contains("not a file"), "{refused}");
    }
}
