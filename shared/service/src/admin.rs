//! What every service tells its operator: metrics in Prometheus' text form, whether
//! the process lives, and whether it can do its work. Served on a listener of its
//! own, beside what else the service has for its operator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, StatusCode};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pennyblack_base::problem::Problem;
use pennyblack_base::service_paths::{HEALTH_PATH, HEALTHY};

use crate::problem_response::ProblemResponse;
use crate::start_error::{StartContext as _, StartError};
use pennyblack_runtime::shutdown::Shutdown;

/// How often the raw samples of histograms are folded.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// What is missing before the service can do its work. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// Ready until somebody objects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `part` keeps the service from its work, and why.
    pub fn lacks(&self, part: &'static str, reason: impl Into<String>) {
        self.missing().insert(part, reason.into());
    }

    /// Notes that `part` is there (again).
    pub fn has(&self, part: &'static str) {
        self.missing().remove(part);
    }

    /// True when nothing is missing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }

    /// What is missing: which part, and why.
    #[must_use]
    pub fn lacking(&self) -> Vec<(&'static str, String)> {
        let missing = self.missing();
        let missing = missing.iter();
        missing
            .map(|(part, reason)| (*part, reason.clone()))
            .collect()
    }

    fn missing(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metrics of this process: one recorder, however many services run in it.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Installs the recorder, or finds the one installed before.
    ///
    /// # Errors
    /// When somebody else has installed another recorder in this process.
    pub fn of_this_process() -> Result<Self, StartError> {
        static INSTALLED: OnceLock<Metrics> = OnceLock::new();
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let handle = PrometheusBuilder::new()
            .install_recorder()
            .context("cannot record metrics, another recorder serves this process")?;
        Ok(INSTALLED.get_or_init(|| Self(handle)).clone())
    }

    /// All metrics in Prometheus' text form.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds the raw samples of histograms now and then until `shutdown`:
    /// without this they pile up for as long as nobody reads the metrics.
    pub(crate) async fn fold_samples(self, shutdown: Shutdown) {
        let mut pace = tokio::time::interval(FOLD_EVERY);
        loop {
            tokio::select! {
                _ = pace.tick() => self.0.run_upkeep(),
                () = shutdown.requested() => return,
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Admin {
    metrics: Metrics,
    readiness: Readiness,
}

/// `/metrics`, `/healthz` and `/readyz`.
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route(HEALTH_PATH, get(|| async { HEALTHY }))
        .route("/readyz", get(show_readiness))
        .with_state(Admin { metrics, readiness })
}

/// Answers only those who name this machine, where the listener is reached from nowhere
/// else: a web page of somebody's could give a name of its own this address, and then
/// read in the operator's browser what is here.
pub(crate) fn for_this_machine(router: Router) -> Router {
    router.layer(from_fn(async |request: Request, next: Next| {
        let host = request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok());
        match host.is_none_or(is_this_machine) {
            true => next.run(request).await,
            false => (
                StatusCode::MISDIRECTED_REQUEST,
                "ask for http://localhost, http://127.0.0.1 or http://[::1]: this address has no other name\n",
            )
                .into_response(),
        }
    }))
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    let form = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, form)], admin.metrics.render()).into_response()
}

async fn show_readiness(State(admin): State<Admin>) -> Response {
    let lacking = admin.readiness.lacking();
    if lacking.is_empty() {
        return "ready\n".into_response();
    }
    let reasons: Vec<_> = lacking
        .iter()
        .map(|(part, reason)| format!("{part}: {reason}"))
        .collect();
    ProblemResponse::from(Problem {
        kind: "about:blank".to_owned(),
        title: "Not ready".to_owned(),
        status: 503,
        detail: reasons.join("; "),
    })
    .into_response()
}
