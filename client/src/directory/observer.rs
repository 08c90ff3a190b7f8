//! Who hears of records while a round goes on. Not here: what came of it (`sync`).

use pennyblack_base::authority::Authority;
use pennyblack_evidence::log_entry::KeyRecordHash;

use super::judging::SeenRecord;

/// A record that was published in a log, was not ended there, and is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedRecord {
    /// By which CPS.
    pub cps: Authority,
    /// The index of its entry in the CPS's log.
    pub index: u64,
    /// Its hash, which is all that is known of it.
    pub hash: KeyRecordHash,
}

/// Hears of every record that is taken up, before it is in the file: what it has done is done
/// again if the program ends in between.
pub trait Observer: Sync {
    /// A record was seen for the first time at a CPS.
    fn saw(&self, seen: &SeenRecord);
    /// A CPS does not serve a record that its log has published and not ended.
    fn missed(&self, _: &MissedRecord) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn saw(&self, _: &SeenRecord) {}
}
