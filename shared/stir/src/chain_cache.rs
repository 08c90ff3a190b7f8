//! Chains that were judged and hold, so that a carrier's thousandth request
//! costs a hash and a look instead of signatures. Not here: judging
//! ([`super::chain`]).
//!
//! What is remembered is what was proven: the signed parts of the path's certificates.
//! Around them a sender can put other certificates, and two forms of each signature by
//! elliptic curves; neither makes another chain of it.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::certificate::Certificate;
use super::verified_chain::VerifiedChain;
use pennyblack_base::time::UnixTime;

/// Most chains that are remembered; some kilobytes each.
const CAPACITY: usize = 1024;

/// Most spellings of them: four each, which is what a leaf and a CA have whose signatures
/// have two forms.
const SPELLINGS: usize = 4 * CAPACITY;

/// The SHA-256 of a chain's certificates, each with its length before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChainDigest([u8; 32]);

impl ChainDigest {
    pub(super) fn of<D: AsRef<[u8]>>(chain: &[D]) -> Self {
        digest(chain.iter().map(AsRef::as_ref))
    }
}

/// What a path proves, and by which signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PathDigest {
    /// Of the parts that are signed, the anchor's too.
    signed: ChainDigest,
    signatures: ChainDigest,
}

impl PathDigest {
    /// Of a path that may have been found and not verified yet.
    pub(super) fn of(path: &[&Certificate]) -> Self {
        Self {
            signed: digest(path.iter().map(|one| &*one.signed.message)),
            signatures: digest(path.iter().map(|one| &*one.signed.signature)),
        }
    }
}

fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> ChainDigest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    ChainDigest(hash.finalize().into())
}

/// A chain that was judged, and the signatures by which it was.
#[derive(Debug, Clone)]
struct Proven {
    chain: Arc<VerifiedChain>,
    signatures: ChainDigest,
}

/// A path that was judged before.
pub(super) struct KnownPath {
    pub(super) chain: Arc<VerifiedChain>,
    /// Whether the very signatures were verified, not others over the same.
    pub(super) is_verified: bool,
}

/// The chains that hold under one set of anchors and revocation lists; a change of
/// either begins a new cache. Refusals are not remembered, so that only holders of a
/// good certificate take room.
#[derive(Clone)]
pub(super) struct ChainCache(Arc<Memory>);

struct Memory {
    /// By the signed parts of their paths.
    proven: Cache<ChainDigest, Proven>,
    /// Which of them a chain is, as it was sent, that has nothing but its path in order:
    /// it need not even be read.
    spellings: Cache<ChainDigest, ChainDigest>,
}

impl Default for ChainCache {
    fn default() -> Self {
        Self(Arc::new(Memory {
            proven: Cache::new(CAPACITY),
            spellings: Cache::new(SPELLINGS),
        }))
    }
}

impl fmt::Debug for ChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { proven, spellings } = &*self.0;
        f.debug_struct("ChainCache")
            .field("proven", &proven.len())
            .field("spellings", &spellings.len())
            .finish()
    }
}

impl ChainCache {
    /// The chain that was sent, if it was judged before, all its certificates are valid at
    /// `now`, and no list that it needs is overdue.
    pub(super) fn get(&self, sent: &ChainDigest, now: UnixTime) -> Option<Arc<VerifiedChain>> {
        let signed = self.0.spellings.get(sent)?;
        self.proven(&signed, now).map(|proven| proven.chain)
    }

    /// The same for a path that was found in what was sent.
    pub(super) fn get_path(&self, path: &PathDigest, now: UnixTime) -> Option<KnownPath> {
        let proven = self.proven(&path.signed, now)?;
        Some(KnownPath {
            is_verified: proven.signatures == path.signatures,
            chain: proven.chain,
        })
    }

    fn proven(&self, signed: &ChainDigest, now: UnixTime) -> Option<Proven> {
        let known = self.0.proven.get(signed);
        known.filter(|known| known.chain.is_valid_at(now) && known.chain.is_told_of_at(now))
    }

    /// Remembers a path that holds.
    pub(super) fn insert(&self, path: &PathDigest, chain: &Arc<VerifiedChain>) {
        let proven = Proven {
            chain: Arc::clone(chain),
            signatures: path.signatures,
        };
        self.0.proven.insert(path.signed, proven);
    }

    /// Remembers that what was sent is such a path and nothing else.
    pub(super) fn insert_spelling(&self, sent: ChainDigest, path: &PathDigest) {
        self.0.spellings.insert(sent, path.signed);
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
