//! The directory of roots. A root is trusted exactly as long as a file there holds it:
//! whatever else is wrong, taking it away takes effect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pennyblack_stir::{TrustAnchors, certificates_from_pem};

use crate::error::TrustError;
use crate::files::{files_in, read_file};

/// The roots in DER, by the file that holds them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Roots(BTreeMap<PathBuf, Vec<Vec<u8>>>);

impl Roots {
    /// Reads the directory again. A file with something else than roots counts for
    /// nothing. A file or directory that the system does not let us read may still hold
    /// what it held, and nobody has taken it away: its roots stay.
    pub(crate) fn reload(&mut self, directory: &Path, complaints: &mut Vec<TrustError>) {
        let paths = match files_in(directory, "pem", complaints) {
            Ok(paths) => paths,
            Err(error) => {
                if is_gone(&error) {
                    self.0.clear();
                }
                return complaints.push(error);
            }
        };
        let mut before = std::mem::take(&mut self.0);
        for path in paths {
            let roots = match read_file(&path) {
                Ok(pem) => roots_in(&path, &pem),
                Err(error) if is_gone(&error) => continue,
                Err(error @ TrustError::Io { .. }) => {
                    complaints.push(error);
                    Ok(before.remove(&path).unwrap_or_default())
                }
                Err(error) => Err(error),
            };
            match roots {
                Ok(roots) => drop(self.0.insert(path, roots)),
                Err(error) => complaints.push(error),
            }
        }
    }

    /// All of them; nothing if there is none.
    pub(crate) fn anchors(&self) -> Option<TrustAnchors> {
        let roots: Vec<_> = self.0.values().flatten().collect();
        // Each file's were read before: what is left to refuse is that there is none.
        TrustAnchors::from_der(&roots).ok()
    }
}

fn roots_in(path: &Path, pem: &[u8]) -> Result<Vec<Vec<u8>>, TrustError> {
    let found = certificates_from_pem(pem);
    let roots = found.and_then(|found| TrustAnchors::from_der(&found).map(|_| found));
    roots.map_err(|source| TrustError::Root {
        path: path.to_owned(),
        source,
    })
}

/// Taken away, not only out of reach.
fn is_gone(error: &TrustError) -> bool {
    matches!(error, TrustError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
