//! A CPS put together and started; in a program of its own or inside another process.
//! Besides its listeners it owns a task for each issuer, and those that read the trust
//! directories again, remove ended and refused key records, keep counts and rates, ask witnesses, and
//! keep in touch with other nodes.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_protocol::store_request::SpendPolicy;
use pennyblack_redis::Redis;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::clock_evidence::{ClockEvidence, OtherClock};
use pennyblack_service::findings::Findings;
use pennyblack_service::start::{Starting, StartingService};
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};
use pennyblack_trust::keep_current;
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::counts::Counts;
use crate::dashboard::{Dashboard, DashboardParts};
use crate::double_spend_pages::DoubleSpendPages;
use crate::envelope_sealing::EnvelopeSealing;
use crate::forwarding::Forwarding;
use crate::issuers::{Dependencies, IssuerMaintenance, Issuers};
use crate::key_directory::KeyDirectory;
use crate::large_answers::LargeAnswers;
use crate::log::{CpsLog, Witnesses};
use crate::nodes::{self, Sharing};
use crate::oblivious::{OfferedKeys, Rotation};
use crate::outside::{self, Outside};
use crate::persistence::Persistence;
use crate::prefix_pages::PrefixPages;
use crate::record_feed::RecordFeed;
use crate::record_log::RecordLog;
use crate::retrieve::Retrieval;
use crate::routes::{self, ObliviousRole, Resources};
use crate::sealed_pages::SealedPages;
use crate::spend::Spending;
use crate::store::Backend;

/// How often ended key records are removed.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How often the counts of key epochs are persisted: what a crash may lose of them.
const PERSIST_TALLIES_EVERY: Duration = Duration::from_secs(60);
/// How often the clock of a Redis is read.
const READ_CLOCK_EVERY: Duration = Duration::from_secs(30);

/// How to start a CPS.
#[derive(Debug)]
pub struct Cps;

impl Cps {
    /// Starts a CPS in this process; it accepts connections when this returns.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config, clock: Clock) -> Starting {
        Box::pin(async move {
            let config = Arc::new(config);
            let mut findings = Findings::new();
            let service = findings.keep(StartingService::bind(&*config).await);
            let (mut service, mut persistence) = blocking({
                let (config, clock) = (Arc::clone(&config), clock.clone());
                move || {
                    let outside = Outside::load(&config, &mut findings);
                    let (service, outside) = findings.conclude(service.zip(outside))?;
                    if let Some(table) = outside.numbering.clone() {
                        service.reload().add(table);
                    }
                    if let Some(rosters) = outside.rosters.clone() {
                        service.reload().add(rosters);
                    }
                    Ok((service, Persistence::open(&config, outside, &clock)?))
                }
            })
            .await?;
            let issuers = Arc::new(Issuers::new(&config.cps.authority, &config.issuer));
            let oblivious = persistence.seed.take().zip(config.oblivious.as_ref());
            let offered = Arc::new(OfferedKeys::default());
            if let Some(((seed, ratchet), section)) = oblivious {
                let rotation = Rotation {
                    authority: config.cps.authority.clone(),
                    kems: section.kems.clone(),
                    seed,
                    ratchet,
                    log: Arc::clone(&persistence.log),
                    offered: Arc::clone(&offered),
                    clock: clock.clone(),
                };
                let (readiness, shutdown) = (service.readiness(), service.shutdown());
                Rotation::not_offered_yet(&readiness);
                service.spawn(rotation.run(readiness, shutdown));
            }
            let tasks = Tasks {
                service: &mut service,
                config: &config,
                sharing: persistence.sharing.take(),
                persistence: &persistence,
                issuers: Arc::clone(&issuers),
                clock: clock.clone(),
                clocks: ClockEvidence::new(clock.clone()),
            };
            tasks.start().await?;
            let counts = Arc::new(Counts::new());
            let dashboard = Dashboard::new(DashboardParts {
                name: config.cps.authority.clone(),
                clock: clock.clone(),
                readiness: service.readiness(),
                counts: Arc::clone(&counts),
                issuers: Arc::clone(&issuers),
                store: Arc::clone(&persistence.store),
                log: Arc::clone(&persistence.log),
            });
            service.spawn(Arc::clone(&dashboard).sample_rates(service.shutdown()));
            let forwarding = nodes::forwarding(&config, &persistence.store)?;
            let large = LargeAnswers::start().context("the threads that make large answers")?;
            let large = Arc::new(large);
            let role = config.oblivious.as_ref().map(|section| ObliviousRole {
                service: config.cps.authority.clone(),
                keys: offered,
                large: Arc::clone(&large),
                relays_only: section.relays_only,
            });
            let resources = resources(
                &config,
                persistence,
                issuers,
                clock,
                forwarding,
                counts,
                large,
            );
            let router = routes::router(resources, role);
            Ok(service.serve(&*config, router, dashboard.router()))
        })
    }
}

