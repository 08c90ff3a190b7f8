//! Stores under way: a bounded number, each for as long as it is of use, whether or not its
//! call still waits. Not here: what a store is (the client library).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{
    CopyLimits, CopyPlan, Copying, OobAuthenticationError, OobAuthenticationService, SecondAttempt,
    SendingStore, StoreDelivery, StoreTransport,
};
use pennyblack_client::wallet::{AllowedWays, Copies, StoreCall, Wallet};
use pennyblack_http::{RetryPolicy, RouteError};
use pennyblack_passport::FRESHNESS;
use pennyblack_protocol::key_record::Placement;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::away::AwayCpss;
use super::outcomes::{heard, reason_of};
use super::pace::{Paces, Place};
use crate::config::SigningConfig;
use crate::counters::{Counters, add_one};
use crate::outgoing::OobOutcome;
use crate::reason::Reason;

/// The copies of a PASSporT for one key.
pub(super) struct WantedCopies {
    pub(super) copies: Arc<Copies>,
    pub(super) placement: Placement,
    pub(super) limits: CopyLimits,
}

/// A call has so many times as long as a CPS may be silent before another is asked as well.
const PATIENCES: u32 = 3;

/// A store is begun only while the call waits for this part of the deadline, or longer.
const MUST_BE_LEFT: u32 = 2;

/// Stores copies. Clones share what is under way.
#[derive(Clone)]
pub(super) struct Stores {
    service: Arc<OobAuthenticationService>,
    wallet: Wallet,
    permits: Arc<Semaphore>,
    max: u32,
    deadline: Duration,
    keep_trying: Duration,
    away: AwayCpss,
    paces: Paces,
    counters: Arc<Counters>,
}

impl Stores {
    pub(super) fn new(
        service: Arc<OobAuthenticationService>,
        wallet: Wallet,
        config: &SigningConfig,
        counters: Arc<Counters>,
    ) -> Self {
        let max = u32::try_from(config.max_stores).unwrap_or(u32::MAX);
        Self {
            service,
            wallet,
            permits: Arc::new(Semaphore::new(max as usize)),
            max,
            deadline: config.deadline,
            keep_trying: config.keep_trying,
            away: AwayCpss::default(),
            paces: Paces::new(config.max_stores, config.deadline),
            counters,
        }
    }

    /// Stores copies, and returns when all are stored or not, or at the deadline.
    pub(super) async fn store(
        &self,
        copies: Vec<WantedCopies>,
        deadline: Instant,
        now: UnixTime,
    ) -> OobOutcome {
        let wanted = copies.iter().map(|copies| copies.limits.copies).sum();
        let mut outcome = OobOutcome {
            wanted,
            ..OobOutcome::default()
        };
        if !self.is_there_time(deadline) {
            for _ in 0..wanted {
                add_one(&self.counters.not_stored);
                self.counters.count(Reason::Busy);
            }
            outcome.reason = Some(Reason::Busy);
            return outcome;
        }
        let (done, mut results) = mpsc::channel(wanted.max(1));
        // One of them may cost a token more, if the CPS takes its first for invalid.
        let call = Arc::new(CallOfCopies {
            stores: self.clone(),
            second: SecondAttempt::default(),
            deadline,
            now,
            done,
        });
        for copies in copies {
            let plan = CopyPlan::new(&copies.placement, copies.limits, &mut rand::rng());
            // Calls that come at one time share what there is when they come.
            let mut first = plan.clone();
            let first = std::iter::from_fn(|| first.ask_next());
            let begun = first.map(|cps| self.may_begin(cps.authority(), deadline));
            let begun = begun.collect();
            tokio::spawn(Arc::clone(&call).store_copies(copies, plan, begun));
        }
        drop(call);
        while outcome.copies < wanted {
            match timeout_at(deadline, results.recv()).await {
                Ok(Some(Ok(()))) => outcome.copies += 1,
                Ok(Some(Err(reason))) => drop(outcome.reason.get_or_insert(reason)),
                Ok(None) => return outcome,
                Err(_) => {
                    outcome.reason.get_or_insert(Reason::Deadline);
                    self.counters.count(Reason::Deadline);
                    return outcome;
                }
            }
        }
        OobOutcome {
            reason: None,
            ..outcome
        }
    }

    fn is_there_time(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        left >= self.deadline / MUST_BE_LEFT
    }

