//! The dashboard (docs/dashboard.md), served at the admin listener: what it shows is
//! read here, and drawn and checked by its scripts, which come with it and need
//! nothing from elsewhere. Not here: deciding anything; the page only looks.
//!
//! It tells totals and what the log publishes anyway. Nothing that could tell one
//! OOB-AS or one mailbox from another ever belongs on it.

mod cached_for;
mod double_spends;
mod rates;
mod status;

use std::io;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::repeated_causes::report;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use self::cached_for::CachedFor;
use self::double_spends::DoubleSpends;
use self::rates::Rates;
use self::status::{EpochStatus, Status};
use crate::counts::Counts;
use crate::issuers::Issuers;
use crate::log::CpsLog;
use crate::store::Store;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Nothing from elsewhere, nothing in line, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of the page, as they are served.
const FILES: [(&str, &str, &str); 8] = [
    ("/", HTML, include_str!("dashboard.html")),
    ("/dashboard.css", CSS, include_str!("dashboard.css")),
    ("/dashboard.js", SCRIPT, include_str!("dashboard.js")),
    ("/element.js", SCRIPT, include_str!("element.js")),
    ("/chart.js", SCRIPT, include_str!("chart.js")),
    (
        "/double-spends.js",
        SCRIPT,
        include_str!("double-spends.js"),
    ),
    ("/check.js", SCRIPT, include_str!("check.js")),
    ("/inclusion.js", SCRIPT, include_str!("inclusion.js")),
];

/// What the page looks at.
pub(crate) struct DashboardParts<S> {
    pub(crate) name: Authority,
    pub(crate) clock: Clock,
    pub(crate) readiness: Readiness,
    pub(crate) counts: Arc<Counts>,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) store: Arc<S>,
    pub(crate) log: Arc<CpsLog>,
}

/// The dashboard.
pub(crate) struct Dashboard<S> {
    parts: DashboardParts<S>,
    started: UnixTime,
    rates: Rates,
    epochs: CachedFor<Vec<EpochStatus>>,
    double_spends: DoubleSpends,
}

impl<S: Store> Dashboard<S> {
    pub(crate) fn new(parts: DashboardParts<S>) -> Arc<Self> {
        Arc::new(Self {
            started: parts.clock.now(),
            rates: Rates::default(),
            epochs: CachedFor::default(),
            double_spends: DoubleSpends::new(Arc::clone(&parts.log)),
            parts,
        })
    }

    /// Keeps the rates of the last hour, until `shutdown`.
    pub(crate) async fn sample_rates(self: Arc<Self>, shutdown: Shutdown) {
        let DashboardParts { counts, clock, .. } = &self.parts;
        self.rates.sample(counts, clock, &shutdown).await;
    }

    /// What the admin listener serves of it.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        let mut router = Router::new()
            .route("/status.json", get(status::<S>))
            .route("/double-spends.json", get(double_spends::<S>))
            .route("/double-spends/{index}/verified", get(verified::<S>))
            .route("/double-spends/{index}/proof", get(proof::<S>))
            .with_state(self);
        for (path, media_type, text) in FILES {
            router = router.route(path, get(move || async move { file(media_type, text) }));
        }
        router.layer(map_response(guarded))
    }

    async fn status(self: Arc<Self>) -> io::Result<Status> {
        let DashboardParts {
            name,
            clock,
            readiness,
            counts,
            issuers,
            store,
            log,
        } = &self.parts;
        let now = clock.now();
        let reading = Arc::clone(log);
        Ok(Status {
            name: name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            now,
            started: self.started,
            lacking: status::lacking(readiness),
            log: off_the_disk(move || status::log_status(&reading)).await?,
            totals: counts.totals(),
            refusals: status::refusals(counts),
            epochs: self
                .epochs
                .get(status::epochs(issuers, &**store, log, now))
                .await,
            spans: self.rates.spans(),
        })
    }
}

async fn status<S: Store>(State(page): State<Arc<Dashboard<S>>>) -> Response {
    match page.status().await {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    before: Option<u64>,
}

async fn double_spends<S: Store>(
    State(page): State<Arc<Dashboard<S>>>,
    Query(query): Query<PageQuery>,
) -> Response {
    match off_the_disk(move || page.double_spends.page(query.before)).await {
        Ok(page) => Json(page).into_response(),
        Err(error) => failed(&error),
    }
}

async fn verified<S: Store>(
    State(page): State<Arc<Dashboard<S>>>,
    Path(index): Path<u64>,
) -> Response {
    match off_the_disk(move || page.double_spends.verdict(index)).await {
        Ok(Some(verdict)) => Json(verdict).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

async fn proof<S: Store>(
    State(page): State<Arc<Dashboard<S>>>,
    Path(index): Path<u64>,
) -> Response {
    match off_the_disk(move || page.double_spends.proof(index)).await {
        Ok(Some(proof)) => ([(CONTENT_TYPE, TEXT)], proof.to_string()).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, media_type)], text).into_response()
}

async fn off_the_disk<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(read).await.map_err(io::Error::other)?
}

fn failed(error: &io::Error) -> Response {
    report("the operator's page cannot be answered", error);
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// What keeps a browser from mixing the page with anything else.
async fn guarded(mut response: Response) -> Response {
    let same_origin = HeaderName::from_static("cross-origin-resource-policy");
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (same_origin, "same-origin"),
    ];
    for (name, value) in fields {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
