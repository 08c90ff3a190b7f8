//! Whether the disk takes what is written to it. **What refuses is tried again each second,
//! and a disk that is nearly full is tried before anybody needs it**, so that a service that
//! says that it is ready is. A line is written when it begins to refuse and when it takes
//! again, however many commits fail meanwhile.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::disk::{Disk, DiskFile as _};

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The file that is written to try the disk, and removed.
const TRIAL: &str = "trial";
/// As many bytes: some dozens of requests.
const TRIAL_SIZE: usize = 256 * 1024;

/// Why the disk refuses, if it does.
pub type DiskTrouble = Option<String>;

/// What is known of the disk of one journal.
pub(crate) struct Health {
    trouble: watch::Sender<DiskTrouble>,
    /// Commits that failed since the line that said so.
    failed: u64,
    is_untidy: bool,
    looked: Instant,
}

impl Health {
    pub(crate) fn new() -> (Self, watch::Receiver<DiskTrouble>) {
        let (trouble, reported) = watch::channel(None);
        let health = Self {
            trouble,
            failed: 0,
            is_untidy: false,
            looked: Instant::now(),
        };
        (health, reported)
    }

    /// What came of a commit.
    pub(crate) fn committed(&mut self, written: &io::Result<()>) {
        match written {
            Ok(()) => self.takes(),
            Err(error) => {
                self.failed = self.failed.saturating_add(1);
                self.refuses(error);
            }
        }
    }

    /// What came of tidying up.
    pub(crate) fn tidied(&mut self, tidied: io::Result<()>) {
        let was_untidy = std::mem::replace(&mut self.is_untidy, tidied.is_err());
        if let Err(error) = tidied
            && !was_untidy
        {
            tracing::error!(%error, "tidying up the store failed; trying again");
        }
    }

    /// Tries a disk that refuses, or is nearly full.
    pub(crate) fn look<D: Disk>(&mut self, disk: &D) {
        if self.looked.elapsed() < EVERY {
            return;
        }
        self.looked = Instant::now();
        if self.trouble.borrow().is_none() && !disk.is_nearly_full() {
            return;
        }
        match try_to_write(disk) {
            Ok(()) => self.takes(),
            Err(error) => self.refuses(&error),
        }
    }

    fn takes(&mut self) {
        if self
            .trouble
            .send_if_modified(|trouble| trouble.take().is_some())
        {
            let failed = std::mem::take(&mut self.failed);
            tracing::info!(failed, "the disk takes what is written again");
        }
    }

    fn refuses(&mut self, error: &io::Error) {
        let why = Some(error.to_string());
        let is_new = self.trouble.send_if_modified(|trouble| {
            let is_new = *trouble != why;
            trouble.clone_from(&why);
            is_new
        });
        if is_new {
            tracing::error!(%error, "the disk refuses what is written: nothing is acknowledged");
        }
    }
}

/// Whether a commit would be durable now.
fn try_to_write<D: Disk>(disk: &D) -> io::Result<()> {
    // That of a process that was killed.
    let _ = disk.remove(TRIAL);
    let mut file = disk.create(TRIAL)?;
    let written = file.append(&vec![0; TRIAL_SIZE]).and_then(|()| file.sync());
    written.and(disk.remove(TRIAL))
}
