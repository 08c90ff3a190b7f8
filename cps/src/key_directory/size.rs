//! What a record weighs in the directory: its bytes, and what it takes to find it and to
//! charge it. The weights of this are measured (`tests/weights.rs`).

use std::iter;

use pennyblack_protocol::key_record::{Grant, VerifiedKeyRecord};
use pennyblack_stir::Coverage;

use super::blocks::{Block, blocks_of};
use crate::refusal::Refusal;

/// What a record of common size weighs: two certificates, an X25519 key, and the index.
pub(super) const RECORD_SIZE: u64 = 8 * 1024;
/// What each record takes besides its text, with all that was parsed of it but the key.
const INDEX_BYTES: usize = 1024;
/// How often its key is kept.
const KEYS_KEPT: usize = 2;
/// What each block takes that the record answers for: alone in a set, for a set of one has
/// room for a dozen.
pub(super) const OWN_BLOCK_BYTES: usize = 1280;
/// What each block takes that its certificate covers, or the highest one.
const EXTENT_BYTES: usize = 128;
/// What each account takes to which a part of it is charged.
pub(super) const ACCOUNT_BYTES: usize = 192;
/// Most blocks of numbers that a certificate covers: each takes a dozen look-ups to charge.
/// A range of a million numbers, wherever it begins, has 108 at the most.
const MAX_BLOCKS: usize = 256;
/// Most blocks that a record answers for: a look-up of a prefix walks all of them.
const MAX_OWN_BLOCKS: usize = 4096;

/// Bytes that a record weighs.
pub(super) fn of(record: &VerifiedKeyRecord) -> u64 {
    let size = [
        INDEX_BYTES,
        record.as_str().len(),
        record.key().as_bytes().len().saturating_mul(KEYS_KEPT),
        own_blocks(record).saturating_mul(OWN_BLOCK_BYTES),
        of_grant(record.grant()),
    ];
    bytes(size.into_iter().fold(0, usize::saturating_add))
}

/// Bytes that a record weighs that has ended: those of its text, which is not in memory any
/// more, or what it takes to charge them, if that is more.
pub(super) fn of_ended(record: &VerifiedKeyRecord) -> u64 {
    bytes(record.as_str().len().max(of_grant(record.grant())))
}

/// What a grant takes, and the accounts to which its numbers are charged.
fn of_grant(grant: &Grant) -> usize {
    let signer = blocks_of_coverage(grant.signer());
    let named = grant.signer().extents().len();
    let extents = signer.len() + named + grant.highest().extents().len();
    let accounts = (accounts(&signer) + named).saturating_mul(ACCOUNT_BYTES);
    extents
        .saturating_mul(EXTENT_BYTES)
        .saturating_add(accounts)
}

fn bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// Refuses certificates whose numbers lie in too many blocks, and records that answer for
/// too many.
pub(super) fn check_blocks(record: &VerifiedKeyRecord) -> Result<(), Refusal> {
    let grant = record.grant();
    let too_many = |actual: usize, max: usize| match actual > max {
        true => Err(Refusal::ScatteredGrant { actual, max }),
        false => Ok(()),
    };
    for coverage in [grant.signer(), grant.highest()] {
        too_many(blocks_of_coverage(coverage).len(), MAX_BLOCKS)?;
    }
    too_many(own_blocks(record), MAX_OWN_BLOCKS)
}

fn own_blocks(record: &VerifiedKeyRecord) -> usize {
    record.numbers().iter().map(|r| blocks_of(r).len()).sum()
}

fn blocks_of_coverage(coverage: &Coverage) -> Vec<Block> {
    let ranges = coverage.extents().iter().filter_map(|e| e.numbers());
    ranges.flat_map(|range| blocks_of(&range)).collect()
}

/// How many accounts there are for these blocks and for those around them.
pub(super) fn accounts(blocks: &[Block]) -> usize {
    let mut sorted: Vec<_> = blocks.iter().collect();
    sorted.sort();
    let before = iter::once(None).chain(sorted.iter().map(|block| Some(*block)));
    let new = |(before, block): (Option<&Block>, &&Block)| block.depth_beside(before);
    before.zip(&sorted).map(new).sum()
}
