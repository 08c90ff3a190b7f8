//! Reading and writing the small files that people keep: keys, certificates,
//! lists. Private ones are for their owner only, from the first byte on.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::Builder;

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Writes a file of mode 0600, all of it or nothing, durably.
///
/// # Errors
/// What the file system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, PRIVATE)
}

/// Writes a file of mode 0644, all of it or nothing, durably.
///
/// # Errors
/// What the file system says.
pub fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, PUBLIC)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(directory)?.sync_all()
}
