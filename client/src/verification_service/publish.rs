//! Publishing a mailbox key: the signed key record, registered at the mailbox's CPSs,
//! shown to them again and again in case one has lost it, and renewed before it ends.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{
    Coverage, KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecord, MAX_LIFETIME,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::KeyConfig;
use tokio::task::spawn_blocking;

use super::{BesideKeyError, MailboxCpss, PolledCpss};
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
    /// It could not be written down where the mailbox is polled: nothing was published.
    #[error("not registered, since nobody would know where to poll: {0}")]
    List(#[from] BesideKeyError),
    /// The thread that writes that down ended before it was done: nothing was published.
    #[error("not registered: the work was cut short; register again")]
    CutShort,
}

/// Registers one key for some numbers at the CPSs of its mailbox.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// Who signs the record.
    pub identity: StirIdentity,
    /// What the key answers for.
    pub coverage: Coverage,
    /// The key's public part.
    pub key: KeyConfig,
    /// Where the mailbox is to be.
    pub cpss: MailboxCpss,
    /// How long the record is valid; at most seven days.
    pub lifetime: Duration,
    /// How long to keep trying.
    pub retry: RetryPolicy,
}

/// What became of a record. OOB-ASs store by it as soon as one CPS has it.
#[derive(Debug)]
pub struct Published {
    /// When it ends.
    pub until: UnixTime,
    /// The CPSs that have it.
    pub at: Vec<Authority>,
    /// Those that do not.
    pub failed: Vec<(Authority, PublishError)>,
}

