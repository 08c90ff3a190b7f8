//! A record on its way to the Redis that several nodes share: its room is taken before it
//! is written there, so that records that come at the same time cannot all have the last
//! of it, and given back if it is not written.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::VerifiedKeyRecord;

use super::{KeyDirectory, record_id};
use crate::refusal::Refusal;

/// A record with room for it, until it is dropped. The listed record has its own. One that
/// comes in the place of another as large has the room of that one.
#[derive(Debug)]
pub(super) struct Reservation {
    directory: Arc<KeyDirectory>,
    pub(super) record: Arc<VerifiedKeyRecord>,
    is_in_place: bool,
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
        let waiting = directory.waiting().size();
        let is_in_place = {
            let mut index = directory.write();
            index.check_room(&id, &record, waiting)?;
            let is_in_place = index.fits_in_place(&id, &record);
            if !is_in_place {
                index.reserve(&record);
            }
            is_in_place
        };
        Ok(Some(Self {
            directory,
            record,
            is_in_place,
        }))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_in_place {
            self.directory.write().release(&self.record);
        }
    }
}
