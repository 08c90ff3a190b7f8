//! The directory of roots. A root is trusted exactly as long as a file there holds it:
//! whatever else is wrong, taking it away takes effect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pennyblack_stir::{ROOT_FILES, TrustAnchors};

use crate::error::TrustError;
use crate::files::{files_in, read_file};

/// The roots in DER, by the file that holds them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Roots(BTreeMap<PathBuf, Vec<Vec<u8>>>);

impl Roots {
    /// Reads the directory again. **Each root counts by itself:** what else is in its file or
    /// in others keeps no root that can be read from being trusted. A file or directory that the system does not let us read may still hold
    /// what it held, and nobody has taken it away: its roots stay.
    pub(crate) fn reload(&mut self, directory: &Path, complaints: &mut Vec<TrustError>) {
        let paths = match files_in(directory, ROOT_FILES, complaints) {
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
                Ok(file) => {
                    let (roots, refused) = TrustAnchors::of_file(&file);
                    let refused = refused.into_iter().map(|source| TrustError::Root {
                        path: path.clone(),
                        source,
                    });
                    complaints.extend(refused);
                    roots
                }
                Err(error) if is_gone(&error) => continue,
                Err(error) => {
                    let stays = matches!(error, TrustError::Io { .. });
                    complaints.push(error);
                    let stayed = before.remove(&path).filter(|_| stays);
                    stayed.unwrap_or_default()
                }
            };
            self.0.insert(path, roots);
        }
    }

    /// All of them; nothing if there is none.
    pub(crate) fn anchors(&self) -> Option<TrustAnchors> {
        let roots: Vec<_> = self.0.values().flatten().collect();
        // Each file's were read before: what is left to refuse is that there is none.
        TrustAnchors::from_der(&roots).ok()
    }
}

/// Taken away, not only out of reach.
fn is_gone(error: &TrustError) -> bool {
    matches!(error, TrustError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
