//! The names under which a CPS keeps things in Redis, and which of them share a
//! hash slot. Two hundred and fifty-six shards hold the spends, each in a slot of
//! its own; a mailbox is wherever its id hashes to.
//!
//! All of them are text: `redis-cli --cluster import` takes a key for a string of C,
//! and leaves one behind in silence that has a zero byte in it.

use pennyblack_base::encoding::{base64url, sha256};
use pennyblack_evidence::spend::RequestDigest;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_redis::{SLOTS, slot_of};
use pennyblack_sealing::mailbox::MailboxId;

/// How many shards there are. Fixed: a token's shard is the first byte of its nonce.
pub(super) const SHARDS: usize = 256;

/// Buckets of one epoch in one shard: a quarter of a million in all, so that a
/// hundred million tokens fill each with some 400, fewer than the 512 up to which a
/// hash is stored compactly (docs/capacity.md). Fixed: part of where a spend is.
pub(super) const BUCKETS: u16 = 1024;

/// One of the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shard(pub(super) u8);

impl Shard {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    pub(super) fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// Where a token is recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: Shard,
    pub(super) bucket: u16,
    /// The name of the field: the nonce, less what the shard says already.
    pub(super) field: [u8; 31],
}

impl Place {
    pub(super) fn of(nonce: &Nonce) -> Self {
        let [shard, field @ ..] = nonce.0;
        let [first, second, ..] = field;
        Self {
            shard: Shard(shard),
            bucket: u16::from_be_bytes([first, second]) % BUCKETS,
            field,
        }
    }
}

/// Which entry of a mailbox: that of this token for this request. (The same request
/// may be made with two tokens, and is two entries then.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct EntryId(String);

impl EntryId {
    pub(super) fn of(epoch: TokenKeyId, nonce: &Nonce, request: &RequestDigest) -> Self {
        Self(base64url(&sha256(&[epoch.0, nonce.0, request.0].concat())))
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Makes keys. All begin with the namespace, then the hash tag.
#[derive(Debug)]
pub(super) struct Keys {
    namespace: String,
    /// The hash tag of each shard.
    tags: Vec<String>,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            tags: shard_tags(),
        }
    }

    fn of_shard(&self, shard: Shard, kind: char) -> Vec<u8> {
        let tag = self.tags.get(shard.place()).map_or("", String::as_str);
        format!("{}{{{tag}}}{kind}", self.namespace).into_bytes()
    }

    /// What tells whether the shard is as this node left it. (It was `f` when buckets had
    /// other names: to a node that knows such a store it has forgotten, and it stops.)
    pub(super) fn fence(&self, shard: Shard) -> Vec<u8> {
        self.of_shard(shard, 'F')
    }

    /// What is written to try whether a spend would be accepted. Shards lie evenly over the
    /// slots: in a cluster each primary is tried that has a sixteenth of them.
    pub(super) fn trials(&self, is_cluster: bool) -> Vec<Vec<u8>> {
        let shards = if is_cluster { SHARDS } else { 1 };
        let tried = Shard::all().take(shards).step_by(SHARDS / 16);
        tried.map(|shard| self.of_shard(shard, 't')).collect()
    }

    /// How many tokens of each epoch are spent, and which epochs are closed.
    pub(super) fn epochs(&self, shard: Shard) -> Vec<u8> {
        self.of_shard(shard, 'e')
    }

    /// Spends of an epoch.
    pub(super) fn bucket(&self, shard: Shard, epoch: TokenKeyId, bucket: u16) -> Vec<u8> {
        let mut key = self.of_shard(shard, 's');
        key.extend_from_slice(base64url(&epoch.0).as_bytes());
        key.extend_from_slice(format!("{bucket:03x}").as_bytes());
        key
    }

    pub(super) fn mailbox(&self, id: &MailboxId) -> MailboxKeys {
        let tag = base64url(&id.0);
        MailboxKeys(format!("{}{{{tag}}}", self.namespace).into_bytes())
    }
}

