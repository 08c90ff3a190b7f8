//! Calls that leave: signed, or taken as they come, and stored inside the deadline. Not here:
//! one store (`stores`), and which PASSporTs a call has (`passports`).

mod away;
mod outcomes;
mod pace;
mod passports;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{CopyLimits, KeySource};
use pennyblack_client::wallet::{Copies, Wallet};
use pennyblack_protocol::key_record::{Placement, VerifiedKeyRecord};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::time::{Instant, timeout};

use crate::config::StoreConfig;
use crate::counters::Counters;
use crate::key_records::{KeyRecords, Keys, RecordService, Refresher};
use crate::outgoing::{BadParameter, OobOutcome, OutgoingCall, SignOutcome};
use crate::parts::SigningParts;
use crate::reason::Reason;
use crate::status::{
    EngineStatus, KeyRecordsStatus, NotReady, SigningKeyReport, TokenStock, Warning,
};
use crate::trunk::Trunk;
use passports::{Prepared, Terms};
use stores::{Stores, WantedCopies};

/// How often requests that are too old to be sent leave the outbox.
const SWEEP: Duration = Duration::from_secs(60);

/// A directory is synced every few minutes; one that is older than this is told of.
const FRESH_FOR: Duration = Duration::from_secs(3600);

/// How long the stock of tokens may take to be read.
const MAX_READING: Duration = Duration::from_secs(1);

/// A key that a call is sealed to, and the CPSs at which its copies may be stored.
type PlacedKey = (Arc<VerifiedKeyRecord>, Placement);

pub(crate) struct Signing {
    stores: Stores,
    records: Arc<KeyRecords>,
    wallet: Wallet,
    store: StoreConfig,
    record_service: RecordService,
    clock_tolerance: Duration,
    deadline: Duration,
    counters: Arc<Counters>,
    clock: Clock,
}