impl Publisher {
    /// Signs a record and registers it at all CPSs. Returns when it ends.
    ///
    /// # Errors
    /// [`PublishError`], of the first CPS that has it not.
    pub async fn register(
        &self,
        client: &HttpClient,
        now: UnixTime,
    ) -> Result<UnixTime, PublishError> {
        let published = self.publish(client, now).await?;
        match published.failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(published.until),
        }
    }

    /// Signs a record and shows it to all CPSs.
    ///
    /// # Errors
    /// [`PublishError::List`] or [`PublishError::CutShort`]: no CPS was asked.
    pub async fn publish(
        &self,
        client: &HttpClient,
        now: UnixTime,
    ) -> Result<Published, PublishError> {
        let record = self.sign(now).await?;
        let mut published = Published {
            until: record.exp,
            at: Vec::new(),
            failed: Vec::new(),
        };
        let all = self.show(&record, client).await;
        self.take_back_if_nowhere(&record, &all).await;
        for (cps, shown) in all {
            match shown {
                Ok(_) => published.at.push(cps.authority().clone()),
                Err(error) => published.failed.push((cps.authority().clone(), error)),
            }
        }
        Ok(published)
    }

    /// Shows the CPSs the record, every `every`, and a minute after one could not be asked. One
    /// that has it answers 200 and does nothing; one that has lost it, as after it was restored
    /// from a backup, has it again. Another record is signed when half of this one's life
    /// has passed or the identity's certificate is a new one. Until `shutdown`.
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
            let young = record.take_if(|record| !is_renewed && record.is_young(clock.now()));
            if young.is_none() {
                renewals.mark_unchanged();
                self.identity = identity.current().as_ref().clone();
            }
            let is_everywhere;
            (record, is_everywhere) = self.keep_shown(young, client, clock).await;
            let next = if is_everywhere { every } else { RETRY_PAUSE };
            tokio::select! {
                () = tokio::time::sleep(next.min(self.lifetime() / 8)) => {}
                // An OOB-AS accepts a record for as long as its certificate.
                Ok(()) = renewals.changed() => record = None,
                () = shutdown.requested() => {}
            }
        }
    }

    /// Shows a record once, or a new one, and says what is worth it. The record, unless no CPS
    /// has had it; and whether all have it.
    async fn keep_shown(
        &self,
        record: Option<SignedRecord>,
        client: &HttpClient,
        clock: &Clock,
    ) -> (Option<SignedRecord>, bool) {
        let signed = match record {
            Some(record) => Ok(record),
            None => self.sign(clock.now()).await,
        };
        let mut record = match signed {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(%error, "trying again in a minute");
                return (None, false);
            }
        };
        let in_time = client.within(Deadline::after(MAX_REGISTRATION));
        let mut is_everywhere = true;
        let all = self.show(&record, &in_time).await;
        self.take_back_if_nowhere(&record, &all).await;
        for (cps, shown) in all {
            let cps = cps.authority();
            match shown {
                Ok(there) => {
                    report(&record, cps, there);
                    record.was_at.insert(cps.clone());
                }
                Err(error) => {
                    is_everywhere = false;
                    tracing::warn!(%cps, %error, "not registered; trying again in a minute");
                }
            }
        }
        (
            Some(record).filter(|record| !record.was_at.is_empty()),
            is_everywhere,
        )
    }

    /// Shows it to all CPSs at once.
    async fn show(&self, record: &SignedRecord, client: &HttpClient) -> Vec<Shown<'_>> {
        let addresses = self.cpss.addresses().iter();
        let shown = addresses.map(async |cps| (cps, self.show_to(cps, record, client).await));
        join_all(shown).await
    }

    async fn show_to(
        &self,
        cps: &ServiceAddress,
        record: &SignedRecord,
        client: &HttpClient,
    ) -> Result<There, PublishError> {
        let request = Request::put(cps.url(KEYS_PATH), record.token.clone(), MAX_ANSWER)
            .header("content-type", KEY_RECORD_MEDIA_TYPE);
        let answer = client.send(&request, self.retry).await?;
        Ok(match answer.status.as_u16() {
            200 => There::Already,
            _ => There::Now,
        })
    }

    /// Signs a record, **once it is written down where it leads to**.
    async fn sign(&self, now: UnixTime) -> Result<SignedRecord, PublishError> {
        let record = self.record(now);
        let mut polled_before = PolledCpss::default();
        if let Some(mailbox_key) = self.cpss.list_of().map(Path::to_owned) {
            let (addresses, exp) = (self.cpss.addresses().to_vec(), record.exp);
            let list = move || PolledCpss::add(&mailbox_key, &addresses, exp, now);
            let listed = spawn_blocking(list).await;
            polled_before = listed.map_err(|_| PublishError::CutShort)??;
        }
        Ok(SignedRecord {
            token: record.sign(self.identity.certificate(), self.identity.key()),
            iat: record.iat,
            exp: record.exp,
            was_at: HashSet::new(),
            polled_before,
        })
    }

    /// **A record that no CPS has leads nobody anywhere**: then it is not polled for it.
    async fn take_back_if_nowhere(&self, record: &SignedRecord, shown: &[Shown<'_>]) {
        let is_nowhere = record.was_at.is_empty() && shown.iter().all(|(_, shown)| has_not(shown));
        let Some(mailbox_key) = self.cpss.list_of().filter(|_| is_nowhere) else {
            return;
        };
        let (mailbox_key, exp) = (mailbox_key.to_owned(), record.exp);
        let (addresses, before) = (self.cpss.addresses().to_vec(), record.polled_before.clone());
        let work = move || PolledCpss::take_back(&mailbox_key, &addresses, exp, &before);
        if let Ok(Err(error)) = spawn_blocking(work).await {
            tracing::warn!(%error, "CPSs that have no record of the mailbox will be polled");
        }
    }

    fn record(&self, now: UnixTime) -> KeyRecord {
        KeyRecord {
            iat: now,
            exp: now.plus(self.lifetime()),
            iss: self.identity.iss().to_owned(),
            coverage: self.coverage.clone(),
            key: self.key.clone(),
            placement: self.cpss.placement().clone(),
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
    /// The CPSs that have had it.
    was_at: HashSet<Authority>,
    /// Where the mailbox was polled without it.
    polled_before: PolledCpss,
}

impl SignedRecord {
    /// Less than half of its life has passed, and it was not made in the future.
    fn is_young(&self, now: UnixTime) -> bool {
        let half = self.exp.since(self.iat) / 2;
        (self.iat..self.iat.plus(half)).contains(&now)
    }
}

/// What came of showing a record to a CPS.
type Shown<'a> = (&'a ServiceAddress, Result<There, PublishError>);

/// Whether it is certain that a CPS does not have the record.
fn has_not(shown: &Result<There, PublishError>) -> bool {
    match shown {
        Err(PublishError::Http(error)) => {
            error.has_not_left() || (error.is_refusal() && !error.is_passing())
        }
        _ => false,
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

fn report(record: &SignedRecord, cps: &Authority, there: There) {
    match (record.was_at.contains(cps), there) {
        (false, _) => tracing::info!(%cps, until = %record.exp, "registered"),
        (true, There::Already) => {}
        (true, There::Now) => {
            tracing::warn!(%cps, until = %record.exp, "the CPS had lost the key record, and has it again");
        }
    }
}

#[cfg(test)]
mod tests;
