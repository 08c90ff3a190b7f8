//! Whose certificates a service trusts: roots and revocation lists from two
//! directories, read again while it runs, and the verdict on a certificate. The
//! verification itself is `pennyblack_stir`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::CertificateReference;
use pennyblack_stir::{
    ChainError, MAX_LIST_SIZE, RevocationError, RevocationLists, TrustAnchors,
    TrustError as AnchorError, TrustPolicy, VerifiedChain, certificates_from_pem, verify_chain,
};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;

/// The longest wait for the clock, which may be set back while somebody waits.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The part of the service that is not ready without trust.
const PART: &str = "trust";

/// Largest file that is read: a list of the largest size in PEM.
const MAX_FILE_SIZE: u64 = 2 * MAX_LIST_SIZE as u64;

/// `[trust]`: roots and revocation lists, read again while the service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustConfig {
    /// Directory of root certificates, one or more in each `.pem` file.
    pub roots: PathBuf,
    /// Directory of revocation lists, one in each `.crl` file (DER or PEM). Without
    /// this key nothing is looked up, and revocation waits for the certificate to
    /// expire. With it, a certificate is refused while its list is missing or out
    /// of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_lists: Option<PathBuf>,
    /// How often both directories are read again. Default: 1m.
    #[serde(default = "one_minute", with = "humantime_serde")]
    pub reload: Duration,
}

const fn one_minute() -> Duration {
    Duration::from_secs(60)
}

impl TrustConfig {
    /// These roots, no revocation lists, and defaults for all else.
    #[must_use]
    pub const fn new(roots: PathBuf) -> Self {
        Self {
            roots,
            revocation_lists: None,
            reload: one_minute(),
        }
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`ConfigurationError`] naming the key.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        if self.reload.as_secs() > 0 {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "trust.reload",
            "the lists cannot be read without a pause",
            "set a second or more, such as \"1m\"",
        ))
    }
}

/// Trust directories that cannot be used. What was read before stays in force.
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
    /// A file too large to be what it should.
    #[error("{} has {size} bytes, at most {MAX_FILE_SIZE} are read", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// A root certificate.
    #[error("{}: {source}; replace the file, or take it away", path.display())]
    Root {
        /// The file, or the directory when it is not known which.
        path: PathBuf,
        /// What is wrong with it.
        source: AnchorError,
    },
    /// A revocation list.
    #[error("{}: {source}; fetch the list again", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RevocationError,
    },
}

/// A certificate that is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Its chain does not hold.
    #[error("{0}")]
    Untrusted(ChainError),
    /// There are no roots here.
    #[error("this service has no root certificates yet")]
    NoRoots,
    /// It, or one above it, is revoked.
    #[error("{0}")]
    Revoked(ChainError),
    /// Only a reference to it was sent.
    #[error("the certificate is at {0}, and this service fetches none: send x5c")]
    NotSent(String),
    /// The list that would tell is out of date.
    #[error("{0}")]
    StaleRevocation(ChainError),
    /// The list that would tell is not there.
    #[error("this service has no revocation list yet")]
    NoRevocationList,
}

impl CertificateError {
    /// The type of problem document that says so.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::Untrusted(_) | Self::NoRoots => ProblemType::CertificateUntrusted,
            Self::Revoked(_) => ProblemType::CertificateRevoked,
            Self::NotSent(_) => ProblemType::CertificateUnavailable,
            Self::StaleRevocation(_) | Self::NoRevocationList => ProblemType::RevocationUnavailable,
        }
    }
}

/// What the directories came to when they were last read.
#[derive(Debug)]
enum State {
    Usable(TrustPolicy),
    NoRoots,
    NoRevocationList,
}

/// The roots and lists in force.
#[derive(Debug)]
pub struct Trust {
    roots: PathBuf,
    revocation_lists: Option<PathBuf>,
    /// Replaced as a whole by [`Self::reload`].
    state: ArcSwap<State>,
}

impl Trust {
    /// Reads the directories of `config`; missing ones are made, empty. Waits for
    /// the disk.
    ///
    /// # Errors
    /// [`TrustError`] naming the first file that is not what it should be.
    pub fn open(config: &TrustConfig, now: UnixTime) -> Result<Self, TrustError> {
        for path in std::iter::once(&config.roots).chain(&config.revocation_lists) {
            fs::create_dir_all(path).map_err(|source| io_error(path, source))?;
        }
        let trust = Self {
            roots: config.roots.clone(),
            revocation_lists: config.revocation_lists.clone(),
            state: ArcSwap::from_pointee(State::NoRoots),
        };
        trust.reload(now)?;
        Ok(trust)
    }

    /// Reads both directories again. Waits for the disk.
    ///
    /// # Errors
    /// [`TrustError`]; what was in force stays so, and revocation lists that are
    /// not renewed run out.
    pub fn reload(&self, now: UnixTime) -> Result<(), TrustError> {
        self.state.store(Arc::new(self.read(now)?));
        Ok(())
    }

