//! Up to which roster those of a directory were verified: who goes by the newest alone verifies
//! that one and what came since, and not all before it again. Not here: verifying (`chain`).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pennyblack_storage::{atomic_file, limited_file};

use super::pin::{Pin, PinError};

const REACHED_FILE: &str = "reached";
/// Most bytes of the file: two pins.
const MAX_SIZE: usize = 512;

/// The newest roster that was verified from a pin on. **It is believed as the pin is**: who can
/// write one of the two files can write the other. As text it has both pins, each in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// With which roster trust began.
    pub(crate) from: Pin,
    /// The newest.
    pub(crate) newest: Pin,
}

impl Reached {
    /// What is known of the rosters of this directory, if anything is. A file that cannot be read
    /// says nothing: then all rosters are verified.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        let text = limited_file::read_text(&Self::file(directory), MAX_SIZE);
        text.ok()?.parse().ok()
    }

    /// Writes it down, unless it is.
    pub(crate) fn keep(self, directory: &Path) -> io::Result<()> {
        match Self::read(directory) == Some(self) {
            true => Ok(()),
            false => atomic_file::write_public(&Self::file(directory), self.to_string().as_bytes()),
        }
    }

    /// Where it is kept.
    pub(crate) fn file(directory: &Path) -> PathBuf {
        directory.join(REACHED_FILE)
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n", self.from, self.newest)
    }
}

impl FromStr for Reached {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let (from, newest) = text.split_once('\n').unwrap_or((text, ""));
        Ok(Self {
            from: from.parse()?,
            newest: newest.trim_end().parse()?,
        })
    }
}