impl Signing {
    pub(crate) fn start(
        parts: SigningParts,
        counters: Arc<Counters>,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Self {
        let SigningParts {
            mut service,
            wallet,
            transport,
            signing,
            store,
            key_records_file,
        } = parts;
        service.minimum_age = store.minimum_age;
        service.max_copies = store.max_copies;
        service.transport = transport;
        let service = Arc::new(service);
        let record_service = RecordService::new(&service);
        let records = Arc::new(KeyRecords::default());
        let refresher = Refresher {
            service: record_service.clone(),
            config: store.key_records.clone(),
            file: key_records_file,
            records: Arc::clone(&records),
            clock: clock.clone(),
        };
        tokio::spawn(refresher.run(shutdown.clone()));
        let stores = Stores::new(service, wallet.clone(), &signing, Arc::clone(&counters));
        tokio::spawn(stores.sweeper(clock.clone(), SWEEP).run(shutdown.clone()));
        Self {
            stores,
            records,
            wallet,
            store,
            record_service,
            clock_tolerance: signing.clock_tolerance,
            deadline: signing.deadline,
            counters,
            clock: clock.clone(),
        }
    }

    /// Newer lists may revoke what signs here, and what signs key records.
    pub(crate) fn set_trust(&self, trust: TrustPolicy, numbering: Option<NumberingTable>) {
        self.record_service.set_trust(trust, numbering);
    }

    pub(crate) async fn sign(
        &self,
        arrived: Instant,
        trunk: &Trunk,
        call: OutgoingCall,
    ) -> Result<SignOutcome, BadParameter> {
        let now = self.clock.now();
        let trusting = self.record_service.current();
        let terms = Terms {
            trust: &trusting.trust,
            clock_tolerance: self.clock_tolerance,
            now,
        };
        let prepared = passports::prepare(trunk, call, terms)?;
        let Prepared {
            passport,
            to_store,
            numbers,
            refused,
        } = prepared;
        let mut oob = OobOutcome {
            reason: refused,
            ..OobOutcome::default()
        };
        if let Some(reason) = refused {
            self.counters.count(reason);
        }
        if to_store.is_empty() {
            return Ok(SignOutcome { passport, oob });
        }
        let (keys, placements) = match self.keys_of(&numbers, &trusting.keys, now) {
            Ok(keys) => keys.into_iter().unzip::<_, _, Vec<_>, Vec<_>>(),
            Err(reason) => {
                self.counters.count(reason);
                oob.reason = Some(reason);
                return Ok(SignOutcome { passport, oob });
            }
        };
        let limits = CopyLimits::share_out(self.store.max_copies, &placements);
        let copies = to_store.iter().flat_map(|passport| {
            let keys = keys.iter().zip(&placements).zip(&limits);
            keys.map(move |((key, placement), limits)| WantedCopies {
                copies: Copies::new(Arc::clone(passport), key.key().clone()),
                placement: placement.clone(),
                limits: *limits,
            })
        });
        let deadline = arrived + self.deadline;
        let stored = self.stores.store(copies.collect(), deadline, now).await;
        Ok(SignOutcome {
            passport,
            oob: OobOutcome {
                reason: stored.reason.or(oob.reason),
                ..stored
            },
        })
    }

    /// The keys of all numbers of the call, one for each mailbox, and where their copies may go.
    fn keys_of(
        &self,
        numbers: &[TelephoneNumber],
        source: &KeySource,
        now: UnixTime,
    ) -> Result<Vec<PlacedKey>, Reason> {
        let (mut keys, mut is_unread, mut is_outside) = (Vec::<PlacedKey>::new(), false, false);
        for number in numbers {
            match self.records.keys_of(number, now) {
                Keys::Unread => is_unread = true,
                Keys::None => {}
                Keys::Found(found) => {
                    let chosen = source.choose(found);
                    is_outside |= !chosen.outside.is_empty();
                    for (key, placement) in chosen.placed {
                        if keys
                            .iter()
                            .all(|(known, _)| known.mailbox() != key.mailbox())
                        {
                            keys.push((key, placement));
                        }
                    }
                }
            }
        }
        keys.truncate(self.store.max_copies);
        match (keys.is_empty(), is_outside, is_unread) {
            (false, ..) => Ok(keys),
            (true, true, _) => Err(Reason::CpsNotInRoster),
            (true, false, true) => Err(Reason::KeyRecordsUnread),
            (true, false, false) => Err(Reason::NoKeyRecords),
        }
    }

    pub(crate) async fn finish(&self) {
        self.stores.finish().await;
    }

    pub(crate) async fn report(&self, trunks: &[&Trunk], status: &mut EngineStatus) {
        let now = self.clock.now();
        for trunk in trunks {
            let Some(identity) = &trunk.identity else {
                continue;
            };
            let current = identity.files.current();
            status.signing_keys.push(SigningKeyReport {
                trunk: trunk.name.clone(),
                valid_until: current.valid_until(),
            });
            if let Err(error) = current.check_current(now) {
                status.not_ready.push(NotReady::SigningKey {
                    trunk: trunk.name.clone(),
                    why: error.to_string(),
                });
            }
        }
        let records = self.records.status();
        status.key_records = Some(records);
        status.under_way = self.stores.under_way();
        if records.read.is_none() && records.records == 0 {
            status.not_ready.push(NotReady::KeyRecordsUnread);
        }
        status.warnings.extend(records.warning());
        if self.is_stale(&records, now) {
            status.warnings.push(Warning::StaleDirectory);
        }
        self.report_tokens(now, status).await;
    }

    /// Whether the directory that keys come of does not know what was published lately.
    fn is_stale(&self, records: &KeyRecordsStatus, now: UnixTime) -> bool {
        let has_directory = matches!(self.record_service.current().keys, KeySource::Directory(_));
        let age = records.as_of.map(|as_of| now.since(as_of));
        has_directory && records.read.is_some() && age.is_none_or(|age| age > FRESH_FOR)
    }

    async fn report_tokens(&self, now: UnixTime, status: &mut EngineStatus) {
        let minimum_age = self.store.minimum_age;
        let read = move |wallet: &Wallet| wallet.holdings(minimum_age, now);
        let holdings = match timeout(MAX_READING, self.wallet.off_thread(read)).await {
            Ok(Ok(holdings)) => holdings,
            Ok(Err(error)) => return status.not_ready.push(NotReady::Wallet(error.to_string())),
            Err(_) => return status.not_ready.push(NotReady::WalletBusy),
        };
        let rate = u64::from(self.store.calls_per_second);
        let stock = TokenStock {
            tokens: holdings.iter().map(|holding| holding.tokens).sum(),
            ready: holdings.iter().map(|holding| holding.ready).sum(),
            needed: rate.saturating_mul(minimum_age.as_secs()),
        };
        if stock.ready == 0 {
            status.not_ready.push(NotReady::NoTokens {
                younger: stock.tokens,
            });
        }
        if stock.tokens < stock.needed {
            status.warnings.push(Warning::TooFewTokens {
                tokens: stock.tokens,
                needed: stock.needed,
            });
        }
        status.tokens = Some(stock);
    }
}
