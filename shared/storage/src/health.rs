//! Whether the disk takes what is written to it. **What refuses is tried again each second,
//! and a disk that is nearly full is tried before anybody needs it**, so that a service that
//! says that it is ready is. **Only such a trial ends a refusal**: a small commit may find room
//! where the next one does not. A line is written when it begins to refuse and when it takes
//! again, however many commits fail meanwhile.

use std::io;
use std::path::PathBuf;
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
    /// Names the journal and its directory in log lines: a service has several.
    journal: &'static str,
    directory: PathBuf,
    trouble: watch::Sender<DiskTrouble>,
    /// Commits that failed since the line that said so.
    failed: u64,
    is_untidy: bool,
    looked: Instant,
}

impl Health {
    pub(crate) fn new<D: Disk>(
        journal: &'static str,
        disk: &D,
    ) -> (Self, watch::Receiver<DiskTrouble>) {
        let (trouble, reported) = watch::channel(None);
        let health = Self {
            journal,
            directory: disk.directory().to_owned(),
            trouble,
            failed: 0,
            is_untidy: false,
            looked: Instant::now(),
        };
        (health, reported)
    }

    /// What came of a commit.
    pub(crate) fn committed(&mut self, written: &io::Result<()>) {
        if let Err(error) = written {
            self.failed = self.failed.saturating_add(1);
            self.refuses(error);
        }
    }

    /// What came of tidying up, if anything was to be done.
    pub(crate) fn tidied(&mut self, tidied: Option<io::Result<()>>) {
        let Some(tidied) = tidied else {
            return;
        };
        let was_untidy = std::mem::replace(&mut self.is_untidy, tidied.is_err());
        let (journal, directory) = (self.journal, self.directory.display());
        match tidied {
            Err(error) if !was_untidy => {
                tracing::error!(journal, %directory, %error, "tidying up fails; it is tried again");
            }
            Ok(()) if was_untidy => tracing::info!(journal, %directory, "it is tidied up again"),
            _ => {}
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
            let (journal, directory) = (self.journal, self.directory.display());
            tracing::info!(journal, %directory, failed, "the disk takes what is written again");
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
            let (journal, directory) = (self.journal, self.directory.display());
            tracing::error!(
                journal,
                %directory,
                %error,
                "the disk refuses what is written; it is tried with 256 KiB each second"
            );
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

#[cfg(test)]
mod tests {
    use pennyblack_runtime::logging::testing::lines_of;

    use super::*;
    use crate::fault_disk::FaultDisk;

    fn refused() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    /// Looks at the disk now.
    fn look(health: &mut Health, disk: &FaultDisk) {
        if let Some(earlier) = health.looked.checked_sub(EVERY) {
            health.looked = earlier;
        }
        health.look(disk);
    }

    #[test]
    fn small_commits_that_find_room_do_not_end_what_a_trial_has_refused() {
        let disk = FaultDisk::default();
        let (mut health, trouble) = Health::new("store", &disk);
        disk.limit(Some(TRIAL_SIZE - 1));
        let lines = lines_of(|| {
            for _ in 0..20 {
                health.committed(&Ok(()));
                look(&mut health, &disk);
                health.committed(&Ok(()));
                assert!(trouble.borrow().is_some());
            }
            disk.limit(None);
            look(&mut health, &disk);
        });
        assert_eq!(*trouble.borrow(), None);
        assert_eq!(lines.len(), 2, "{lines:#?}");
    }

    #[test]
    fn commits_that_fail_are_counted_until_a_trial_succeeds() {
        let disk = FaultDisk::default();
        let (mut health, trouble) = Health::new("store", &disk);
        let lines = lines_of(|| {
            for _ in 0..3 {
                health.committed(&Err(refused()));
            }
            look(&mut health, &disk);
        });
        assert_eq!(*trouble.borrow(), None);
        let [begins, ends] = lines.as_slice() else {
            panic!("{lines:#?}");
        };
        assert!(begins.starts_with("ERROR"), "{begins}");
        assert!(
            ends.starts_with("INFO") && ends.contains("failed=3"),
            "{ends}"
        );
    }

    #[test]
    fn what_cannot_be_tidied_up_has_one_line_however_long_it_takes() {
        let (mut health, _trouble) = Health::new("store", &FaultDisk::default());
        let lines = lines_of(|| {
            for _ in 0..5 {
                health.tidied(Some(Err(refused())));
                health.tidied(None);
            }
            health.tidied(Some(Ok(())));
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
    }

    #[test]
    fn every_line_names_the_journal_and_its_directory() {
        let home = tempfile::tempdir().unwrap();
        let disk = crate::disk::RealDisk::open(home.path()).unwrap();
        let (mut health, _trouble) = Health::new("transparency-log", &disk);
        let lines = lines_of(|| {
            health.committed(&Err(refused()));
            health.tidied(Some(Err(refused())));
            health.tidied(Some(Ok(())));
            health.takes();
        });
        assert_eq!(lines.len(), 4);
        let directory = home.path().display().to_string();
        for line in lines {
            let is_named = line.contains("transparency-log") && line.contains(&directory);
            assert!(is_named, "{line}");
        }
    }
}
