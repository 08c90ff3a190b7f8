//! The journal's record: a spend together with its entry, so that one commit
//! makes both durable.

use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_storage::group_commit::FrameBuilder;

use crate::store::Spend;

/// Bytes in front of the entry.
const HEADER_SIZE: usize = 32 + 32 + SpendRecord::SIZE + 32 + 8 + 8;

/// Adds a spend to the frame of the next commit.
///
/// ```text
/// struct {
///   uint8  token_key_id[32];
///   uint8  nonce[32];
///   SpendRecord record;       // 100 bytes
///   uint8  mailbox[32];
///   uint64 sequence;          // of the entry in its mailbox
///   uint64 stored;            // seconds since 1970
///   opaque sealed[];
/// } JournalRecord;
/// ```
pub(super) fn push(frame: &mut FrameBuilder, spend: &Spend, sequence: u64, stored: UnixTime) {
    frame.push(&[
        &spend.token_key_id.0,
        &spend.nonce.0,
        &spend.record.to_bytes(),
        &spend.mailbox.0,
        &sequence.to_be_bytes(),
        &stored.0.to_be_bytes(),
        &spend.sealed,
    ]);
}

/// A spend read back, with its sequence number and time.
pub(super) fn parse(bytes: &[u8]) -> Result<(Spend, u64, UnixTime), WireError> {
    let mut reader = Reader::new(bytes);
    let token_key_id = TokenKeyId(reader.array()?);
    let nonce = Nonce(reader.array()?);
    let record = SpendRecord::from_bytes(reader.take(SpendRecord::SIZE)?)?;
    let mailbox = MailboxId(reader.array()?);
    let (sequence, stored) = (reader.u64()?, UnixTime(reader.u64()?));
    debug_assert_eq!(bytes.len() - HEADER_SIZE, reader.clone().rest().len());
    let spend = Spend {
        token_key_id,
        nonce,
        record,
        mailbox,
        sealed: reader.rest().into(),
    };
    Ok((spend, sequence, stored))
}
