//! A load generator for operators of an issuer or a CPS: draws tokens, stores
//! and retrieves in some proportion, and measures how long each takes. Not here:
//! what goes over the wire, which is the same code that carriers, OOB-ASs and
//! OOB-VSs use.
//!
//! Three rules make the numbers mean something. Requests are made before the
//! run, so that the client's cryptography is not measured. In an open loop a
//! latency counts from the time at which the request was to begin, so that a
//! stall counts for every request that it delayed. And nothing is sent twice: what
//! fails is counted, by kind.
//!
//! One thing differs from a call, which opens a connection for each store so
//! that no two can be linked: here each worker keeps its connection, as a relay
//! in front of a CPS would.

mod arrivals;
mod failure;
mod job;
mod mailboxes;
mod mix;
mod pace;
mod preparation;
mod progress;
mod report;
mod request_pool;
mod tally;
mod worker;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hdrhistogram::CreationError;
use pennyblack_privacypass::token::TokenScope;
use pennyblack_protocol::store_request::SignStoreError;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::envelope::Slots;
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_sealing::sealed::SealError;
use tokio::task::JoinSet;

pub use failure::FailureKind;
pub use mailboxes::{Mailboxes, MailboxesError};
pub use mix::{Mix, MixError, Operation};
pub use pace::{Pace, Rate, Window};
pub use progress::Progress;
pub use report::{End, FailureReport, Latency, OperationReport, Preparation, Report};

use arrivals::Arrivals;
use pennyblack_client::carrier::{Carrier, CarrierError};
use pennyblack_http::{Deadline, HttpClient, HttpError, HttpOptions, ServiceAddress};
use preparation::{draw_tokens, finished, prepare_draws, sign_stores};
use report::RunInfo;
use request_pool::{Issuing, RequestFactory, RequestPool};
use tally::Tally;
use worker::{WorkerContext, work};

/// Why there was no run. What fails during a run is counted instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The mix has draws or stores, and nobody to draw tokens.
    #[error("draws and stores need tokens: name a carrier to draw them")]
    NoCarrier,
    /// The mix has stores or retrieves, and no mailbox for them.
    #[error("stores and retrieves need mailboxes: name some")]
    NoMailbox,
    /// Tokens could not be drawn before the run.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The issuer left tokens out of its answers.
    #[error("the issuer gave {received} of {wanted} tokens: look into its log, or try again")]
    TokensMissing {
        /// Tokens that were needed.
        wanted: u64,
        /// Tokens that came.
        received: u64,
    },
    /// The PASSporT does not fit a mailbox.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A store request was not signed.
    #[error(transparent)]
    Sign(#[from] SignStoreError),
    /// The HTTP clients could not be made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A histogram could not be made.
    #[error("no histogram: {0}")]
    Histogram(#[from] CreationError),
    /// A task ended before it was done.
    #[error("the run ended early: a part of it failed; please report this")]
    CutShort,
}

/// A future run: what to ask which service, how often and how long.
#[derive(Clone)]
pub struct Load {
    /// Where PASSporTs are stored and mailboxes read.
    pub cps: ServiceAddress,
    /// Who draws tokens; needed for draws and stores. Its batch is what one draw
    /// asks for.
    pub carrier: Option<Carrier>,
    /// What tokens are drawn for: the CPS, or a federation.
    pub scope: TokenScope,
    /// How services are reached. A request that takes longer than its time-out
    /// has failed.
    pub http: HttpOptions,
    /// Where to store and what to read, in turn; needed for stores and retrieves.
    pub mailboxes: Vec<KeyConfig>,
    /// What is stored, sealed afresh each time.
    pub passport: String,
    /// How many slots retrieves ask for.
    pub slots: Slots,
    /// What the services call now.
    pub clock: Clock,
    /// The proportion of the operations.
    pub mix: Mix,
    /// When requests begin.
    pub pace: Pace,
    /// How long to warm up, and how long to measure.
    pub window: Window,
    /// Most requests of the whole run, warm-up and all. Draws and stores among
    /// them are prepared, whether the run comes to send them or not.
    pub requests: u64,
    /// Most requests under way at a time, each with an HTTP client of its own,
    /// which keeps its connection.
    pub connections: NonZeroUsize,
    /// When all must be prepared, however slowly the services answer.
    pub ready_by: Option<Deadline>,
    /// Ends the run early; what was measured so far is reported.
    pub stop: Shutdown,
}

impl Load {
    /// How many of the run's requests are stores: so many tokens it needs.
    #[must_use]
    pub fn stores(&self) -> u64 {
        self.mix.count(Operation::Store, self.most_requests())
    }

    /// How many of the run's requests are draws.
    #[must_use]
    pub fn draws(&self) -> u64 {
        self.mix.count(Operation::Draw, self.most_requests())
    }

    /// How many tokens the run takes of the carrier's quota: whole batches.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let carrier = self.carrier.as_ref();
        let batch = carrier.map_or(0, |carrier| carrier.tokens_in_batch() as u64);
        let batches = self.stores().div_ceil(batch.max(1)) + self.draws();
        batches.saturating_mul(batch)
    }

    fn most_requests(&self) -> u64 {
        match self.pace {
            Pace::Closed => self.requests,
            Pace::Open(rate) => self.requests.min(rate.due_before(self.window.end())),
        }
    }

    /// Whether it was the number of requests that ended the run, and not its time.
    fn ends_before_its_time(&self, used_up: bool, elapsed: Duration) -> bool {
        let end = self.window.end();
        used_up
            && match self.pace {
                Pace::Closed => elapsed < end,
                Pace::Open(rate) => self.requests < rate.due_before(end),
            }
    }

    /// Draws the tokens, and makes the requests.
    ///
    /// # Errors
    /// [`LoadError`]. Tokens that were drawn before it are lost.
    pub fn prepare(
        self,
        progress: Arc<Progress>,
    ) -> BoxFuture<'static, Result<PreparedLoad, LoadError>> {
        Box::pin(async move {
            let began = Instant::now();
            let (stores, draws) = (self.stores(), self.draws());
            let client = match self.ready_by {
                Some(deadline) => self.http.client()?.within(deadline),
                None => self.http.client()?,
            };
            let makings = Arc::new(self.makings(&client, stores + draws > 0).await?);
            let tokens = if stores > 0 {
                draw_tokens(&makings, &client, stores, &progress).await?
            } else {
                Vec::new()
            };
            let prepared_draws = prepare_draws(&makings, draws, &progress).await?;
            // Last, since these signatures are the first to grow too old.
            let prepared_stores = sign_stores(&makings, tokens, &progress).await?;
            let requests = self.most_requests();
            Ok(PreparedLoad {
                stock: RequestPool::new(
                    makings,
                    self.mix,
                    requests,
                    prepared_stores,
                    prepared_draws,
                ),
                preparation: Preparation {
                    tokens: progress.tokens(),
                    stores,
                    draws,
                    tokens_in_draw: self.tokens_in_draw(),
                    seconds: began.elapsed().as_secs_f64(),
                    renewed: 0,
                },
                load: self,
                progress,
            })
        })
    }

    async fn makings(
        &self,
        client: &HttpClient,
        tokens: bool,
    ) -> Result<RequestFactory, LoadError> {
        let issuing = match (&self.carrier, tokens) {
            (_, false) => None,
            (None, true) => return Err(LoadError::NoCarrier),
            (Some(carrier), true) => Some(Issuing {
                directory: carrier.directory(client).await?,
                carrier: carrier.clone(),
            }),
        };
        let mailboxes = self.mix.has(Operation::Store) || self.mix.has(Operation::Retrieve);
        if mailboxes && self.mailboxes.is_empty() {
            return Err(LoadError::NoMailbox);
        }
        Ok(RequestFactory {
            cps: self.cps.clone(),
            scope: self.scope.clone(),
            issuing,
            mailboxes: self.mailboxes.clone(),
            passport: self.passport.clone(),
            slots: self.slots,
            clock: self.clock.clone(),
        })
    }

    fn tokens_in_draw(&self) -> Option<usize> {
        let carrier = self.carrier.as_ref()?;
        self.mix
            .has(Operation::Draw)
            .then(|| carrier.tokens_in_batch())
    }
}