    /// **Nothing is spent for what may not begin**: what would come after its call, because
    /// the machine or the CPS has too much to do, or the CPS does not answer.
    fn may_begin(&self, cps: &Authority, deadline: Instant) -> Result<Begun, Reason> {
        let now = Instant::now();
        if !self.is_there_time(deadline) {
            return Err(Reason::Busy);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let begun = Begun {
            _permit: permit.map_err(|_| Reason::Busy)?,
            place: self.paces.enter(cps).ok_or(Reason::Busy)?,
            deadline,
        };
        match self.away.may_begin(cps, now) {
            true => Ok(begun),
            false => Err(Reason::CpsAway),
        }
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        max.saturating_sub(self.permits.available_permits())
    }

    /// Returns when none is under way; none begins any more.
    pub(super) async fn finish(&self) {
        let all = self.permits.acquire_many(self.max);
        // None takes longer than this.
        let _all = timeout(self.keep_trying, all).await;
        self.permits.close();
    }

    /// What looks after the outbox beside calls.
    pub(super) fn sweeper(&self, clock: Clock, every: Duration) -> Sweeper {
        Sweeper {
            stores: self.clone(),
            clock,
            every,
        }
    }
}

/// The copies of a call under way, whether or not it still waits.
struct CallOfCopies {
    stores: Stores,
    second: SecondAttempt,
    deadline: Instant,
    now: UnixTime,
    done: mpsc::Sender<Result<(), Reason>>,
}

impl CallOfCopies {
    /// Goes on when the call has gone, for as long as the PASSporT is of use. What is still
    /// under way when enough are stored comes to its end: it says which CPS does not answer.
    async fn store_copies(
        self: Arc<Self>,
        copies: WantedCopies,
        plan: CopyPlan,
        mut begun: VecDeque<Result<Begun, Reason>>,
    ) {
        let (limits, counters) = (copies.limits, &self.stores.counters);
        let (call, copies) = (&*self, &copies);
        let mut copying = Copying::new(plan, self.stores.deadline / PATIENCES, |cps| {
            let first = begun.pop_front();
            Box::pin(async move {
                let now = || call.stores.may_begin(cps.authority(), call.deadline);
                let begun = first.unwrap_or_else(now)?;
                call.store_one(copies, &cps, begun).await
            })
        });
        while let Some((_, stored)) = copying.next().await {
            if let Err(reason) = stored {
                counters.count(reason);
            }
            let is_in_time = self.done.send(stored).await.is_ok();
            match (stored, is_in_time) {
                (Ok(()), true) => add_one(&counters.stored_in_time),
                (Ok(()), false) => add_one(&counters.stored_late),
                (Err(_), _) => {}
            }
        }
        for _ in copying.plan().stored()..limits.copies {
            add_one(&counters.not_stored);
        }
    }

    async fn store_one(
        &self,
        copies: &WantedCopies,
        cps: &CpsUri,
        begun: Begun,
    ) -> Result<(), Reason> {
        let (stores, now, copies) = (&self.stores, self.now, &copies.copies);
        let fresh_for = FRESHNESS.saturating_sub(now.since(copies.passport().claims().iat));
        let until = Instant::now() + stores.keep_trying.min(fresh_for);
        let watched = Arc::new(Watched::new(stores, copies, until));
        let delivery = StoreDelivery {
            transport: Arc::clone(&watched) as Arc<_>,
            ..stores.service.delivery()
        };
        let (service, wallet) = (&stores.service, &stores.wallet);
        let stored = service.store_at(cps, &delivery, wallet, copies, &self.second, now);
        let stored = match begun.waited_for(timeout_at(until, stored)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(reason_of(&error)),
            Err(_) if watched.was_sent() => Err(Reason::NoAnswer),
            // Before it is sent it waits for nothing else.
            Err(_) => Err(Reason::Wallet),
        };
        stores.away.heard(cps.authority(), heard(stored));
        stored
    }
}

/// A store that may be under way, and that a call waits for until the deadline.
struct Begun {
    _permit: OwnedSemaphorePermit,
    place: Place,
    deadline: Instant,
}

impl Begun {
    /// What comes of the store, in time or not.
    async fn waited_for<T, E, F>(self, store: F) -> F::Output
    where
        F: Future<Output = Result<Result<T, OobAuthenticationError>, E>>,
    {
        tokio::pin!(store);
        match timeout_at(self.deadline, &mut store).await {
            Ok(ended) => {
                if matches!(ended, Ok(Ok(_))) {
                    self.place.in_time();
                }
                ended
            }
            Err(_) => {
                self.place.late(Instant::now());
                store.await
            }
        }
    }
}

/// Sends what an earlier run has signed, once, and drops what is too old to be sent.
pub(super) struct Sweeper {
    stores: Stores,
    clock: Clock,
    every: Duration,
}

impl Sweeper {
    pub(super) async fn run(self, shutdown: Shutdown) {
        let Stores {
            service, wallet, ..
        } = &self.stores;
        let now = self.clock.now();
        match service.delivery().resend(wallet, now).await {
            Ok(resent) if resent.withheld > 0 => tracing::warn!(
                ?resent,
                "requests of the outbox were not sent, since they were signed for relays only: \
                 set oblivious.relays for their CPSs and oblivious.fallback to \"none\" to send them"
            ),
            Ok(resent) => tracing::debug!(?resent, "what stood in the outbox"),
            Err(error) => tracing::warn!(%error, "the outbox was not read"),
        }
        while !shutdown.is_triggered() {
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = shutdown.requested() => return,
            }
            let now = self.clock.now();
            let swept = wallet.off_thread(move |wallet| wallet.settle_expired(now));
            if let Err(error) = swept.await {
                tracing::warn!(%error, "the outbox was not swept");
            }
        }
    }
}

/// Knows how far one store came, counts tokens that leave, and ends it when it is of no use.
struct Watched {
    copies: Arc<Copies>,
    transport: Arc<dyn StoreTransport>,
    counters: Arc<Counters>,
    until: Instant,
    was_sent: AtomicBool,
}

impl Watched {
    fn new(stores: &Stores, copies: &Arc<Copies>, until: Instant) -> Self {
        Self {
            copies: Arc::clone(copies),
            transport: Arc::clone(&stores.service.transport),
            counters: Arc::clone(&stores.counters),
            until,
            was_sent: AtomicBool::new(false),
        }
    }

    fn was_sent(&self) -> bool {
        self.was_sent.load(Ordering::Relaxed)
    }
}

impl StoreTransport for Watched {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        self.was_sent.store(true, Ordering::Relaxed);
        let (spent, newly) = (&self.counters.tokens_spent, self.copies.newly_spent());
        spent.fetch_add(newly, Ordering::Relaxed);
        let within = self.until.saturating_duration_since(Instant::now());
        let retry = RetryPolicy {
            within: Some(within),
            ..retry
        };
        self.transport.send(call, retry)
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.transport.check(url)
    }

    fn ways(&self) -> AllowedWays {
        self.transport.ways()
    }
}
