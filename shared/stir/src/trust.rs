//! Whom to believe: roots and the revocation lists that go with them. Not here:
//! reading either.

use std::sync::Arc;
use std::time::Duration;

use super::anchors::TrustAnchors;
use super::chain_cache::ChainCache;
use super::revocation_lists::RevocationLists;
use pennyblack_base::time::UnixTime;

/// What a chain is judged by. It remembers the chains that held, for itself and
/// its clones.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) revocation: Option<Arc<RevocationLists>>,
    pub(super) revocation_grace: Duration,
    pub(super) verified: ChainCache,
}

impl TrustPolicy {
    /// These anchors, and no revocation lists.
    #[must_use]
    pub fn new(anchors: Arc<TrustAnchors>) -> Self {
        Self {
            anchors,
            revocation: None,
            revocation_grace: Duration::ZERO,
            verified: ChainCache::default(),
        }
    }

    /// The same with revocation lists. From then on a chain is refused unless each of its
    /// certificates below the anchor is covered by a list that is no older than its
    /// `nextUpdate` plus `grace`.
    #[must_use]
    pub fn with_revocation(mut self, lists: Arc<RevocationLists>, grace: Duration) -> Self {
        // Here, and not when the first stranger's certificate comes.
        let _ = lists.relied_upon();
        self.revocation = Some(lists);
        self.revocation_grace = grace;
        self.verified = ChainCache::default();
        self
    }

    /// When the oldest revocation list was due, if it is too old to rely on. Chains whose
    /// certificates other lists cover are accepted all the same.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> Option<UnixTime> {
        let lists = self.revocation.as_ref()?;
        lists.overdue(now, self.revocation_grace)
    }

    /// The anchors.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }
}
