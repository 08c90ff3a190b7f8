//! Whom to believe: roots and the revocation lists that go with them. Not here:
//! reading either.

use std::sync::Arc;

use super::anchors::TrustAnchors;
use super::chain_cache::ChainCache;
use super::revocation::RevocationList;
use super::revocation_lists::RevocationLists;
use pennyblack_base::time::UnixTime;

/// What a chain is judged by. It remembers the chains that held, for itself and
/// its clones.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) revocation: Option<Arc<RevocationLists>>,
    pub(super) verified: ChainCache,
}

impl TrustPolicy {
    /// These anchors, and no revocation lists.
    #[must_use]
    pub fn new(anchors: Arc<TrustAnchors>) -> Self {
        Self {
            anchors,
            revocation: None,
            verified: ChainCache::default(),
        }
    }

    /// The same with revocation lists. From then on a chain is refused unless each of its
    /// certificates below the anchor is covered by a list whose `nextUpdate` is still ahead.
    #[must_use]
    pub fn with_revocation(mut self, lists: Arc<RevocationLists>) -> Self {
        // Here, and not when the first stranger's certificate comes.
        let _ = lists.relied_upon();
        self.revocation = Some(lists);
        self.verified = ChainCache::default();
        self
    }

    /// True unless lists are configured and all of them are overdue.
    #[must_use]
    pub fn has_current_list(&self, now: UnixTime) -> bool {
        let Some(lists) = &self.revocation else {
            return true;
        };
        lists.lists().iter().any(|list| now <= list.next_update())
    }

    /// The lists that are too old to rely on. Chains whose certificates other lists cover are
    /// accepted all the same.
    #[must_use]
    pub fn overdue_lists(&self, now: UnixTime) -> Vec<Arc<RevocationList>> {
        let lists = self.revocation.iter().flat_map(|lists| lists.lists());
        lists
            .filter(|list| now > list.next_update())
            .cloned()
            .collect()
    }

    /// The anchors.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }
}
