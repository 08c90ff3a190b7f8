//! Chains that were judged and hold, so that a carrier's thousandth request
//! costs a hash and a look instead of signatures. Not here: judging
//! ([`super::chain`]).

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::verified_chain::VerifiedChain;
use pennyblack_base::time::UnixTime;

/// Most chains that are remembered; some kilobytes each.
const CAPACITY: usize = 1024;

/// The SHA-256 of a chain's certificates, each with its length before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChainDigest([u8; 32]);

impl ChainDigest {
    pub(super) fn of<D: AsRef<[u8]>>(chain: &[D]) -> Self {
        let mut hash = Sha256::new();
        for der in chain {
            let der = der.as_ref();
            hash.update((der.len() as u64).to_be_bytes());
            hash.update(der);
        }
        Self(hash.finalize().into())
    }
}

/// The chains that hold under one set of anchors and revocation lists; a change of
/// either begins a new cache. Refusals are not remembered, so that only holders of a
/// good certificate take room.
#[derive(Clone)]
pub(super) struct ChainCache(Arc<Cache<ChainDigest, Arc<VerifiedChain>>>);

impl Default for ChainCache {
    fn default() -> Self {
        Self(Arc::new(Cache::new(CAPACITY)))
    }
}

impl fmt::Debug for ChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChainCache").field(&self.0.len()).finish()
    }
}

impl ChainCache {
    /// The chain, if it was judged before, all its certificates are valid at `now`, and
    /// no list that it needs is overdue.
    pub(super) fn get(&self, digest: &ChainDigest, now: UnixTime) -> Option<Arc<VerifiedChain>> {
        let known = self.0.get(digest);
        known.filter(|chain| chain.is_valid_at(now) && chain.is_told_of_at(now))
    }

    pub(super) fn insert(&self, digest: ChainDigest, chain: &Arc<VerifiedChain>) {
        self.0.insert(digest, Arc::clone(chain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_certificate_ends_and_the_next_begins_is_a_part_of_the_digest() {
        let of = |chain: &[&[u8]]| ChainDigest::of(chain);
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"abc"]), of(&[b"abc", b""]));
        assert_ne!(of(&[b"a", b"b"]), of(&[b"b", b"a"]));
    }
}