/// A run whose requests are made.
pub struct PreparedLoad {
    load: Load,
    stock: RequestPool,
    preparation: Preparation,
    progress: Arc<Progress>,
}

impl PreparedLoad {
    /// Sends the requests, and counts what comes of them.
    ///
    /// # Errors
    /// [`LoadError`] when a request could not be made. That no service answers
    /// is no error: it stands in the report.
    pub fn run(self) -> BoxFuture<'static, Result<Report, LoadError>> {
        Box::pin(async move {
            let load = &self.load;
            let (pace, window) = (load.pace, load.window);
            let connections = load.connections.get();
            let clients: Vec<_> = (0..connections)
                .map(|_| load.http.client())
                .collect::<Result<_, _>>()?;
            let stock = Arc::new(self.stock);
            let shop = Arc::new(WorkerContext {
                arrivals: Arrivals::begin(pace, window, load.requests, load.stop.clone()),
                stock: stock.clone(),
                progress: self.progress,
            });
            let tally = send_all(&shop, clients, window).await?;
            let preparation = Preparation {
                renewed: stock.renewed(),
                ..self.preparation
            };
            let ended_by = if load.stop.is_triggered() {
                End::Stopped
            } else if load.ends_before_its_time(stock.is_used_up(), shop.arrivals.elapsed()) {
                End::Requests
            } else {
                End::Duration
            };
            let circumstances = RunInfo {
                pace,
                connections,
                mix: load.mix,
                window,
                ended_by,
                preparation,
                unsent: shop.arrivals.unsent(),
            };
            Ok(Report::new(circumstances, &tally))
        })
    }
}

/// One worker for each client, and a thread that keeps the pace.
async fn send_all(
    shop: &Arc<WorkerContext>,
    clients: Vec<HttpClient>,
    window: Window,
) -> Result<Tally, LoadError> {
    let mut workers = JoinSet::new();
    for client in clients {
        workers.spawn(work(shop.clone(), client, Tally::new(window)?));
    }
    let pacemaker = tokio::task::spawn_blocking({
        let shop = shop.clone();
        move || shop.arrivals.keep_pace()
    });
    let all = add_up(workers, Tally::new(window)?).await;
    if all.is_err() {
        shop.arrivals.stop();
    }
    pacemaker.await.map_err(|_| LoadError::CutShort)?;
    all
}

/// The counts of all workers; the first error sends the others away.
async fn add_up(
    mut workers: JoinSet<Result<Tally, LoadError>>,
    mut all: Tally,
) -> Result<Tally, LoadError> {
    while let Some(tally) = workers.join_next().await {
        all.add(&finished(tally)?);
    }
    Ok(all)
}
