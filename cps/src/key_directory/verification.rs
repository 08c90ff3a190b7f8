//! Stored records, from files or from Redis, verified again before they are listed.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{KeyRecordError, UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_stir::ChainError;
use pennyblack_trust::CertificateError;

use super::ended::EndedRecord;
use super::{KeyDirectory, file_name, record_id};
use crate::refusal::Refusal;

impl KeyDirectory {
    /// Verifies stored records once more, of those that wait.
    pub(super) fn verify_waiting(&self, names: &[String], now: UnixTime) {
        let mut waiting = self.waiting();
        let taken = names.iter().filter_map(|name| waiting.take(name));
        let stored = taken.collect();
        waiting.extend(self.verify_stored(stored, now));
    }

    /// Whether a stored record waits that is as new as this one of the same key.
    pub(super) fn waits_as_new(&self, name: &str, record: &VerifiedKeyRecord) -> bool {
        let waiting = self.waiting();
        let there = waiting.get(name).map(UnverifiedKeyRecord::parse);
        there.is_some_and(|there| there.is_ok_and(|r| r.record().iat >= record.record().iat))
    }

    pub(super) fn warn_of_waiting(&self) {
        let records = self.waiting().size().records;
        if records > 0 {
            tracing::warn!(
                records,
                "stored key records wait for roots, for lists, for room in the directory, or for \
                 the time at which they were made"
            );
        }
    }

    /// Verifies stored records and lists them, and removes those that have ended by
    /// what they say themselves, and are not needed to refuse older ones. Returns those
    /// that have to wait.
    pub(super) fn verify_stored(
        &self,
        stored: Vec<(String, String)>,
        now: UnixTime,
    ) -> Vec<(String, String)> {
        let mut left = stored;
        left.retain(|(name, token)| {
            if has_ended(token, now) {
                if !self.keep_ended(token, now) {
                    self.remove_file(name);
                }
                self.touch(token);
                return false;
            }
            match self.verify(token, now).and_then(|r| self.list(r)) {
                Ok(()) => false,
                Err(error) if is_for_later(&error) || self.is_early(token, &error) => true,
                Err(error) => {
                    tracing::warn!(record = name, %error, "a stored key record is no longer valid");
                    self.keep_refused(name.clone(), token);
                    self.touch(token);
                    false
                }
            }
        });
        left
    }

    /// Whether a record was refused for nothing but that it was made after the time here:
    /// this clock may be behind that of another node, or was set back. Without it the older
    /// one would come back that it has replaced.
    fn is_early(&self, token: &str, refusal: &Refusal) -> bool {
        let Refusal::Record(KeyRecordError::NotYetValid { iat, .. }) = refusal else {
            return false;
        };
        match self.verify(token, *iat) {
            Ok(_) => true,
            Err(error) => is_for_later(&error),
        }
    }

    /// Takes the record that an ended one has replaced off the list, and keeps in mind that
    /// it has ended: so a record is withdrawn, also if this node reads that only after its
    /// end, and stays so. Verified as of its last second, since it must be as valid as the
    /// one that it ends. Whether it is to be kept.
    fn keep_ended(&self, token: &str, now: UnixTime) -> bool {
        let Ok(unverified) = UnverifiedKeyRecord::parse(token) else {
            return false;
        };
        let record = unverified.record();
        let unpaid = EndedRecord::unpaid(record);
        if !unpaid.is_needed(now) {
            return false;
        }
        let id = (record.key.mailbox(), record.iss.clone());
        let last_second = record.exp.minus(Duration::from_secs(1));
        let ended = match self.verify(token, last_second) {
            Ok(verified) => EndedRecord::of(&verified),
            // It was verified when its file was written, and its certificate may have ended.
            Err(_) if self.files.is_some() => unpaid,
            Err(error) => {
                tracing::warn!(%error, "an ended key record does not end the one before it");
                return false;
            }
        };
        let mut index = self.write();
        if index.newest(&id).is_none_or(|iat| iat < record.iat) {
            // Until now this node has taken stores by the record that is replaced.
            let end = index.get(&id).map_or(record.exp, |_| record.exp.max(now));
            index.keep_ended(id, ended);
            index.mailbox_has_ended(&record.key, end, now);
        }
        true
    }

    /// Takes in what was read from Redis, by the names of the records.
    pub(super) fn take_in(&self, stored: Vec<(String, String)>, now: UnixTime) {
        let names: Vec<_> = stored.iter().map(|(name, _)| name.clone()).collect();
        let left = self.verify_stored(stored, now);
        // Those that waited under the same names are older.
        names.iter().for_each(|name| self.replace_waiting(name));
        self.waiting().extend(left);
        self.warn_of_waiting();
    }

    /// Keeps the file of a record that is refused, until it ends by what it says.
    fn keep_refused(&self, name: String, token: &str) {
        if let (Some(files), Ok(refused)) = (&self.files, UnverifiedKeyRecord::parse(token)) {
            files.keep_refused(name, refused.record().exp);
        }
    }

    /// Takes those of `records` off the list whose certificates, or roots, are refused for
    /// good: their room is free, and nobody seals for their keys any more. What was stored until
    /// now is read while it lives. The file of
    /// one is judged again at a start before its end. Those stay that nothing tells of at
    /// present.
    pub(super) fn drop_refused(&self, records: &[Arc<VerifiedKeyRecord>], now: UnixTime) {
        for record in records {
            let Some(error) = self.refusal_of_certificate(record, now) else {
                continue;
            };
            let id = record_id(record);
            // Registrations write into the same file meanwhile.
            let _alone = self.alone();
            let mut index = self.write();
            // **A newer one may have taken its place**, by a certificate that is good.
            if index
                .get(&id)
                .is_some_and(|there| Arc::ptr_eq(there, record))
            {
                index.remove(&id);
                // Until now this node has taken stores by it, by a certificate that was good.
                index.mailbox_has_ended(record.key(), now, now);
                drop(index);
                let name = file_name(&id);
                tracing::warn!(record = name, %error, "a listed key record is no longer valid");
                self.keep_refused(name, record.as_str());
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
        verdict.err().filter(|error| match error {
            // By a clock that was set back.
            CertificateError::Untrusted(ChainError::NotYetValid { .. }) => false,
            CertificateError::Revoked(_) | CertificateError::Untrusted(_) => true,
            _ => false,
        })
    }

    /// Lists a stored record, if there is room for it and none that is as new. The room
    /// of a grant is judged where a record is registered, and not again: it would depend
    /// on the order in which records are read.
    fn list(&self, record: Arc<VerifiedKeyRecord>) -> Result<(), Refusal> {
        let id = record_id(&record);
        let mut index = self.write();
        if index
            .newest(&id)
            .is_some_and(|iat| iat >= record.record().iat)
        {
            drop(index);
            self.touch(record.as_str());
            return Ok(());
        }
        index.check_capacity(&id, &record)?;
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
    )
}