/// The keys of one mailbox.
pub(super) struct MailboxKeys(Vec<u8>);

impl MailboxKeys {
    fn key(&self, kind: u8, rest: &[u8]) -> Vec<u8> {
        [self.0.as_slice(), &[kind], rest].concat()
    }

    /// The entries by their number.
    pub(super) fn by_number(&self) -> Vec<u8> {
        self.key(b'n', &[])
    }

    /// The entries by their time.
    pub(super) fn by_time(&self) -> Vec<u8> {
        self.key(b't', &[])
    }

    /// What the key of an entry begins with; an [`EntryId`] follows.
    pub(super) fn entries(&self) -> Vec<u8> {
        self.key(b'x', &[])
    }

    /// Number of the newest entry that was dropped for a newer one, and the latest time of
    /// all that were.
    pub(super) fn dropped(&self) -> Vec<u8> {
        self.key(b'd', &[])
    }

    pub(super) fn entry(&self, id: &EntryId) -> Vec<u8> {
        self.key(b'x', id.as_bytes())
    }

    /// Says that the request's entry was added once.
    pub(super) fn mark(&self, id: &EntryId) -> Vec<u8> {
        self.key(b'm', id.as_bytes())
    }
}

/// A tag for each shard such that the shards lie at even distances over the slots,
/// and so evenly over the nodes of any cluster.
fn shard_tags() -> Vec<String> {
    let mut tags = vec![String::new(); SHARDS];
    let mut missing = SHARDS;
    let slots_of_one = usize::from(SLOTS) / SHARDS;
    for number in 0u32.. {
        let tag = number.to_string();
        let shard = usize::from(slot_of(tag.as_bytes())) / slots_of_one;
        if let Some(place) = tags.get_mut(shard).filter(|place| place.is_empty()) {
            *place = tag;
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_shards_lie_evenly_over_the_slots() {
        let keys = Keys::new("cps");
        for shard in Shard::all() {
            let slot = usize::from(slot_of(&keys.fence(shard)));
            assert_eq!(slot * SHARDS / usize::from(SLOTS), shard.place());
        }
    }

    #[test]
    fn what_a_script_touches_is_in_one_slot() {
        let keys = Keys::new("cps");
        let epoch = TokenKeyId(*b"}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{");
        for shard in Shard::all() {
            let slot = slot_of(&keys.fence(shard));
            assert_eq!(slot_of(&keys.epochs(shard)), slot);
            assert_eq!(slot_of(&keys.bucket(shard, epoch, 1023)), slot);
        }
        let mailbox = keys.mailbox(&MailboxId(epoch.0));
        let entry = EntryId::of(epoch, &Nonce(epoch.0), &RequestDigest(epoch.0));
        let slots = [
            mailbox.by_number(),
            mailbox.by_time(),
            mailbox.dropped(),
            mailbox.entry(&entry),
            mailbox.mark(&entry),
        ]
        .map(|key| slot_of(&key));
        assert_eq!(slots.iter().collect::<HashSet<_>>().len(), 1);
    }

    #[test]
    fn every_key_is_text() {
        let keys = Keys::new("cps");
        for byte in [0, 10, 32, 255] {
            let epoch = TokenKeyId([byte; 32]);
            let mailbox = keys.mailbox(&MailboxId([byte; 32]));
            let entry = EntryId::of(epoch, &Nonce([byte; 32]), &RequestDigest([byte; 32]));
            let bucket = keys.bucket(Shard(byte), epoch, 0);
            for key in [bucket, mailbox.entry(&entry), mailbox.mark(&entry)] {
                assert!(key.iter().all(u8::is_ascii_graphic), "{key:?}");
            }
        }
    }

    #[test]
    fn two_nonces_never_share_a_place() {
        let place = |nonce: [u8; 32]| Place::of(&Nonce(nonce));
        let mut other = [7; 32];
        for changed in 0..32 {
            other[changed] ^= 1;
            assert_ne!(place(other), place([7; 32]));
            other[changed] ^= 1;
        }
    }
}