fn resources(
    config: &Config,
    persistence: Persistence,
    issuers: Arc<Issuers>,
    clock: Clock,
    forwarding: Option<Forwarding>,
    counts: Arc<Counts>,
    large: Arc<LargeAnswers>,
) -> Resources<Backend> {
    let prefixes = PrefixPages {
        keys: Arc::clone(&persistence.keys),
        large: Arc::clone(&large),
    };
    let double_spends = DoubleSpendPages {
        log: Arc::clone(&persistence.log),
        large: Arc::clone(&large),
    };
    let feed = RecordFeed {
        keys: Arc::clone(&persistence.keys),
        log: Arc::clone(&persistence.log),
        large: Arc::clone(&large),
        clock: clock.clone(),
    };
    Resources {
        spending: Spending {
            policy: SpendPolicy {
                cps: config.cps.authority.clone(),
                challenges: issuers.challenge_digests(),
                freshness: config.freshness(),
            },
            clock: clock.clone(),
            issuers: Arc::clone(&issuers),
            keys: Arc::clone(&persistence.keys),
            registry: persistence.registry.clone(),
            store: Arc::clone(&persistence.store),
            log: Arc::clone(&persistence.log),
            counts: Arc::clone(&counts),
            forwarding,
        },
        retrieval: Retrieval {
            pages: SealedPages {
                sealing: EnvelopeSealing::new(config.cps.authority.clone(), large),
                store: persistence.store,
            },
            clock: clock.clone(),
            decoys: persistence.decoys,
            keys: Arc::clone(&persistence.keys),
            counts: Arc::clone(&counts),
        },
        answer_times: config.retrieval.answer_times(),
        rosters: persistence.rosters,
        issuers,
        keys: persistence.keys,
        registry: persistence.registry,
        log: persistence.log,
        clock,
        counts,
        prefixes,
        double_spends,
        feed: Arc::new(feed),
    }
}

/// Starts what runs beside the listeners.
struct Tasks<'a> {
    service: &'a mut StartingService,
    config: &'a Config,
    persistence: &'a Persistence,
    sharing: Option<Sharing>,
    issuers: Arc<Issuers>,
    clock: Clock,
    clocks: ClockEvidence,
}

