//! Everything that an embedded store holds, handed out for another backend to take
//! over. The store is read as it lies on the disk; nobody may have it open.

use std::path::Path;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_storage::disk::{Disk as _, RealDisk};
use pennyblack_storage::journal::Journal;
use tokio::sync::mpsc::Sender;

use super::machine::{CLOSED, JOURNAL, Machine};
use super::mailboxes::Mailboxes;
use super::record_file::RecordFile;
use super::{OpenStoreError, record, spent};
use crate::store::{Limits, Spend};

/// Bytes of an archived spend: nonce and record.
const ARCHIVED_SIZE: usize = 32 + SpendRecord::SIZE;

/// One thing of the store.
#[derive(Debug)]
pub enum Exported {
    /// A key epoch that is closed.
    Closed(TokenKeyId),
    /// A token that is spent. Some come twice.
    Spent(TokenKeyId, Nonce, SpendRecord),
    /// One whose entry is unexpired and in its mailbox, stored at this time.
    Unexpired(Spend, UnixTime),
    /// One whose entry is unexpired, stored at this time, and was dropped for a newer one.
    Dropped(Spend, UnixTime),
}

/// Reads the store in `directory` and sends all that it holds, as fast as it is
/// taken. Locks the directory meanwhile. Not for an async context.
///
/// # Errors
/// [`OpenStoreError`].
pub fn export(
    directory: &Path,
    limits: Limits,
    now: UnixTime,
    to: &Sender<Exported>,
) -> Result<(), OpenStoreError> {
    let disk = Arc::new(RealDisk::open(directory)?);
    // Opening it tells what is damaged, and tidies up what a crash has left.
    let mailboxes = Arc::new(Mailboxes::new(limits));
    drop(Machine::open(
        Arc::clone(&disk),
        limits,
        Arc::new(move || now),
        Arc::clone(&mailboxes),
    )?);
    // Nobody takes any more: the receiver says why.
    let send = |exported| to.blocking_send(exported).unwrap_or_default();
    RecordFile::<_, 32>::open(disk.as_ref(), CLOSED, |_, id| {
        send(Exported::Closed(TokenKeyId(*id)));
    })?;
    for name in disk.list()? {
        let Some(id) = name.strip_prefix(spent::FILE_PREFIX) else {
            continue;
        };
        let mut epoch = TokenKeyId([0; 32]);
        hex::decode_to_slice(id, &mut epoch.0)
            .map_err(|_| OpenStoreError::ForeignFile(name.clone()))?;
        RecordFile::<_, ARCHIVED_SIZE>::open(disk.as_ref(), &name, |_, archived| {
            if let Some((nonce, record)) = archived.split_first_chunk()
                && let Ok(record) = SpendRecord::from_bytes(record)
            {
                send(Exported::Spent(epoch, Nonce(*nonce), record));
            }
        })?;
    }
    let mut wrong = None;
    Journal::open(disk, JOURNAL, |_, bytes| match record::parse(bytes) {
        Ok((spend, sequence, at)) if mailboxes.holds(spend.mailbox, sequence) => {
            send(Exported::Unexpired(spend, at));
        }
        Ok((spend, _, at)) if limits.is_alive(at, now) => send(Exported::Dropped(spend, at)),
        Ok((spend, ..)) => send(Exported::Spent(
            spend.token_key_id,
            spend.nonce,
            spend.record,
        )),
        Err(error) => wrong = Some(error),
    })?;
    wrong.map_or(Ok(()), |error| Err(OpenStoreError::Record(error)))
}
