//! Publishing a mailbox key: the signed key record, registered at the CPS, shown to it again
//! and again in case it has lost it, and renewed before it ends.

use std::time::Duration;

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{
    Coverage, KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecord, MAX_LIFETIME, Placement,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::KeyConfig;

use crate::identity::StirIdentity;
use pennyblack_http::{Deadline, HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};

/// A registration's answer has no content of use; this much is read of it.
const MAX_ANSWER: usize = 64 * 1024;

/// How often a CPS is shown the record that it has, by default: one that was restored from a
/// backup is without the record for no longer.
pub const SHOWN_EVERY: Duration = Duration::from_secs(300);

/// After a failure, how long until the next try.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// How long one registration of many may take, tries and pauses included.
const MAX_REGISTRATION: Duration = Duration::from_secs(60);

/// Why a key was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The CPS was not reached, or refused.
    #[error("not registered: {0}")]
    Http(#[from] HttpError),
}

/// Registers one key for some numbers at one CPS.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// Who signs the record.
    pub identity: StirIdentity,
    /// What the key answers for.
    pub coverage: Coverage,
    /// The key's public part.
    pub key: KeyConfig,
    /// Where the mailbox is to be.
    pub cps: ServiceAddress,
    /// The CPS as the record names it to OOB-ASs.
    pub public_cps: CpsUri,
    /// How long the record is valid; at most seven days.
    pub lifetime: Duration,
    /// How long to keep trying.
    pub retry: RetryPolicy,
}

impl Publisher {
    /// Signs a record and registers it. Returns when it ends.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn register(
        &self,
        client: &HttpClient,
        now: UnixTime,
    ) -> Result<UnixTime, PublishError> {
        let record = self.sign(now);
        self.show(&record, client).await?;
        Ok(record.exp)
    }

    /// Shows the CPS the record, every `every` and at no other times. One that has it answers
    /// 200 and does nothing; one that has lost it, as after it was restored from a backup, has
    /// it again. Another record is signed when half of this one's life has passed or the
    /// identity's certificate is a new one. Until `shutdown`.
    pub async fn keep_registered(
        mut self,
        identity: &FromFiles<StirIdentity>,
        client: &HttpClient,
        (clock, every): (&Clock, Duration),
        shutdown: &Shutdown,
    ) {
        let mut renewals = identity.changes();
        let mut record: Option<SignedRecord> = None;
        while !shutdown.is_triggered() {
            let is_renewed = renewals.has_changed().unwrap_or(false);
            let shown = match record.take_if(|record| !is_renewed && record.is_young(clock.now())) {
                Some(record) => record,
                None => {
                    renewals.mark_unchanged();
                    self.identity = identity.current().as_ref().clone();
                    self.sign(clock.now())
                }
            };
            let in_time = client.within(Deadline::after(MAX_REGISTRATION));
            let next = match self.show(&shown, &in_time).await {
                Ok(there) => {
                    report(&shown, there);
                    record = Some(SignedRecord {
                        was_there: true,
                        ..shown
                    });
                    every.min(self.lifetime() / 8)
                }
                Err(error) => {
                    tracing::warn!(error = %error, "not registered; trying again in a minute");
                    record = Some(shown).filter(|shown| shown.was_there);
                    RETRY_PAUSE.min(self.lifetime() / 8)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                // An OOB-AS accepts a record for as long as its certificate.
                Ok(()) = renewals.changed() => record = None,
                () = shutdown.requested() => {}
            }
        }
    }

    async fn show(
        &self,
        record: &SignedRecord,
        client: &HttpClient,
    ) -> Result<There, PublishError> {
        let request = Request::put(self.cps.url(KEYS_PATH), record.token.clone(), MAX_ANSWER)
            .header("content-type", KEY_RECORD_MEDIA_TYPE);
        let answer = client.send(&request, self.retry).await?;
        Ok(match answer.status.as_u16() {
            200 => There::Already,
            _ => There::Now,
        })
    }

    fn sign(&self, now: UnixTime) -> SignedRecord {
        let record = self.record(now);
        SignedRecord {
            token: record.sign(self.identity.certificate(), self.identity.key()),
            iat: record.iat,
            exp: record.exp,
            was_there: false,
        }
    }

    fn record(&self, now: UnixTime) -> KeyRecord {
        KeyRecord {
            iat: now,
            exp: now.plus(self.lifetime()),
            iss: self.identity.iss().to_owned(),
            coverage: self.coverage.clone(),
            key: self.key.clone(),
            placement: Placement::at(self.public_cps.clone()),
        }
    }

    fn lifetime(&self) -> Duration {
        self.lifetime.clamp(Duration::from_secs(60), MAX_LIFETIME)
    }
}

/// A record as it is registered.
struct SignedRecord {
    token: String,
    iat: UnixTime,
    exp: UnixTime,
    /// The CPS has had it.
    was_there: bool,
}

impl SignedRecord {
    /// Less than half of its life has passed, and it was not made in the future.
    fn is_young(&self, now: UnixTime) -> bool {
        let half = self.exp.since(self.iat) / 2;
        (self.iat..self.iat.plus(half)).contains(&now)
    }
}

/// Since when a CPS has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    /// It had it (200).
    Already,
    /// It has stored it (201).
    Now,
}

fn report(record: &SignedRecord, there: There) {
    match (record.was_there, there) {
        (false, _) => tracing::info!(until = %record.exp, "registered"),
        (true, There::Already) => {}
        (true, There::Now) => {
            tracing::warn!(until = %record.exp, "the CPS had lost the key record, and has it again");
        }
    }
}

#[cfg(test)]
mod tests;