impl Tasks<'_> {
    async fn start(mut self) -> Result<(), StartError> {
        self.watch_store().await;
        self.watch_clock();
        if let Some(sharing) = self.sharing.take() {
            sharing.start(self.service, self.clock.clone());
        }
        self.follow_issuers()?;
        self.log()?;
        // Before the trust directories are read again, or a change would be missed.
        let (clock, _, shutdown) = self.clock_and_signals();
        let registry = self.persistence.registry.clone();
        self.service.spawn(registry.follow_trust(clock, shutdown));
        let trust = Arc::clone(&self.persistence.trust);
        let every = self.config.trust.reload;
        let (clock, readiness, shutdown) = self.clock_and_signals();
        let requests = self.service.reload().requests();
        let keeper = keep_current(trust, every, clock, readiness, requests, shutdown);
        self.service.spawn(keeper);
        let keys = Arc::clone(&self.persistence.keys);
        let (clock, _, shutdown) = self.clock_and_signals();
        self.service.spawn(purge_ended(keys, clock, shutdown));
        let persistence = self.persistence;
        let records = RecordLog::new(Arc::clone(&persistence.keys), Arc::clone(&persistence.log));
        let (clock, _, shutdown) = self.clock_and_signals();
        self.service.spawn(records.follow(clock, shutdown));
        Ok(())
    }

    fn clock_and_signals(&self) -> (Clock, Readiness, Shutdown) {
        (
            self.clock.clone(),
            self.service.readiness(),
            self.service.shutdown(),
        )
    }

    async fn watch_store(&mut self) {
        let (_, readiness, shutdown) = self.clock_and_signals();
        let store = Arc::clone(&self.persistence.store);
        store.examine().await;
        self.service
            .spawn(async move { store.watch(readiness, shutdown).await });
    }

    /// Compares this clock with those of issuers, witnesses and Redis.
    fn watch_clock(&mut self) {
        let (_, readiness, shutdown) = self.clock_and_signals();
        if let (Some(redis), Some(options)) = (self.persistence.store.redis(), &self.config.store) {
            let name = format!("the Redis at {}", options.url);
            let other = self.clocks.clock_of(name, &options.url.to_string());
            let (redis, stop) = (redis.redis().clone(), shutdown.clone());
            self.service.spawn(read_clock(redis, other, stop));
        }
        let clocks = self.clocks.clone();
        self.service.spawn(clocks.watch(readiness, shutdown));
    }

    fn follow_issuers(&mut self) -> Result<(), StartError> {
        for (place, issuer) in self.config.issuer.iter().enumerate() {
            let (clock, readiness, shutdown) = self.clock_and_signals();
            let dependencies = Dependencies {
                issuers: Arc::clone(&self.issuers),
                store: Arc::clone(&self.persistence.store),
                log: Arc::clone(&self.persistence.log),
                clock,
                clocks: self.clocks.clone(),
                readiness,
            };
            let maintenance =
                IssuerMaintenance::open(place, issuer, &self.persistence.issuers, dependencies);
            let maintenance = maintenance.context(outside::follow(issuer))?;
            self.service.spawn(maintenance.run(shutdown));
        }
        Ok(())
    }

    /// Keeps in touch about the log, asks its witnesses, and persists its counts.
    fn log(&mut self) -> Result<(), StartError> {
        let (clock, readiness, shutdown) = self.clock_and_signals();
        let log = &self.persistence.log;
        if let Some(log) = log.published() {
            let log = Arc::clone(log);
            let witnesses =
                Witnesses::new(&self.config.witness, log, readiness.clone(), &self.clocks);
            let witnesses = witnesses.context("cannot use [[witness]]")?;
            self.persistence.log.heed(witnesses.contradictions());
            self.service.spawn(witnesses.run(shutdown.clone()));
        }
        log.not_known_yet(&readiness);
        let (counted, drained) = (Arc::clone(log), self.service.drained());
        self.service.spawn(persist_tallies(counted, clock, drained));
        let log = Arc::clone(log);
        self.service
            .spawn(async move { log.keep_in_touch(readiness, shutdown).await });
        Ok(())
    }
}

/// Reads the clock of a Redis now and then until `shutdown`. One that is away says nothing.
async fn read_clock(redis: Redis, other: OtherClock, shutdown: Shutdown) {
    loop {
        if let Ok(theirs) = redis.time().await {
            other.reads(theirs);
        }
        tokio::select! {
            () = tokio::time::sleep(READ_CLOCK_EVERY) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Persists the counts of key epochs, each minute and after the last request.
async fn persist_tallies(log: Arc<CpsLog>, clock: Clock, drained: Shutdown) {
    loop {
        let last = tokio::select! {
            () = clock.reached(clock.now().plus(PERSIST_TALLIES_EVERY)) => false,
            () = drained.requested() => true,
        };
        if let Err(error) = log.tallies().persist().await {
            tracing::error!(%error, "the counts of key epochs are not persisted");
        }
        if last {
            return;
        }
    }
}

async fn purge_ended(keys: Arc<KeyDirectory>, clock: Clock, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = clock.reached(clock.now().plus(PURGE_EVERY)) => {}
            () = shutdown.requested() => return,
        }
        let (keys, now) = (Arc::clone(&keys), clock.now());
        if let Err(error) = spawn_blocking(move || keys.purge(now)).await {
            tracing::error!(%error, "removing ended key records broke off");
        }
    }
}

#[cfg(test)]
mod tests;
