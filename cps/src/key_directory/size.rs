//! What a record weighs in the directory: its bytes, and what it takes to find it.

use pennyblack_protocol::key_record::VerifiedKeyRecord;

use super::blocks::blocks_of;
use crate::refusal::Refusal;

/// What a record of common size weighs: two certificates, an X25519 key, and the index.
pub(super) const RECORD_SIZE: u64 = 6 * 1024;
/// What each record takes besides its text, with all that was parsed of it.
const INDEX_BYTES: usize = 1024;
/// What each block takes, of those that the record answers for and its certificate covers.
const BLOCK_BYTES: usize = 128;
/// Most blocks of numbers that a certificate covers: each takes a dozen look-ups to charge.
/// A range of a million numbers, wherever it begins, has 108 at the most.
const MAX_BLOCKS: usize = 256;

/// Bytes that a record weighs.
pub(super) fn of(record: &VerifiedKeyRecord) -> u64 {
    let own: usize = record.numbers().iter().map(|r| blocks_of(r).len()).sum();
    let blocks = own.saturating_add(blocks_of_signer(record));
    let size = record.as_str().len() + INDEX_BYTES;
    let size = size.saturating_add(blocks.saturating_mul(BLOCK_BYTES));
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// Refuses certificates whose numbers lie in too many blocks.
pub(super) fn check_blocks(record: &VerifiedKeyRecord) -> Result<(), Refusal> {
    let grant = record.grant();
    for coverage in [grant.signer(), grant.highest()] {
        let actual = blocks_of_coverage(coverage);
        if actual > MAX_BLOCKS {
            return Err(Refusal::ScatteredGrant {
                actual,
                max: MAX_BLOCKS,
            });
        }
    }
    Ok(())
}

fn blocks_of_signer(record: &VerifiedKeyRecord) -> usize {
    blocks_of_coverage(record.grant().signer())
}

fn blocks_of_coverage(coverage: &pennyblack_stir::Coverage) -> usize {
    let extents = coverage.extents().iter();
    extents
        .map(|extent| extent.numbers().map_or(1, |range| blocks_of(&range).len()))
        .sum()
}
