//! What certificates of other parties are judged by here: roots and revocation
//! lists from files. Not here: the judging (`pennyblack_stir`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::{
    LIST_FILES, MAX_LIST_SIZE, ROOT_FILES, RevocationError, RevocationLists, TrustAnchors,
    TrustError, TrustPolicy,
};
use pennyblack_storage::{file_listing, limited_file};

use crate::missing_file;

/// Most files of a directory.
const MAX_FILES: usize = 1024;

/// Most bytes of a file: the largest list as PEM, with its signer.
const MAX_FILE_SIZE: usize = 2 * MAX_LIST_SIZE;

const FOR_TESTS: &str =
    "`pennyblack pki init` makes a directory with roots and revocation lists for tests";

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustFilesError {
    /// A file or directory could not be read.
    #[error("{}: {source}{}", path.display(), missing_file::advice(source, FOR_TESTS))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The roots are not usable.
    #[error("roots {}: {error}", path.display())]
    Roots {
        /// Where they lie.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
    /// A revocation list is not usable.
    #[error("revocation list {}: {error}", path.display())]
    List {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: RevocationError,
    },
    /// The directory of revocation lists holds none.
    #[error("{} holds no .crl file: put the revocation lists there, or leave the option out", .0.display())]
    NoLists(PathBuf),
    /// A revocation list that is too old to rely on.
    #[error(
        "the revocation list of {issuer} was due at {due}: fetch the current one, or no \
         certificate is trusted that no other list covers"
    )]
    Overdue {
        /// Whose list it is.
        issuer: String,
        /// When the next one was due.
        due: UnixTime,
    },
    /// More files than are read.
    #[error("{} has more than {MAX_FILES} files: only the first are read, by their names", .0.display())]
    TooMany(PathBuf),
    /// A file whose name does not say that it is read.
    #[error(
        "{} is not read: its name does not end in .{}",
        path.display(), extensions.join(", .")
    )]
    OtherFile {
        /// Which.
        path: PathBuf,
        /// How names may end.
        extensions: &'static [&'static str],
    },
}

impl TrustFilesError {
    /// True when what is wrong are the roots in `roots`; else the lists are.
    #[must_use]
    pub fn is_of_the_roots(&self, roots: &Path) -> bool {
        match self {
            Self::File { path, .. } => path.starts_with(roots),
            Self::Roots { .. } => true,
            _ => false,
        }
    }
}

/// What certificates are judged by, and what beside it cannot be used.
#[derive(Debug)]
pub struct TrustFiles {
    /// By the roots and lists that can be used.
    pub policy: TrustPolicy,
    /// Roots and lists that cannot be used, and what else is in the directories. Each counts
    /// by itself: certificates that only they vouch for or cover are refused.
    pub warnings: Vec<TrustFilesError>,
}

impl TrustFiles {
    /// Reads roots (a file in PEM or DER, or a directory of such files) and revocation lists
    /// (a file that also holds the certificate of the list's signer, or a directory of such
    /// files). Without `revocation` nothing counts as revoked. Which lists were read before
    /// is not remembered.
    ///
    /// # Errors
    /// [`TrustFilesError`] if a file or directory is missing, or no root or no list can be
    /// used.
    pub fn load(
        roots: &Path,
        revocation: Option<&Path>,
        now: UnixTime,
    ) -> Result<Self, TrustFilesError> {
        let mut warnings = Vec::new();
        let anchors = Arc::new(read_roots(roots, &mut warnings)?);
        let mut policy = TrustPolicy::new(anchors);
        if let Some(revocation) = revocation {
            let lists = read_lists(revocation, policy.anchors(), now, &mut warnings)?;
            policy = policy.with_revocation(Arc::new(lists));
            let overdue = policy.overdue_lists(now).into_iter();
            warnings.extend(overdue.map(|list| TrustFilesError::Overdue {
                issuer: list.issuer_text().to_owned(),
                due: list.next_update(),
            }));
        }
        Ok(Self { policy, warnings })
    }
}

/// Loads [`TrustFiles`] and logs the warnings.
///
/// # Errors
/// [`TrustFilesError`].
pub fn load_trust(
    roots: &Path,
    revocation: Option<&Path>,
    now: UnixTime,
) -> Result<TrustPolicy, TrustFilesError> {
    let TrustFiles { policy, warnings } = TrustFiles::load(roots, revocation, now)?;
    for warning in warnings {
        tracing::warn!(%warning, "of roots and revocation lists");
    }
    Ok(policy)
}

