//! Reading a file that somebody else may have written: no more of it than its limit is
//! read or held, however large it is, and nothing that is no file is waited for. Not here:
//! what is in it.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The content of a file of at most `max` bytes. A longer one costs a look at its size.
/// Links are followed; where they lead to a pipe, a device or a directory, nothing is read.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::FileTooLarge`] for a longer file, and
/// [`io::ErrorKind::InvalidInput`] for what is no file, or a link to what is not there.
pub fn read(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(unwaiting()?);
    let file = match options.open(path) {
        // What is not there may begin anew; what a link leads to has been somewhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let why = "it is a link to what is not there";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let why = "it is a pipe, a device or a directory: only a regular file is read";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let size = usize::try_from(metadata.len()).ok();
    let size = size.filter(|size| *size <= max);
    // Room for all of it at once: what is moved leaves copies, and it may be a secret.
    let room = Vec::with_capacity(size.ok_or_else(|| too_large(max))?);
    read_into(room, file, max)
}

/// The same as text.
///
/// # Errors
/// The same, and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: &Path, max: usize) -> io::Result<String> {
    text(read(path, max)?)
}

/// All that a stream has, of at most `max` bytes, as text.
///
/// # Errors
/// The same.
pub fn read_stream_text(stream: impl Read, max: usize) -> io::Result<String> {
    text(read_into(Vec::new(), stream, max)?)
}

/// With these flags to open a pipe does not wait for its other end. With a regular file
/// they change nothing.
pub(crate) fn unwaiting() -> io::Result<i32> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits());
    flags.map_err(io::Error::other)
}

fn read_into(mut bytes: Vec<u8>, stream: impl Read, max: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    stream.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(too_large(max));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The refusal of a file, or of what was to be written into one, that has more than `max`
/// bytes.
pub(crate) fn too_large(max: usize) -> io::Error {
    let why = format!("it has more than {max} bytes, which is the most that is read");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let (pipe, device) = (directory.path().join("pipe"), directory.path().join("zero"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        symlink("/dev/zero", &device).unwrap();
        for path in [&pipe, &device, &directory.path().to_owned()] {
            let (path, (done, refused)) = (path.clone(), std::sync::mpsc::channel());
            std::thread::spawn(move || done.send(read(&path, 4)));
            let refused = refused.recv_timeout(std::time::Duration::from_secs(20));
            let refused = refused.expect("it is waited for").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        }
        // A link to a file is read.
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "four").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read_text(&link, 4).unwrap(), "four");
        // What it led to was there once: it is not merely missing.
        std::fs::remove_file(&file).unwrap();
        let refused = read(&link, 4).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let missing = read(&file, 4).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_a_longer_one_is_refused_unread() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let refused = read(&path, 3).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(refused.to_string().contains("more than 3 bytes"));
        // More than there is memory for, and nothing on the disk.
        File::create(&path).unwrap().set_len(1 << 43).unwrap();
        let refused = read(&path, 4).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_stream_without_end_is_read_to_its_limit() {
        let mut read = 0;
        let endless = io::repeat(b'a');
        struct Counted<'a, R>(R, &'a mut usize);
        impl<R: Read> Read for Counted<'_, R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let more = self.0.read(buffer)?;
                *self.1 += more;
                Ok(more)
            }
        }
        let refused = read_stream_text(Counted(endless, &mut read), 1000).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read, 1001);
    }
}
