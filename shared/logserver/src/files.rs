//! The public files of a log, behind a trait, so that the same code runs over
//! files that a test takes away. Not here: what is in them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Files by their paths below the log's prefix, for example `tile/0/000`.
pub trait LogFiles: Send + Sync + 'static {
    /// What is in a file; `None` if there is none.
    ///
    /// # Errors
    /// What the file system says.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes files, each of which is there whole or as it was before, whatever
    /// happens. All are durable when this returns `Ok`.
    ///
    /// # Errors
    /// What the file system says; any of the files may have been written.
    fn write(&self, files: &[(String, Vec<u8>)]) -> io::Result<()>;

    /// Removes a directory with the files in it. No promise is broken if it is
    /// still there after a crash.
    ///
    /// # Errors
    /// What the file system says.
    fn remove_directory(&self, path: &str) -> io::Result<()>;
}

/// Files in a directory, readable by everybody who can reach it: they are what
/// the log tells the world.
#[derive(Debug)]
pub struct Directory {
    public: PathBuf,
    /// On the same file system, where files are written before they appear.
    unfinished: PathBuf,
}

impl Directory {
    /// The public files in `public`; both directories are made if missing, and
    /// `unfinished` is emptied.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(public: &Path, unfinished: &Path) -> io::Result<Self> {
        if unfinished.exists() {
            fs::remove_dir_all(unfinished)?;
        }
        fs::create_dir_all(unfinished)?;
        create_durably(public)?;
        Ok(Self {
            public: public.to_owned(),
            unfinished: unfinished.to_owned(),
        })
    }

    /// Writes one file and gives it its name, which is not durable yet.
    fn write_one(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(&self.unfinished)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Makes a directory, and the entries for it and those above it durable.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    create_durably(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

impl LogFiles for Directory {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.public.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, files: &[(String, Vec<u8>)]) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for (path, bytes) in files {
            let path = self.public.join(path);
            if let Some(directory) = path.parent()
                && directories.insert(directory.to_owned())
            {
                create_durably(directory)?;
            }
            self.write_one(&path, bytes)?;
        }
        for directory in directories {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.public.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
