//! How much of the file anyone may fill. Not here: what a record weighs at a CPS.

use pennyblack_base::encoding;
use pennyblack_protocol::key_record::{Grant, width_of};
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::database::count_from_column;

/// Bytes that the holder of one number may fill, as at a CPS (docs/protocol.md section 5).
const BYTES_OF_NUMBER: u64 = 160 * 1024;
/// The part of the room that one holder may fill.
const SHARE: u64 = 64;
/// What a decimal block takes in the file, with its index.
const BYTES_OF_BLOCK: u64 = 64;
/// What it takes to remember when a mailbox's newest record was made. **It is charged until no
/// older one could come back**: who makes mailboxes and drops them would fill the disk otherwise.
pub(super) const BYTES_OF_NEWEST: u64 = 256;

/// Most that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLimits {
    /// Bytes of all records, each with its certificates, though those are kept once, and its
    /// blocks.
    pub bytes: u64,
}

impl Default for RoomLimits {
    /// 16 GiB: five million records of common size, which take 3 GB on disk.
    fn default() -> Self {
        Self { bytes: 16 << 30 }
    }
}

impl RoomLimits {
    /// Most bytes of the records that are signed below one certificate with numbers.
    fn of_holder(self, grant: &Grant) -> u64 {
        let numbers = width_of(grant.highest());
        let share = (self.bytes / SHARE).max(BYTES_OF_NUMBER);
        numbers.saturating_mul(BYTES_OF_NUMBER).min(share)
    }

    /// Whether `bytes` more of a holder fit, after `freed` of it have gone. **A record in the
    /// place of one that is no smaller always does**, so that anyone can renew and withdraw.
    pub(super) fn has_room(
        self,
        grant: &Grant,
        bytes: u64,
        freed: u64,
        tables: &Transaction<'_>,
    ) -> rusqlite::Result<bool> {
        if bytes <= freed {
            return Ok(true);
        }
        let all = tables.query_row("SELECT bytes FROM room", [], |row| row.get(0))?;
        let all = count_from_column(all);
        let mut of_holder =
            tables.prepare_cached("SELECT bytes FROM holder_room WHERE holder = ?")?;
        let of_holder = of_holder.query_row(params![holder(grant)], |row| row.get(0));
        let of_holder = of_holder.optional()?.map_or(0, count_from_column);
        let with = |taken: u64| taken.saturating_add(bytes);
        Ok(with(all) <= self.bytes && with(of_holder) <= self.of_holder(grant))
    }
}

/// What a record takes: its text with its certificates, and its blocks.
pub(super) fn weight(token: &str, blocks: usize) -> u64 {
    (token.len() as u64).saturating_add(BYTES_OF_BLOCK.saturating_mul(blocks as u64))
}

/// Whose room a record takes: what the highest certificate of its path covers.
pub(super) fn holder(grant: &Grant) -> [u8; 32] {
    encoding::sha256(grant.highest().to_string().as_bytes())
}
