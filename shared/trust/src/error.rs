//! What is wrong with the trust directories. Each is reported to the operator, and the
//! others are read all the same.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::{MAX_LIST_SIZE, RevocationError, TrustError as AnchorError};
use pennyblack_storage::disk::OpenDiskError;

/// Largest file that is read: a list of the largest size in PEM.
pub(crate) const MAX_FILE_SIZE: usize = 2 * MAX_LIST_SIZE;
/// Most files of a directory that are read.
pub(crate) const MAX_FILES: usize = 1024;

/// Something in the trust directories that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A directory or file.
    #[error("{}: {source}; check path and permissions", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A pipe, a device, or a file too large to be what it should.
    #[error("{}: {source}; replace the file, or take it away", path.display())]
    Unread {
        /// Which.
        path: PathBuf,
        /// Why it is not read.
        source: io::Error,
    },
    /// More files than are read. The first by their names are.
    #[error(
        "{} has more than {MAX_FILES} files, and only the first are read, by their \
         names: put several into one, or take away what is not needed", path.display()
    )]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
    },
    /// Files whose names do not say that they are read.
    #[error(
        "not read, since the names do not end in {}: {}; rename them, or take them away",
        extensions.iter().map(|end| format!(".{end}")).collect::<Vec<_>>().join(", "),
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    OtherFiles {
        /// The first of them.
        paths: BTreeSet<PathBuf>,
        /// How names may end.
        extensions: &'static [&'static str],
    },
    /// Something in a file of roots. The roots in it that can be read are trusted.
    #[error("{}: {source}; replace the file, or take it away", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AnchorError,
    },
    /// Something in a file of revocation lists. The lists in it that hold are used.
    #[error("{}: {source}; fetch the list again", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RevocationError,
    },
    /// A revocation list that is older than one that was in force.
    #[error(
        "{}: the list of {issuer} is of {actual}, and one of {newest} was in force: fetch the \
         current list, or accept this one with --accept-older-lists", path.display()
    )]
    OlderList {
        /// The file.
        path: PathBuf,
        /// Whose list it is.
        issuer: String,
        /// When it was made.
        actual: UnixTime,
        /// When the newest was made.
        newest: UnixTime,
    },
    /// A list that was in force is in no file any more.
    #[error(
        "the list of {issuer}, in force since {newest}, is in no file of lists: put the current list \
         there, or give it up with --accept-older-lists. {}",
        if *remembered { "The last one counts until it is overdue" }
        else { "No certificate that it covers is accepted" }
    )]
    MissingList {
        /// Whose list it is.
        issuer: String,
        /// When the newest was made.
        newest: UnixTime,
        /// Whether this process still has it.
        remembered: bool,
    },
    /// The directory of the marks.
    #[error("the marks of revocation lists: {0}")]
    MarksDirectory(#[from] OpenDiskError),
    /// The file of the marks.
    #[error("the marks of revocation lists, {}: {source}", path.display())]
    Marks {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file of the marks holds something else.
    #[error(
        "{} is damaged ({why}): restore it; or, to accept the revocation lists as they are, run \
         this service once with --accept-older-lists", path.display()
    )]
    DamagedMarks {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl TrustError {
    /// True if certificates are refused because of it that should be accepted, or will be
    /// after a restart. Whatever else is wrong concerns one file, and the rest goes on.
    pub(crate) const fn makes_unready(&self) -> bool {
        matches!(
            self,
            Self::OlderList { .. } | Self::MissingList { .. } | Self::Marks { .. }
        )
    }

    /// For use as `map_err(TrustError::io(path))`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}
