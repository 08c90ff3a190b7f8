//! The roots and lists in force, and the verdict on a certificate. Roots and lists are
//! read independently: whatever is wrong with one file, taking a root away or adding a
//! revocation takes effect when the directories are read next.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::CertificateReference;
use pennyblack_stir::{RevocationLists, TrustAnchors, TrustPolicy, VerifiedChain, verify_chain};
use tokio::sync::watch::{Receiver, Sender};

use crate::config::TrustConfig;
use crate::error::TrustError;
use crate::list_marks::ListMarks;
use crate::lists::ListDirectory;
use crate::roots::Roots;
use crate::verdict::CertificateError;

/// What the directories came to when they were last read.
#[derive(Debug)]
enum Verdicts {
    By(TrustPolicy),
    NoRoots,
    NoRevocationList,
}

/// The same, with what is wrong in the directories.
#[derive(Debug)]
struct State {
    verdicts: Verdicts,
    complaints: Arc<Vec<TrustError>>,
}

/// What the next reading needs of those before it.
#[derive(Debug)]
struct Reader {
    roots: Roots,
    lists: Option<ListDirectory>,
}

/// The roots and lists in force.
#[derive(Debug)]
pub struct Trust {
    roots: PathBuf,
    revocation_lists: Option<PathBuf>,
    /// Locked while the directories are read.
    reader: Mutex<Reader>,
    /// Replaced as a whole by [`Self::reload`].
    state: ArcSwap<State>,
    /// Told when a reading changed the roots or lists in force.
    changes: Sender<()>,
}

impl Trust {
    /// Reads the directories of `config`; missing ones are made, empty. How far
    /// revocation lists have come is kept in the directory `marks`, which no other
    /// process may use. Waits for the disk.
    ///
    /// What is wrong with files of roots and lists is not an error here: the others
    /// count, and [`Self::warnings`] says what is wrong.
    ///
    /// # Errors
    /// [`TrustError`] if a directory cannot be made, or the marks not be read.
    pub fn open(config: &TrustConfig, marks: &Path, now: UnixTime) -> Result<Self, TrustError> {
        for path in config.directories() {
            fs::create_dir_all(path).map_err(TrustError::io(path))?;
        }
        Self::read(config, || ListMarks::open(marks), now)
    }

    /// What [`Self::open`] would find, without making or changing anything.
    ///
    /// # Errors
    /// [`TrustError`] if the marks cannot be read.
    pub(crate) fn look_at(
        config: &TrustConfig,
        marks: &Path,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        Self::read(config, || ListMarks::look_at(marks), now)
    }

    fn read(
        config: &TrustConfig,
        marks: impl FnOnce() -> Result<ListMarks, TrustError>,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        let lists = match config.revocation_lists.clone() {
            Some(path) => Some(ListDirectory::new(path, marks()?)),
            None => None,
        };
        let trust = Self {
            roots: config.roots.clone(),
            revocation_lists: config.revocation_lists.clone(),
            reader: Mutex::new(Reader {
                roots: Roots::default(),
                lists,
            }),
            state: ArcSwap::from_pointee(State {
                verdicts: Verdicts::NoRoots,
                complaints: Arc::default(),
            }),
            changes: Sender::new(()),
        };
        trust.reload(now);
        Ok(trust)
    }

