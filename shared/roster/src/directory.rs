//! The files in which rosters are kept: `17.roster` for the one with the sequence 17, and at a
//! client `pin` for the first that it trusts, and `reached` for the newest that it has verified.
//! A directory that a client keeps can be served as it is. Not here: where rosters come from.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_base::time::UnixTime;
use pennyblack_storage::{atomic_file, file_listing, limited_file};

use super::chain::{Chain, ChainError, Offered};
use super::pin::{Pin, PinError, Sequence};
use super::reached::Reached;
use super::roster::{MAX_ROSTER_SIZE, RosterError};
use super::signed::SignedRoster;

/// Most rosters of a directory: one a day for eleven years.
pub const MAX_ROSTERS: usize = 4_096;
/// Most bytes of a file with a pin.
const MAX_PIN_SIZE: usize = 256;

const PIN_FILE: &str = "pin";
const ROSTER: &str = "roster";
const FORK: &str = "fork";

/// A directory of rosters that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterDirectoryError {
    /// The file system.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// A file is no roster.
    #[error("{}: {error}", path.display())]
    Roster {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: RosterError,
    },
    /// A file is named by another sequence than it has.
    #[error("{}: it is roster {found}: name it {found}.{ROSTER}", path.display())]
    Name {
        /// Which file.
        path: PathBuf,
        /// What it is.
        found: Sequence,
    },
    /// They do not follow each other.
    #[error("{}: {error}", path.display())]
    Chain {
        /// Which directory.
        path: PathBuf,
        /// What is wrong with them.
        error: ChainError,
    },
    /// The file with the pin.
    #[error("{}: {error}", path.display())]
    Pin {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: PinError,
    },
    /// A file that says to be a fork, and is none.
    #[error("{}: it contradicts nothing: move it away", .0.display())]
    NoFork(PathBuf),
    /// Nothing is pinned, or nothing was fetched yet.
    #[error(
        "{}: there is no roster yet: run `pennyblack federation fetch` with --pin", .0.display()
    )]
    Empty(PathBuf),
    /// Trust begins elsewhere.
    #[error(
        "{}: trust begins with the pin {kept} there, not with {given}: leave --pin out, or name a \
         new directory", path.display()
    )]
    OtherPin {
        /// Which directory.
        path: PathBuf,
        /// What it has.
        kept: Pin,
        /// What was demanded.
        given: Pin,
    },
    /// Another process is at work there: two could each write another roster of a fork.
    #[error("{}: another `pennyblack federation fetch` is at work there: run this again later", .0.display())]
    InUse(PathBuf),
    /// More than are read.
    #[error(
        "{}: more than {MAX_ROSTERS} rosters: begin a new directory with the pin of a newer one",
        .0.display()
    )]
    TooMany(PathBuf),
}