fn read_roots(
    path: &Path,
    warnings: &mut Vec<TrustFilesError>,
) -> Result<TrustAnchors, TrustFilesError> {
    let (mut roots, mut refused) = (Vec::new(), Vec::new());
    for (file, read) in read_all(path, ROOT_FILES, warnings)? {
        match read {
            Ok(bytes) => {
                let (found, errors) = TrustAnchors::of_file(&bytes);
                let path = || file.clone();
                roots.extend(found);
                refused.extend(errors.into_iter().map(|error| TrustFilesError::Roots {
                    path: path(),
                    error,
                }));
            }
            Err(error) => refused.push(error),
        }
    }
    match TrustAnchors::from_der(&roots) {
        Ok(anchors) => {
            warnings.extend(refused);
            Ok(anchors)
        }
        // What is wrong with the only file says more than that there is no root.
        Err(error) => Err(refused.into_iter().next().unwrap_or_else(|| {
            let path = path.to_owned();
            TrustFilesError::Roots { path, error }
        })),
    }
}

fn read_lists(
    path: &Path,
    anchors: &TrustAnchors,
    now: UnixTime,
    warnings: &mut Vec<TrustFilesError>,
) -> Result<RevocationLists, TrustFilesError> {
    let (mut lists, mut refused) = (RevocationLists::none(), Vec::new());
    for (file, read) in read_all(path, LIST_FILES, warnings)? {
        match read {
            Ok(bytes) => {
                let errors = lists.add_file(&bytes, anchors, now).into_iter();
                let path = || file.clone();
                refused.extend(errors.map(|error| TrustFilesError::List {
                    path: path(),
                    error,
                }));
            }
            Err(error) => refused.push(error),
        }
    }
    if lists.lists().is_empty() {
        let none = TrustFilesError::NoLists(path.to_owned());
        return Err(refused.into_iter().next().unwrap_or(none));
    }
    warnings.extend(refused);
    Ok(lists)
}

/// A file, and what is in it or why it cannot be read.
type ReadFile = (PathBuf, Result<Vec<u8>, TrustFilesError>);

/// What is in the file itself, or in those of a directory with these extensions, each of
/// which counts by itself.
fn read_all(
    path: &Path,
    extensions: &'static [&'static str],
    warnings: &mut Vec<TrustFilesError>,
) -> Result<Vec<ReadFile>, TrustFilesError> {
    let read = |file: &Path| limited_file::read(file, MAX_FILE_SIZE).map_err(at(file));
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), Ok(read(path)?))]);
    }
    let found = file_listing::list(path, extensions, MAX_FILES).map_err(at(path))?;
    if found.is_cut {
        warnings.push(TrustFilesError::TooMany(path.to_owned()));
    }
    let others = found.others.into_iter();
    warnings.extend(others.map(|path| TrustFilesError::OtherFile { path, extensions }));
    let files = found.files.into_iter();
    Ok(files
        .map(|file| {
            let bytes = read(&file);
            (file, bytes)
        })
        .collect())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TrustFilesError + use<> {
    let path = path.to_owned();
    |source| TrustFilesError::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};

    const NOW: UnixTime = UnixTime(1_795_000_000);

    #[test]
    fn one_bad_file_is_a_warning_and_nothing_but_bad_files_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let pki = PkiDirectory::init(home.path(), &CaNames::default(), day, NOW).unwrap();
        let (roots, lists) = (pki.roots_path(), pki.revocation_path());
        let load = |now| TrustFiles::load(&roots, Some(&lists), now);
        assert!(load(NOW).unwrap().warnings.is_empty());

        fs::write(roots.join("broken.crt"), b"\0").unwrap();
        fs::write(lists.join("broken.crl"), b"-----BEGIN X509 CRL-----").unwrap();
        fs::write(lists.join("old.crl.bak"), b"").unwrap();
        let said = |trust: &TrustFiles| {
            let warnings = trust.warnings.iter().map(ToString::to_string);
            warnings.collect::<Vec<_>>().join("; ")
        };
        let trust = load(NOW).unwrap();
        for file in ["broken.crt", "broken.crl", "old.crl.bak"] {
            assert!(said(&trust).contains(file), "{}", said(&trust));
        }
        let late = load(NOW.plus(2 * day)).unwrap();
        assert!(said(&late).contains("was due at"), "{}", said(&late));

        fs::remove_file(lists.join("sti-pa.crl")).unwrap();
        let error = load(NOW).unwrap_err();
        assert!(error.to_string().contains("broken.crl"), "{error}");
        fs::remove_file(roots.join("root.pem")).unwrap();
        let error = load(NOW).unwrap_err();
        assert!(error.is_of_the_roots(&roots), "{error}");
        assert!(error.to_string().contains("broken.crt"), "{error}");
    }

    #[test]
    fn a_certificate_that_signs_passports_is_no_root() {
        let home = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), day, NOW).unwrap();
        let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
        pki.issue("office", &request, None, NOW).unwrap();
        let roots = pki.roots_path();
        fs::copy(pki.certificate_path("office"), roots.join("office.pem")).unwrap();
        let warnings = TrustFiles::load(&roots, None, NOW).unwrap().warnings;
        let [warning] = warnings.as_slice() else {
            panic!("{warnings:?}");
        };
        let said = warning.to_string();
        assert!(said.contains("office.pem: certificate 1, of "), "{said}");
        assert!(said.contains("is not a CA's"), "{said}");
    }
}
