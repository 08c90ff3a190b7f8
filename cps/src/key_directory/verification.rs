//! Stored records, from files or from Redis, verified again before they are listed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_trust::CertificateError;

use super::index::{Index, Waiting};
use super::{KeyDirectory, file_name, record_id};
use crate::refusal::Refusal;

impl KeyDirectory {
    /// Verifies the stored records that wait once more.
    pub(super) fn verify_waiting(&self, now: UnixTime) {
        let mut waiting = self.waiting();
        let stored = std::mem::take(&mut *waiting);
        *waiting = self.verify_stored(stored, now);
    }

    /// Verifies stored records and lists them, and removes those that have ended by
    /// what they say themselves: their certificates have ended too, and are no longer
    /// valid. Returns those that have to wait.
    pub(super) fn verify_stored(
        &self,
        stored: Vec<(String, String)>,
        now: UnixTime,
    ) -> Vec<(String, String)> {
        let mut left = stored;
        left.retain(|(name, token)| {
            if has_ended(token, now) {
                self.replace_by_ended(token);
                self.remove_file(name);
                return false;
            }
            match self.verify(token, now).and_then(|r| self.list(r)) {
                Ok(()) => false,
                Err(error) if is_for_later(&error) => true,
                Err(error) => {
                    tracing::warn!(record = name, %error, "a stored key record does not hold any more");
                    false
                }
            }
        });
        if !left.is_empty() {
            tracing::warn!(
                records = left.len(),
                "stored key records wait for roots, for lists, or for room in the directory"
            );
        }
        left
    }

    /// Takes the record that an ended one has replaced off the list: so a record is
    /// withdrawn, also if this node reads that only after its end. Verified as of its last
    /// second, since it must be as valid as the one that it ends.
    fn replace_by_ended(&self, token: &str) {
        let Ok(unverified) = UnverifiedKeyRecord::parse(token) else {
            return;
        };
        let record = unverified.record();
        let id = (record.key.mailbox(), record.iss.clone());
        let is_older = |listed: &Arc<VerifiedKeyRecord>| listed.record().iat < record.iat;
        let is_replaced = |index: &Index| index.get(&id).is_some_and(is_older);
        if !is_replaced(&self.read()) {
            return;
        }
        let last_second = record.exp.minus(Duration::from_secs(1));
        match self.verify(token, last_second) {
            Ok(_) => {
                let mut index = self.write();
                if is_replaced(&index) {
                    index.remove(&id);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an ended key record does not end the one before it");
            }
        }
    }

    /// Takes in what was read from Redis, by the names of the records.
    pub(super) fn take_in(&self, stored: Vec<(String, String)>, now: UnixTime) {
        let names: HashSet<_> = stored.iter().map(|(name, _)| name.clone()).collect();
        let left = self.verify_stored(stored, now);
        let mut waiting = self.waiting();
        // Those that waited under the same names are older.
        waiting.retain(|(name, _)| !names.contains(name));
        waiting.extend(left);
    }

    /// Takes those of `records` off the list whose certificates, or roots, are refused for
    /// good: their room is free, and nobody seals for their keys any more. What is stored of
    /// one is judged again at the next start. Those stay that nothing tells of at present.
    pub(super) fn drop_refused(&self, records: &[Arc<VerifiedKeyRecord>], now: UnixTime) {
        for record in records {
            let Some(error) = self.refusal_of_certificate(record, now) else {
                continue;
            };
            let id = record_id(record);
            let mut index = self.write();
            // Another may have taken its place.
            if index
                .get(&id)
                .is_some_and(|there| Arc::ptr_eq(there, record))
            {
                index.remove(&id);
                drop(index);
                tracing::warn!(record = file_name(&id), %error, "a listed key record does not hold any more");
            }
        }
    }

    fn refusal_of_certificate(
        &self,
        record: &VerifiedKeyRecord,
        now: UnixTime,
    ) -> Option<CertificateError> {
        let unverified = UnverifiedKeyRecord::parse(record.as_str()).ok()?;
        let verdict = self.policy.trust.verify(unverified.certificate(), now);
        verdict.err().filter(|error| {
            matches!(
                error,
                CertificateError::Revoked(_) | CertificateError::Untrusted(_)
            )
        })
    }

    /// Lists a stored record, if there is room for it and none that is as new. The room
    /// of a grant is judged where a record is registered: nodes that share their records
    /// must all list the same.
    fn list(&self, record: Arc<VerifiedKeyRecord>) -> Result<(), Refusal> {
        let id = record_id(&record);
        let mut index = self.write();
        let there = index.get(&id);
        if there.is_some_and(|there| there.record().iat >= record.record().iat) {
            return Ok(());
        }
        match &self.files {
            Some(_) => index.check_room(&id, &record, Waiting::default())?,
            None => index.check_capacity(&id, &record)?,
        }
        index.insert(id, record);
        Ok(())
    }
}

/// Whether a record says of itself that it has ended.
fn has_ended(token: &str, now: UnixTime) -> bool {
    UnverifiedKeyRecord::parse(token).is_ok_and(|record| record.record().exp <= now)
}

/// Whether a record may be listed when the operator has mended what is missing, or
/// when others have ended.
const fn is_for_later(refusal: &Refusal) -> bool {
    use CertificateError::{NoRevocationList, NoRoots, NotCovered, StaleRevocation};
    matches!(
        refusal,
        Refusal::Certificate(NoRoots | NoRevocationList | NotCovered(_) | StaleRevocation(_))
            | Refusal::DirectoryFull
            | Refusal::TooManyOfGrant { .. }
    )
}
