//! A record on its way to the Redis that several nodes share: its room is taken before it
//! is written there, so that records that come at the same time cannot all have the last
//! of it, and given back if it is not written.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;

use super::{KeyDirectory, record_id};
use crate::refusal::Refusal;

/// A record with room for it, until it is dropped. The listed record has its own.
#[derive(Debug)]
pub(super) struct Reservation {
    directory: Arc<KeyDirectory>,
    pub(super) record: Arc<VerifiedKeyRecord>,
}

impl Reservation {
    /// Takes the room of a record that was verified, if it may be registered by what is
    /// known here; `None` when it is registered already.
    pub(super) fn of(
        directory: Arc<KeyDirectory>,
        record: Arc<VerifiedKeyRecord>,
        now: UnixTime,
    ) -> Result<Option<Self>, Refusal> {
        let id = record_id(&record);
        if !directory.check_new(&id, &record)? {
            return Ok(None);
        }
        directory.remove_ended(now);
        let waiting = directory.waiting_size();
        {
            let mut index = directory.write();
            index.check_room(&id, &record, waiting)?;
            index.reserve(&record);
        }
        Ok(Some(Self { directory, record }))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.directory.write().release(&self.record);
    }
}