    /// Forgets which lists a service has seen that keeps its marks in `marks`, so that it
    /// accepts those that it finds when it starts next; false if it has seen none. The
    /// service must be down.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn accept_older_lists(marks: &Path) -> Result<bool, TrustError> {
        ListMarks::forget(marks)
    }

    /// Reads both directories again. Waits for the disk. What became of the roots counts
    /// before the lists are read, which may take longer.
    pub fn reload(&self, now: UnixTime) {
        let mut complaints = Vec::new();
        let roots_changed = self.reload_roots(&mut complaints);
        let lists_changed = self.reload_lists(now, complaints);
        if roots_changed || lists_changed {
            self.changes.send_replace(());
        }
    }

    /// Reads the roots again; true if they changed.
    pub(crate) fn reload_roots(&self, complaints: &mut Vec<TrustError>) -> bool {
        let mut reader = self.reader();
        let before = reader.roots.clone();
        reader.roots.reload(&self.roots, complaints);
        if reader.roots == before {
            return false;
        }
        let verdicts = reader.verdicts_by(|lists, anchors| lists.read_before(anchors));
        let complaints = Arc::clone(&self.state.load().complaints);
        let state = State {
            verdicts,
            complaints,
        };
        self.state.store(Arc::new(state));
        true
    }

    /// Reads the lists again, after the roots with these complaints; true if they changed.
    fn reload_lists(&self, now: UnixTime, mut complaints: Vec<TrustError>) -> bool {
        let mut reader = self.reader();
        let before = reader.list_digests();
        let verdicts =
            reader.verdicts_by(|lists, anchors| lists.reload(anchors, now, &mut complaints));
        let state = State {
            verdicts,
            complaints: Arc::new(complaints),
        };
        self.state.store(Arc::new(state));
        reader.list_digests() != before
    }

    /// Changes whenever a reading changed the roots or lists in force.
    #[must_use]
    pub fn changes(&self) -> Receiver<()> {
        self.changes.subscribe()
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps certificates from being accepted at `now` that should be, if anything does:
    /// there are no roots, no current list, or one is missed that was in force. While other
    /// lists are current, an overdue one is only [reported](Self::warnings).
    #[must_use]
    pub fn lack(&self, now: UnixTime) -> Option<String> {
        let state = self.state.load();
        let lists = self.revocation_lists.as_deref().unwrap_or(Path::new(""));
        let lists = lists.display();
        let lack = match &state.verdicts {
            Verdicts::NoRoots => Some(format!(
                "there is no root certificate in {}: put one there, in a .pem file",
                self.roots.display()
            )),
            Verdicts::NoRevocationList => Some(format!(
                "there is no revocation list in {lists} that can be used: put the current \
                 list there, in a .crl file"
            )),
            Verdicts::By(policy) if policy.has_current_list(now) => None,
            Verdicts::By(_) => Some(format!(
                "no list in {lists} is current: put the current one there"
            )),
        };
        let complaints = state.complaints.iter().filter(|one| one.makes_unready());
        let all = lack.into_iter().chain(complaints.map(ToString::to_string));
        join(all)
    }

    /// What else is wrong in the directories at `now`: files that cannot be read, lists that
    /// are overdue or older than others.
    #[must_use]
    pub fn warnings(&self, now: UnixTime) -> Option<String> {
        let state = self.state.load();
        let overdue = match &state.verdicts {
            Verdicts::By(policy) => policy.overdue_lists(now),
            Verdicts::NoRoots | Verdicts::NoRevocationList => Vec::new(),
        };
        let overdue = overdue.iter().map(|list| {
            format!(
                "the list of {} was due at {}: put the current one there",
                list.issuer_text(),
                list.next_update()
            )
        });
        let complaints = state.complaints.iter();
        let complaints = complaints.filter(|one| !one.makes_unready());
        join(overdue.chain(complaints.map(ToString::to_string)))
    }

    /// Verifies the chain that was sent with a JWS.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        &self,
        reference: &CertificateReference,
        now: UnixTime,
    ) -> Result<Arc<VerifiedChain>, CertificateError> {
        let state = self.state.load();
        let policy = match &state.verdicts {
            Verdicts::By(policy) => policy,
            Verdicts::NoRoots => return Err(CertificateError::NoRoots),
            Verdicts::NoRevocationList => return Err(CertificateError::NoRevocationList),
        };
        let chain = match reference {
            CertificateReference::X5c(x5c) => x5c.certificates(),
            CertificateReference::X5u(url) => {
                return Err(CertificateError::NotSent(url.to_string()));
            }
        };
        Ok(verify_chain(chain, policy, now)?)
    }
}

impl Reader {
    /// The verdicts by these roots, and the lists that `read` finds for them.
    fn verdicts_by(
        &mut self,
        read: impl FnOnce(&mut ListDirectory, &TrustAnchors) -> RevocationLists,
    ) -> Verdicts {
        let Some(anchors) = self.roots.anchors() else {
            return Verdicts::NoRoots;
        };
        let policy = TrustPolicy::new(Arc::new(anchors));
        let Some(directory) = &mut self.lists else {
            return Verdicts::By(policy);
        };
        let lists = read(directory, policy.anchors());
        if lists.lists().is_empty() {
            return Verdicts::NoRevocationList;
        }
        Verdicts::By(policy.with_revocation(Arc::new(lists)))
    }

    /// What the lists in force say.
    fn list_digests(&self) -> BTreeSet<[u8; 32]> {
        let lists = self.lists.iter().flat_map(ListDirectory::in_force);
        lists.map(|list| *list.digest()).collect()
    }
}

fn join(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all.join("; "))
}
