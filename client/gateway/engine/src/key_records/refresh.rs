//! The timer that reads key records: all prefixes, at times that no call has a part in. Not
//! here: what is found in them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{
    BlockLimits, KeySource, OobAuthenticationError, OobAuthenticationService,
};
use pennyblack_client::certificates::Certificates;
use pennyblack_client::directory::{MirrorLimits, Mirrored, MirroredKeys};
use pennyblack_http::Deadline;
use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{KeyRecords, Known, Snapshot, file};
use crate::config::KeyRecordsConfig;

/// How soon a reading that failed is tried again, at the latest.
const RETRY_PAUSE: Duration = Duration::from_secs(15);

/// How long one reading of all prefixes may take.
const MAX_READING: Duration = Duration::from_secs(300);

/// What key records are looked up and judged by now. Clones share it.
#[derive(Clone)]
pub(crate) struct RecordService(Arc<RwLock<Arc<OobAuthenticationService>>>);

impl RecordService {
    pub(crate) fn new(service: &Arc<OobAuthenticationService>) -> Self {
        Self(Arc::new(RwLock::new(Arc::clone(service))))
    }

    pub(crate) fn current(&self) -> Arc<OobAuthenticationService> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_trust(&self, trust: TrustPolicy, numbering: Option<NumberingTable>) {
        let service = OobAuthenticationService {
            trust,
            numbering,
            ..(*self.current()).clone()
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(service);
    }
}

/// Reads key records, again and again.
pub(crate) struct Refresher {
    pub(crate) service: RecordService,
    pub(crate) config: KeyRecordsConfig,
    pub(crate) file: Option<PathBuf>,
    pub(crate) records: Arc<KeyRecords>,
    pub(crate) clock: Clock,
}

impl Refresher {
    /// Until it is told to stop.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = Arc::new(self).follow() => {}
            () = shutdown.requested() => {}
        }
    }

    async fn follow(self: Arc<Self>) {
        self.load().await;
        loop {
            let pause = match self.refresh().await {
                Ok(()) => self.config.every,
                Err(error) => {
                    tracing::warn!(%error, "key records were not read; those at hand stay");
                    RETRY_PAUSE.min(self.config.every)
                }
            };
            tokio::time::sleep(jittered(pause)).await;
        }
    }

    /// What the file has, until the CPS was asked.
    async fn load(self: &Arc<Self>) {
        let Some(path) = self.file.clone() else {
            return;
        };
        let KeyRecordsConfig {
            max_records,
            max_bytes,
            ..
        } = self.config;
        let read = spawn_blocking(move || file::read(&path, max_records, max_bytes)).await;
        match read {
            Ok(Ok(records)) => {
                let read = Mirrored {
                    records,
                    ..Mirrored::default()
                };
                if let Some(known) = self.verify(read).await {
                    self.records.replace(Snapshot::of(known, None, false));
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the file of key records is not read"),
            // The runtime ends.
            Err(_) => {}
        }
    }

    /// Reads all of them. What cannot be read leaves everything as it was.
    async fn refresh(self: &Arc<Self>) -> Result<(), OobAuthenticationError> {
        let service = self.service.current();
        let began = Instant::now();
        let (read, as_of) = match &service.keys {
            KeySource::Cps(_) => (self.read_prefixes(&service).await?, None),
            KeySource::Directory(mirrored) => self.read_directory(mirrored).await?,
        };
        let is_full = read.is_partial;
        let Some(known) = self.verify(read).await else {
            return Ok(());
        };
        let snapshot = Snapshot {
            as_of,
            ..Snapshot::of(known, Some(began), is_full)
        };
        if is_full {
            tracing::warn!(
                "there are more key records than store.key_records has room for: calls to some numbers are not stored"
            );
        }
        self.persist(&snapshot).await;
        self.records.replace(snapshot);
        Ok(())
    }

    /// What a directory has, and when all CPSs of the roster were last followed to their ends.
    async fn read_directory(
        &self,
        mirrored: &MirroredKeys,
    ) -> Result<(Mirrored, Option<UnixTime>), OobAuthenticationError> {
        let KeyRecordsConfig {
            max_records,
            max_bytes,
            ref prefixes,
            ..
        } = self.config;
        let limits = MirrorLimits {
            records: max_records,
            bytes: max_bytes,
        };
        let (prefixes, now, cpss) = (prefixes.clone(), self.clock.now(), mirrored.cpss());
        let read = mirrored.read(move |directory| {
            let cpss = cpss.all().iter().map(|cps| cps.address.authority());
            let as_of = directory.complete()?.of_all(cpss);
            Ok((directory.all_records(&prefixes, limits, now)?, as_of))
        });
        Ok(read.await?)
    }

    /// The records of all prefixes at the CPS.
    async fn read_prefixes(
        &self,
        service: &OobAuthenticationService,
    ) -> Result<Mirrored, OobAuthenticationError> {
        let client = service.http.client();
        let client = client.map_err(OobAuthenticationError::KeyLookup)?;
        let client = client.within(Deadline::after(MAX_READING));
        let mut records = Vec::new();
        let (mut bytes, mut is_full) = (0, false);
        for prefix in &self.config.prefixes {
            let limits = BlockLimits {
                records: self.config.max_records.saturating_sub(records.len()),
                bytes: self.config.max_bytes.saturating_sub(bytes),
            };
            let block = service.records_of_block(&client, prefix, limits);
            let block = block.await?;
            let sizes = block.records.iter().map(|record| record.as_str().len());
            bytes += sizes.sum::<usize>();
            is_full |= block.is_partial;
            records.extend(block.records);
        }
        let now = self.clock.now();
        let certificates = service.certificates_of(records.iter(), &client, now);
        Ok(Mirrored {
            certificates: certificates.await,
            records,
            is_partial: is_full,
            ..Mirrored::default()
        })
    }

    /// The records that are good; nothing if they were not judged to the end, which must not
    /// empty what is known. One that was judged lately is not judged again.
    async fn verify(self: &Arc<Self>, read: Mirrored) -> Option<HashMap<Box<str>, Known>> {
        let this = Arc::clone(self);
        let (before, now) = (this.records.current(), this.clock.now());
        let service = this.service.current();
        let work = move || {
            let mut known = HashMap::new();
            let beside = (&read.certificates, &read.holders);
            for record in read.records {
                let text: Box<str> = record.as_str().into();
                let judged = before.records.get(&text).filter(|known| known.counts(now));
                let judged = judged.cloned();
                if let Some(one) = judged.or_else(|| Self::judge(&service, record, beside, now)) {
                    known.insert(text, one);
                }
            }
            known
        };
        let judged = spawn_blocking(work).await;
        judged
            .inspect_err(|error| tracing::error!(%error, "key records were not judged"))
            .ok()
    }

    fn judge(
        service: &OobAuthenticationService,
        record: UnverifiedKeyRecord,
        (certificates, holders): (&Certificates, &NumberingTable),
        now: UnixTime,
    ) -> Option<Known> {
        let verified = service.verify_record(record, certificates, Some(holders), now);
        let refused = |why: &_| tracing::debug!(%why, "a key record is not trusted");
        let record = verified.inspect_err(refused).ok()?;
        Some(Known {
            record: Arc::new(record),
            verified: now,
        })
    }

    async fn persist(&self, snapshot: &Snapshot) {
        let Some(path) = self.file.clone() else {
            return;
        };
        let records: Vec<_> = snapshot.records.values().cloned().collect();
        let written = spawn_blocking(move || file::write(&path, records.iter())).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the file of key records is not written");
        }
    }
}

/// A tenth earlier or later, so that gateways do not ask all at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.9..1.1))
}
