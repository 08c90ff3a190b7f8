//! The directory of revocation lists, and which of them are in force. Each file counts by
//! itself: a broken one keeps no other from being read. Lists never go back: an older one
//! counts for nothing, and one that was in force is missed when it is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::{LIST_FILES, RevocationList, RevocationLists, TrustAnchors};

use crate::error::TrustError;
use crate::files::{files_in, read_file};
use crate::list_marks::ListMarks;

/// The lists of one service.
#[derive(Debug)]
pub(crate) struct ListDirectory {
    path: PathBuf,
    marks: ListMarks,
    in_force: Vec<Arc<RevocationList>>,
}

impl ListDirectory {
    pub(crate) const fn new(path: PathBuf, marks: ListMarks) -> Self {
        Self {
            path,
            marks,
            in_force: Vec::new(),
        }
    }

    /// The lists that count.
    pub(crate) fn in_force(&self) -> &[Arc<RevocationList>] {
        &self.in_force
    }

    /// The lists as they were read last, as far as these anchors vouch for their signers.
    pub(crate) fn read_before(&self, anchors: &TrustAnchors) -> RevocationLists {
        let mut lists = RevocationLists::none();
        for list in &self.in_force {
            if anchors.contains(list.anchor()) {
                lists.add(Arc::clone(list));
            }
        }
        let current = lists.clone();
        // Reported when the lists have been read.
        self.expect_missing(anchors, &current, &mut lists, &mut Vec::new());
        lists
    }

    /// Reads the directory again. What was in force stays so until a newer list takes its
    /// place, or the root is gone through which its signer was believed.
    pub(crate) fn reload(
        &mut self,
        anchors: &TrustAnchors,
        now: UnixTime,
        complaints: &mut Vec<TrustError>,
    ) -> RevocationLists {
        let found = self.read(anchors, now, complaints);
        let mut lists = RevocationLists::none();
        for (_, list) in &found {
            if self.marks.above(list).is_none() {
                lists.add(Arc::clone(list));
            }
        }
        let current = lists.clone();
        for before in std::mem::take(&mut self.in_force) {
            if anchors.contains(before.anchor()) && !is_followed(&before, &current) {
                lists.add(before);
            }
        }
        self.report_older(&found, &current, complaints);
        self.expect_missing(anchors, &current, &mut lists, complaints);
        // A list by a revoked signer covers nothing, so nobody need miss it.
        for list in lists.relied_upon() {
            self.marks.raise(list);
        }
        // The marks in memory count all the same.
        complaints.extend(self.marks.write().err());
        self.in_force = lists.lists().to_vec();
        lists
    }

    /// Every list that a file holds and a configured root vouches for.
    fn read(
        &self,
        anchors: &TrustAnchors,
        now: UnixTime,
        complaints: &mut Vec<TrustError>,
    ) -> Vec<(PathBuf, Arc<RevocationList>)> {
        let paths = files_in(&self.path, LIST_FILES, complaints);
        let mut found = Vec::new();
        for path in paths.unwrap_or_else(|error| {
            complaints.push(error);
            BTreeSet::new()
        }) {
            let file = match read_file(&path) {
                Ok(file) => file,
                Err(error) => {
                    complaints.push(error);
                    continue;
                }
            };
            for list in RevocationList::verify_file(&file, anchors, now) {
                match list {
                    Ok(list) => found.push((path.clone(), list)),
                    Err(source) => complaints.push(TrustError::List {
                        path: path.clone(),
                        source,
                    }),
                }
            }
        }
        found
    }

    /// Reports files whose lists are all too old. One beside a newer list does no harm.
    fn report_older(
        &self,
        found: &[(PathBuf, Arc<RevocationList>)],
        current: &RevocationLists,
        complaints: &mut Vec<TrustError>,
    ) {
        for (path, list) in found {
            let Some(mark) = self.marks.above(list) else {
                continue;
            };
            if !is_followed(list, current) {
                complaints.push(TrustError::OlderList {
                    path: path.clone(),
                    issuer: list.issuer_text().to_owned(),
                    actual: list.age().this_update(),
                    newest: mark.age.this_update(),
                });
            }
        }
    }

    /// A list that was in force is in no file: if this process does not have it any more,
    /// nothing can be told of what it covers.
    fn expect_missing(
        &self,
        anchors: &TrustAnchors,
        current: &RevocationLists,
        lists: &mut RevocationLists,
        complaints: &mut Vec<TrustError>,
    ) {
        let marks = self.marks.all().iter();
        for mark in marks.filter(|mark| anchors.contains(&mark.anchor)) {
            if mark.is_met_by(current) {
                continue;
            }
            let remembered = mark.is_met_by(lists);
            if !remembered {
                lists.expect(mark.identity.clone());
            }
            complaints.push(TrustError::MissingList {
                issuer: mark.issuer.clone(),
                newest: mark.age.this_update(),
                remembered,
            });
        }
    }
}

fn is_followed(list: &RevocationList, lists: &RevocationLists) -> bool {
    let mut lists = lists.lists().iter();
    lists.any(|other| list.is_followed_by(other))
}
