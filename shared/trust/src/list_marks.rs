//! How far revocation lists have come: for each list that was in force, how new the
//! newest was. An older list that is put back would make revoked certificates good again,
//! also after a restart; so this is kept in a small file. Not here: what the lists say.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_stir::{AnchorId, ListAge, ListIdentity, RevocationList, RevocationLists};
use pennyblack_storage::disk::RealDisk;
use pennyblack_storage::{atomic_file, limited_file};
use serde::{Deserialize, Serialize};

use crate::error::{MAX_FILE_SIZE, TrustError};

const FILE: &str = "lists.json";

/// The newest list of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListMark {
    /// The issuer's name as text, for messages.
    pub(crate) issuer: String,
    pub(crate) identity: ListIdentity,
    pub(crate) age: ListAge,
    /// SHA-256 of what the newest says, in hexadecimal. There may be several of one age,
    /// and then all of them count.
    digests: BTreeSet<String>,
    /// Through which root the signer was believed. Without that root nobody expects the
    /// list any more.
    pub(crate) anchor: AnchorId,
}

impl ListMark {
    fn of(list: &RevocationList) -> Self {
        Self {
            issuer: list.issuer_text().to_owned(),
            identity: list.identity().clone(),
            age: list.age().clone(),
            digests: BTreeSet::from([hex::encode(list.digest())]),
            anchor: list.anchor().clone(),
        }
    }

    /// True when everything is among `lists` that was in force, or a newer list in its
    /// place. No other key's list takes its place.
    pub(crate) fn is_met_by(&self, lists: &RevocationLists) -> bool {
        let lists = lists.lists().iter();
        let own: Vec<_> = lists.filter(|l| *l.identity() == self.identity).collect();
        let is_there = |digest: &String| own.iter().any(|l| hex::encode(l.digest()) == *digest);
        own.iter().any(|list| *list.age() > self.age) || self.digests.iter().all(is_there)
    }
}

/// The marks of one service; their directory is locked as long as they live, unless they
/// are only looked at.
#[derive(Debug)]
pub(crate) struct ListMarks {
    path: PathBuf,
    directory: Option<RealDisk>,
    /// What the file holds, and what it should hold.
    written: Vec<ListMark>,
    marks: Vec<ListMark>,
}

impl ListMarks {
    /// Opens the marks in `directory`, which is made if it is missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, TrustError> {
        Self::read(directory, Some(RealDisk::open(directory)?))
    }

    /// The marks in `directory` as they are now, also beside the service that writes them.
    /// These are never written.
    pub(crate) fn look_at(directory: &Path) -> Result<Self, TrustError> {
        Self::read(directory, None)
    }

    fn read(directory: &Path, locked: Option<RealDisk>) -> Result<Self, TrustError> {
        let path = directory.join(FILE);
        let marks: Vec<ListMark> = match limited_file::read(&path, MAX_FILE_SIZE) {
            Ok(json) => {
                serde_json::from_slice(&json).map_err(|error| TrustError::DamagedMarks {
                    path: path.clone(),
                    why: error.to_string(),
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(TrustError::Marks { path, source }),
        };
        Ok(Self {
            path,
            directory: locked,
            written: marks.clone(),
            marks,
        })
    }

    /// Forgets all marks, so that the lists are accepted as they are; false if there were
    /// none. The service must be down.
    pub(crate) fn forget(directory: &Path) -> Result<bool, TrustError> {
        if !directory.exists() {
            return Ok(false);
        }
        let _locked = RealDisk::open(directory)?;
        let path = directory.join(FILE);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(TrustError::Marks { path, source }),
        }
    }

    pub(crate) fn all(&self) -> &[ListMark] {
        &self.marks
    }

    /// The mark that `list` falls short of, if it does.
    pub(crate) fn above(&self, list: &RevocationList) -> Option<&ListMark> {
        let mut marks = self.marks.iter();
        marks.find(|mark| mark.identity == *list.identity() && mark.age > *list.age())
    }

    /// Raises the mark of a list that comes into force.
    pub(crate) fn raise(&mut self, list: &RevocationList) {
        let raised = ListMark::of(list);
        let mut marks = self.marks.iter_mut();
        match marks.find(|mark| mark.identity == raised.identity) {
            Some(mark) if mark.age < raised.age => *mark = raised,
            Some(mark) if mark.age == raised.age => {
                mark.digests.extend(raised.digests);
                // The root that vouched for it before may be gone.
                mark.anchor = raised.anchor;
            }
            Some(_) => {}
            None => self.marks.push(raised),
        }
    }

    /// Writes the file if anything changed. If that fails, the marks count all the same,
    /// and the next call tries again.
    pub(crate) fn write(&mut self) -> Result<(), TrustError> {
        if self.marks == self.written || self.directory.is_none() {
            return Ok(());
        }
        let error = |source| TrustError::Marks {
            path: self.path.clone(),
            source,
        };
        let json = serde_json::to_vec_pretty(&self.marks).map_err(|e| error(e.into()))?;
        if json.len() > MAX_FILE_SIZE {
            // It would not be read again.
            return Err(error(io::ErrorKind::FileTooLarge.into()));
        }
        atomic_file::write_public(&self.path, &json).map_err(error)?;
        self.written.clone_from(&self.marks);
        Ok(())
    }
}