impl RosterDirectoryError {
    /// What is wrong with how rosters follow each other, if that is it.
    #[must_use]
    pub const fn chain_error(&self) -> Option<&ChainError> {
        match self {
            Self::Chain { error, .. } => Some(error),
            _ => None,
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RosterDirectoryError {
    let path = path.to_owned();
    |error| RosterDirectoryError::Io { path, error }
}

/// Reads a roster of a file, and verifies nothing.
///
/// # Errors
/// [`RosterDirectoryError`].
pub fn read_file(path: &Path) -> Result<SignedRoster, RosterDirectoryError> {
    let text = limited_file::read_text(path, MAX_ROSTER_SIZE).map_err(io_at(path))?;
    text.parse().map_err(|error| RosterDirectoryError::Roster {
        path: path.to_owned(),
        error,
    })
}

/// The rosters of a directory from this sequence on, by their sequences.
fn read_from(
    directory: &Path,
    first: Sequence,
) -> Result<BTreeMap<Sequence, SignedRoster>, RosterDirectoryError> {
    let listing = file_listing::list(directory, &[ROSTER], MAX_ROSTERS);
    let listing = listing.map_err(io_at(directory))?;
    if listing.is_cut {
        return Err(RosterDirectoryError::TooMany(directory.to_owned()));
    }
    let mut rosters = BTreeMap::new();
    for path in listing.files {
        if sequence_of(&path).is_some_and(|sequence| sequence < first) {
            continue;
        }
        let roster = read_file(&path)?;
        let found = roster.sequence();
        if path != file_of(directory, found) {
            return Err(RosterDirectoryError::Name { path, found });
        }
        rosters.insert(found, roster);
    }
    Ok(rosters)
}

fn write(path: &Path, text: &str) -> Result<(), RosterDirectoryError> {
    atomic_file::write_public(path, text.as_bytes()).map_err(io_at(path))
}

fn file_of(directory: &Path, sequence: Sequence) -> PathBuf {
    directory.join(format!("{sequence}.{ROSTER}"))
}

/// The sequence by which a file is named.
fn sequence_of(path: &Path) -> Option<Sequence> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// The rosters of a directory, each verified by the one before it, **and the first by nobody
/// but its own governors**: for who serves them.
///
/// # Errors
/// [`RosterDirectoryError`].
pub fn read_chain(directory: &Path) -> Result<Chain, RosterDirectoryError> {
    let mut rosters = read_from(directory, Sequence::FIRST)?.into_values();
    let empty = || RosterDirectoryError::Empty(directory.to_owned());
    let first = rosters.next().ok_or_else(empty)?;
    let chain = Chain::begin_unpinned(first).and_then(|chain| continued(chain, rosters));
    chain.map_err(|error| RosterDirectoryError::Chain {
        path: directory.to_owned(),
        error,
    })
}

fn continued(
    mut chain: Chain,
    successors: impl IntoIterator<Item = SignedRoster>,
) -> Result<Chain, ChainError> {
    for successor in successors {
        chain.offer(successor)?;
    }
    Ok(chain)
}

/// The rosters that a client keeps, from the pinned one on, opened to add to them.
#[derive(Debug)]
pub struct KeptRosters {
    directory: PathBuf,
    pin: Pin,
    chain: Option<Chain>,
    /// Locked, so that nobody else adds to them meanwhile.
    _alone: File,
}

impl KeptRosters {
    /// Reads them, or begins with `pin` in a directory that is made if it is missing. **One
    /// process at a time**: others are refused, and may read.
    ///
    /// # Errors
    /// [`RosterDirectoryError`].
    pub fn open(directory: &Path, pin: Option<Pin>) -> Result<Self, RosterDirectoryError> {
        if pin.is_some() {
            fs::create_dir_all(directory).map_err(io_at(directory))?;
        }
        let alone = lock(directory)?;
        let pin = match (read_pin(directory)?, pin) {
            (Some(kept), Some(given)) if kept != given => {
                return Err(RosterDirectoryError::OtherPin {
                    path: directory.to_owned(),
                    kept,
                    given,
                });
            }
            (Some(kept), _) => kept,
            (None, Some(given)) => {
                write(&directory.join(PIN_FILE), &format!("{given}\n"))?;
                given
            }
            (None, None) => return Err(RosterDirectoryError::Empty(directory.to_owned())),
        };
        let kept = Self {
            directory: directory.to_owned(),
            pin,
            chain: pinned_chain(directory, &pin)?,
            _alone: alone,
        };
        kept.note_reached()?;
        Ok(kept)
    }

    /// The rosters of a directory in which there must be one and no fork, from its pin on, to be
    /// read only. **So all who go by a directory learn of a fork that somebody has found.**
    ///
    /// # Errors
    /// [`RosterDirectoryError`].
    pub fn chain_in(directory: &Path) -> Result<Chain, RosterDirectoryError> {
        let empty = || RosterDirectoryError::Empty(directory.to_owned());
        let pin = read_pin(directory)?.ok_or_else(empty)?;
        unforked_chain(directory, &pin)
    }

    /// The roster to go by at a time, for those who need no other. **Those before it are not
    /// verified again** if `federation fetch` has noted that it verified them: it names one by the
    /// hash of its text, as a successor does. All are verified where nothing is noted, where what
    /// is noted does not fit, and until the noted roster begins.
    ///
    /// # Errors
    /// Those of [`chain_in`](Self::chain_in).
    pub fn in_force_in(
        directory: &Path,
        now: UnixTime,
    ) -> Result<SignedRoster, RosterDirectoryError> {
        let pin = read_pin(directory)?;
        let reached = Reached::read(directory).filter(|reached| pin == Some(reached.from));
        let since = reached.map(|reached| unforked_chain(directory, &reached.newest));
        let chain = match since {
            Some(Ok(since)) if since.has_begun(now) => since,
            _ => Self::chain_in(directory)?,
        };
        Ok(chain.in_force(now).clone())
    }

    /// With which roster trust begins.
    #[must_use]
    pub const fn pin(&self) -> &Pin {
        &self.pin
    }

    /// What is kept, if anything is.
    #[must_use]
    pub const fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// Takes in a roster that somebody showed, and writes it down if it is new. Of a fork the
    /// other roster is written down, too: together they prove it.
    ///
    /// # Errors
    /// [`RosterDirectoryError`]. After one of the file system, open the directory again.
    pub fn offer(&mut self, offered: SignedRoster) -> Result<Offered, RosterDirectoryError> {
        let file = file_of(&self.directory, offered.sequence());
        let text = offered.to_string();
        let taken = match &mut self.chain {
            Some(chain) => chain.offer(offered),
            None => Chain::begin(&self.pin, offered).map(|chain| {
                self.chain = Some(chain);
                Offered::Added
            }),
        };
        if let Err(ChainError::Fork(_, other)) = &taken {
            write(&self.fork_of(other), &other.to_string())?;
        }
        let taken = taken.map_err(|error| self.chain_error(error))?;
        if taken == Offered::Added {
            let rosters = self.chain.iter().flat_map(Chain::rosters).count();
            if rosters > MAX_ROSTERS {
                return Err(RosterDirectoryError::TooMany(self.directory.clone()));
            }
            write(&file, &text)?;
            self.note_reached()?;
        }
        Ok(taken)
    }

    /// Writes down up to where all are verified. After the roster itself: what is not written down
    /// is verified.
    fn note_reached(&self) -> Result<(), RosterDirectoryError> {
        let Some(chain) = &self.chain else {
            return Ok(());
        };
        let (from, newest) = (self.pin, chain.last().pin());
        let kept = Reached { from, newest }.keep(&self.directory);
        kept.map_err(io_at(&Reached::file(&self.directory)))
    }

    fn chain_error(&self, error: ChainError) -> RosterDirectoryError {
        RosterDirectoryError::Chain {
            path: self.directory.clone(),
            error,
        }
    }

    fn fork_of(&self, other: &SignedRoster) -> PathBuf {
        let digest: String = other.digest().to_string().chars().take(16).collect();
        let name = format!("{}-{digest}.{FORK}", other.sequence());
        self.directory.join(name)
    }
}

/// What a file says that was kept as a fork, judged again.
fn require_no_fork(directory: &Path, chain: &Chain) -> Result<(), RosterDirectoryError> {
    let listing = file_listing::list(directory, &[FORK], MAX_ROSTERS);
    let listing = listing.map_err(io_at(directory))?;
    let Some(path) = listing.files.into_iter().next() else {
        return Ok(());
    };
    match chain.clone().offer(read_file(&path)?) {
        Ok(_) => Err(RosterDirectoryError::NoFork(path)),
        Err(error) => Err(RosterDirectoryError::Chain { path, error }),
    }
}

/// Locks a directory, which must be there, for as long as the file is open.
fn lock(directory: &Path) -> Result<File, RosterDirectoryError> {
    let opened = File::open(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RosterDirectoryError::Empty(directory.to_owned()),
        _ => io_at(directory)(error),
    })?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(RosterDirectoryError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_at(directory)(error)),
    }
}

fn read_pin(directory: &Path) -> Result<Option<Pin>, RosterDirectoryError> {
    let path = directory.join(PIN_FILE);
    let text = match limited_file::read_text(&path, MAX_PIN_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(io_at(&path))?,
    };
    let pin = text.trim_end().parse();
    pin.map(Some)
        .map_err(|error| RosterDirectoryError::Pin { path, error })
}

/// From this roster on, if there is one and no fork.
fn unforked_chain(directory: &Path, pin: &Pin) -> Result<Chain, RosterDirectoryError> {
    let empty = || RosterDirectoryError::Empty(directory.to_owned());
    let chain = pinned_chain(directory, pin)?.ok_or_else(empty)?;
    require_no_fork(directory, &chain)?;
    Ok(chain)
}

/// From the pinned roster on. Older ones, which somebody may have put beside it, say nothing.
fn pinned_chain(directory: &Path, pin: &Pin) -> Result<Option<Chain>, RosterDirectoryError> {
    let mut rosters = read_from(directory, pin.sequence)?.into_values();
    let Some(first) = rosters.next() else {
        return Ok(None);
    };
    let chain = Chain::begin(pin, first).and_then(|chain| continued(chain, rosters));
    let chain = chain.map_err(|error| RosterDirectoryError::Chain {
        path: directory.to_owned(),
        error,
    })?;
    Ok(Some(chain))
}
