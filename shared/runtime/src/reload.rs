//! Files that are read again while a program runs: certificates, keys and lists that
//! somebody renews. Each minute and on SIGHUP; what cannot be used changes nothing. Not
//! here: what is in the files.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::shutdown::Shutdown;

/// How often files are read again. A renewal is taken up after this time at most.
const EVERY: Duration = Duration::from_secs(60);

/// How long new files must stay as they are, and how often that is tried.
const SETTLED: Duration = Duration::from_millis(200);
const TRIES: usize = 10;

/// Why files cannot be used.
type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// What was read of files, and is read again. **A reading that fails keeps what was read
/// before**, and says so.
pub struct FromFiles<T> {
    /// What the files are, as log lines name them: a configuration key.
    what: &'static str,
    read: Box<dyn Fn() -> Result<T, ReadError> + Send + Sync>,
    /// Locked to read or replace, never while waiting.
    current: RwLock<Arc<T>>,
    changes: watch::Sender<()>,
}

impl<T> fmt::Debug for FromFiles<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFiles").field(&self.what).finish()
    }
}

impl<T: PartialEq> FromFiles<T> {
    /// Reads them for the first time. Waits for the disk.
    ///
    /// # Errors
    /// What `read` returns.
    pub fn open<E: std::error::Error + Send + Sync + 'static>(
        what: &'static str,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, E> {
        let first = read()?;
        metrics::gauge!("pennyblack_reload_failed", "what" => what).set(0.0);
        Ok(Arc::new(Self {
            what,
            read: Box::new(move || read().map_err(Into::into)),
            current: RwLock::new(Arc::new(first)),
            changes: watch::Sender::new(()),
        }))
    }

    /// What was read last.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Word of each change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What was found, once it stays so: a chain without its end reads as a shorter one.
    /// Nothing while the files are still being written; the next reading finds them.
    fn settled(&self, mut found: T) -> Option<T> {
        for _ in 0..TRIES {
            std::thread::sleep(SETTLED);
            let again = (self.read)().ok()?;
            if again == found {
                return Some(again);
            }
            found = again;
        }
        None
    }
}

/// Files that can be read again.
pub trait Reread: Send + Sync {
    /// Reads them. Waits for the disk.
    fn reread(&self);
}

impl<T: PartialEq + Send + Sync> Reread for FromFiles<T> {
    fn reread(&self) {
        let gauge = metrics::gauge!("pennyblack_reload_failed", "what" => self.what);
        let found = match (self.read)() {
            Ok(found) => found,
            Err(error) => {
                gauge.set(1.0);
                let what = self.what;
                return tracing::error!(what, %error, "new files cannot be used: the old ones stay in force");
            }
        };
        gauge.set(0.0);
        if *self.current() == found {
            return;
        }
        let Some(found) = self.settled(found) else {
            return;
        };
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        tracing::info!(what = self.what, "new files are in force");
        self.changes.send_replace(());
    }
}

/// The files of a program, and the request to read them again. Clones share both.
#[derive(Clone, Default)]
pub struct Reload(Arc<Files>);

#[derive(Default)]
struct Files {
    /// Locked to add or copy, never while waiting.
    files: Mutex<Vec<Arc<dyn Reread>>>,
    requests: watch::Sender<u64>,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reload").finish_non_exhaustive()
    }
}

/// SIGHUP. **From the moment that this exists it kills nobody.**
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Takes it from the operating system.
    ///
    /// # Errors
    /// When the operating system refuses the handler.
    pub fn catch() -> Result<Self, std::io::Error> {
        Ok(Self(signal(SignalKind::hangup())?))
    }
}

impl Reload {
    /// One without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `files` read again from now on.
    pub fn add(&self, files: Arc<dyn Reread>) {
        self.files().push(files);
    }

    /// Has all files read again now.
    pub fn trigger(&self) {
        self.0.requests.send_modify(|requests| *requests += 1);
    }

    /// Word of each request, for what is read at times of its own.
    #[must_use]
    pub fn requests(&self) -> watch::Receiver<u64> {
        self.0.requests.subscribe()
    }

    /// Makes each SIGHUP a request.
    pub fn on_hangups(&self, mut hangups: Hangups) {
        let reload = self.clone();
        tokio::spawn(async move {
            while hangups.0.recv().await.is_some() {
                tracing::info!(signal = "SIGHUP", "files are read again");
                reload.trigger();
            }
        });
    }

    /// Reads all files each minute and at each request, until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        let mut requests = self.requests();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                Ok(()) = requests.changed() => {}
                () = shutdown.requested() => return,
            }
            let files = self.files().clone();
            let read = spawn_blocking(move || files.iter().for_each(|files| files.reread()));
            if let Err(error) = read.await {
                tracing::error!(%error, "reading files again broke off");
            }
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Reread>>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn files_are_in_force_once_they_can_be_used_and_the_old_ones_until_then() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("number");
        fs::write(&path, "1").unwrap();
        let number = FromFiles::open("a number", move || {
            let text = fs::read_to_string(&path).map_err(std::io::Error::other)?;
            text.parse::<u64>().map_err(std::io::Error::other)
        });
        let number = number.unwrap();
        let (reload, shutdown) = (Reload::new(), Shutdown::new());
        reload.add(Arc::clone(&number) as Arc<dyn Reread>);
        reload.on_hangups(Hangups::catch().unwrap());
        let running = tokio::spawn(reload.run(shutdown.clone()));
        let mut changes = number.changes();
        for (text, expected) in [("2", 2), ("3", 3)] {
            for bad in ["", "half"] {
                fs::write(home.path().join("number"), bad).unwrap();
                number.reread();
                assert_eq!(*number.current(), expected - 1);
            }
            fs::write(home.path().join("number"), text).unwrap();
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
            changes.changed().await.unwrap();
            assert_eq!(*number.current(), expected);
        }
        number.reread();
        assert!(!changes.has_changed().unwrap());
        shutdown.trigger();
        running.await.unwrap();
    }
}