    /// What keeps every certificate from being accepted at `now`, if anything does.
    #[must_use]
    pub fn lack(&self, now: UnixTime) -> Option<String> {
        let lists = || {
            self.revocation_lists
                .as_deref()
                .unwrap_or(Path::new(""))
                .display()
        };
        match &**self.state.load() {
            State::NoRoots => Some(format!(
                "there is no root certificate in {}: put one there, in a .pem file",
                self.roots.display()
            )),
            State::NoRevocationList => Some(format!(
                "there is no .crl file in {}: put the current list there",
                lists()
            )),
            State::Usable(policy) => policy.overdue(now).map(|due| {
                format!(
                    "a list in {} was due at {due}: put the current one there",
                    lists()
                )
            }),
        }
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
        let policy = match &**state {
            State::Usable(policy) => policy,
            State::NoRoots => return Err(CertificateError::NoRoots),
            State::NoRevocationList => return Err(CertificateError::NoRevocationList),
        };
        let chain = match reference {
            CertificateReference::X5c(x5c) => x5c.certificates(),
            CertificateReference::X5u(url) => {
                return Err(CertificateError::NotSent(url.to_string()));
            }
        };
        verify_chain(chain, policy, now).map_err(|error| match error {
            ChainError::Revoked(_) => CertificateError::Revoked(error),
            ChainError::StaleRevocation { .. } => CertificateError::StaleRevocation(error),
            error => CertificateError::Untrusted(error),
        })
    }

    fn read(&self, now: UnixTime) -> Result<State, TrustError> {
        let Some(anchors) = read_roots(&self.roots)? else {
            return Ok(State::NoRoots);
        };
        let policy = TrustPolicy::new(Arc::new(anchors));
        let Some(directory) = &self.revocation_lists else {
            return Ok(State::Usable(policy));
        };
        match read_lists(directory, policy.anchors(), now)? {
            None => Ok(State::NoRevocationList),
            Some(lists) => {
                let policy = policy.with_revocation(Arc::new(lists), Duration::ZERO);
                Ok(State::Usable(policy))
            }
        }
    }
}

/// Reads the directories again every `every`, until `shutdown`; what is lacking
/// is reported to the operator, for the first time before this returns the task.
pub fn keep_current(
    trust: Arc<Trust>,
    every: Duration,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send {
    report(&readiness, trust.lack(clock.now()));
    // Counted from here, not from when the task first runs.
    let mut next = clock.now().plus(every);
    async move {
        loop {
            tokio::select! {
                () = clock.reached(next) => {}
                // Not endlessly, if the clock is set back meanwhile.
                () = tokio::time::sleep(LONGEST_WAIT) => {}
                () = shutdown.requested() => return,
            }
            next = clock.now().plus(every);
            let (reading, now) = (Arc::clone(&trust), clock.now());
            let lack = match spawn_blocking(move || reading.reload(now)).await {
                Ok(Ok(())) => trust.lack(clock.now()),
                // What was read before stays in force, until it is out of date.
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(format!("reading broke off: {error}")),
            };
            report(&readiness, lack);
        }
    }
}

fn report(readiness: &Readiness, lack: Option<String>) {
    match lack {
        None => readiness.has(PART),
        Some(lack) => {
            tracing::warn!(lack, "trust in certificates is not as configured");
            readiness.lacks(PART, lack);
        }
    }
}

fn read_roots(directory: &Path) -> Result<Option<TrustAnchors>, TrustError> {
    let mut roots = Vec::new();
    for path in files_in(directory, "pem")? {
        let found = certificates_from_pem(&read_file(&path)?)
            .and_then(|found| TrustAnchors::from_der(&found).map(|_| found));
        roots.extend(found.map_err(|source| TrustError::Root { path, source })?);
    }
    if roots.is_empty() {
        return Ok(None);
    }
    let anchors = TrustAnchors::from_der(&roots);
    let path = directory.to_owned();
    anchors
        .map(Some)
        .map_err(|source| TrustError::Root { path, source })
}

fn read_lists(
    directory: &Path,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Option<RevocationLists>, TrustError> {
    let paths = files_in(directory, "crl")?;
    if paths.is_empty() {
        return Ok(None);
    }
    let mut lists = RevocationLists::none();
    for path in paths {
        let bytes = read_file(&path)?;
        let added = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            lists.add_pem(&bytes, anchors, now)
        } else {
            lists.add_der::<&[u8]>(&bytes, &[], anchors, now)
        };
        added.map_err(|source| TrustError::List { path, source })?;
    }
    Ok(Some(lists))
}

/// The files of a directory with this extension, in the order of their names.
fn files_in(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, TrustError> {
    let entries = fs::read_dir(directory).map_err(|source| io_error(directory, source))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| io_error(directory, source))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<Vec<u8>, TrustError> {
    let size = fs::metadata(path)
        .map_err(|source| io_error(path, source))?
        .len();
    if size > MAX_FILE_SIZE {
        return Err(TrustError::TooLarge {
            path: path.to_owned(),
            size,
        });
    }
    fs::read(path).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> TrustError {
    TrustError::Io {
        path: path.to_owned(),
        source,
    }
}
