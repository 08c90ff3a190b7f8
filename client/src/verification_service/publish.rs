//! Publishing a mailbox key: the signed key record, registered at the CPS and
//! registered again before it ends.

use std::time::Duration;

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{
    Coverage, KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecord, MAX_LIFETIME,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::KeyConfig;

use crate::identity::StirIdentity;
use pennyblack_http::{Deadline, HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};

/// A registration's answer has no content of use; this much is read of it.
const MAX_ANSWER: usize = 64 * 1024;

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
        let record = self.record(now);
        let token = record.sign(self.identity.certificate(), self.identity.key());
        let request = Request::put(self.cps.url(KEYS_PATH), token, MAX_ANSWER)
            .header("content-type", KEY_RECORD_MEDIA_TYPE);
        client.send(&request, self.retry).await?;
        Ok(record.exp)
    }

    /// Registers again and again, each time when half of the record's life is
    /// over or the identity's certificate is a new one, until `shutdown`.
    pub async fn keep_registered(
        mut self,
        identity: &FromFiles<StirIdentity>,
        client: &HttpClient,
        clock: &Clock,
        shutdown: &Shutdown,
    ) {
        let mut renewals = identity.changes();
        while !shutdown.is_triggered() {
            renewals.mark_unchanged();
            self.identity = identity.current().as_ref().clone();
            let in_time = client.within(Deadline::after(MAX_REGISTRATION));
            let next = match self.register(&in_time, clock.now()).await {
                Ok(exp) => {
                    tracing::info!(until = %exp, "registered");
                    self.lifetime() / 2
                }
                Err(error) => {
                    tracing::warn!(error = %error, "not registered; trying again in a minute");
                    RETRY_PAUSE.min(self.lifetime() / 8)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                // An OOB-AS accepts a record for as long as its certificate.
                Ok(()) = renewals.changed() => {}
                () = shutdown.requested() => {}
            }
        }
    }

    fn record(&self, now: UnixTime) -> KeyRecord {
        KeyRecord {
            iat: now,
            exp: now.plus(self.lifetime()),
            iss: self.identity.iss().to_owned(),
            coverage: self.coverage.clone(),
            key: self.key.clone(),
            cps: self.public_cps.clone(),
        }
    }

    fn lifetime(&self) -> Duration {
        self.lifetime.clamp(Duration::from_secs(60), MAX_LIFETIME)
    }
}
