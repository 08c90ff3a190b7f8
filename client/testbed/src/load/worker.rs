//! One connection's worth of requests: take the next, wait for its beginning,
//! send it, count what came of it. Not here: any of these four.

use std::sync::Arc;

use super::LoadError;
use super::arrivals::Arrivals;
use super::progress::Progress;
use super::request_pool::RequestPool;
use super::tally::{Tally, Times};
use pennyblack_http::HttpClient;

/// What all workers of a run share.
pub(super) struct WorkerContext {
    pub(super) stock: Arc<RequestPool>,
    pub(super) arrivals: Arrivals,
    pub(super) progress: Arc<Progress>,
}

/// Sends requests one after the other until there are no more.
pub(super) async fn work(
    shop: Arc<WorkerContext>,
    client: HttpClient,
    mut tally: Tally,
) -> Result<Tally, LoadError> {
    // The request is taken before its beginning is waited for, so that signing
    // it again, where that is needed, is not in its latency.
    while let Some(job) = shop.stock.next()? {
        let Some(intended) = shop.arrivals.next().await else {
            break;
        };
        let sent = shop.arrivals.elapsed();
        let outcome = job.send(&client).await;
        let times = Times {
            intended,
            sent,
            answered: shop.arrivals.elapsed(),
        };
        shop.progress.answered(outcome.is_ok());
        tally.record(job.operation(), times, outcome);
        // Lets the HTTP client put the connection back before the next request
        // looks for one: else it would open a second one every now and then.
        tokio::task::yield_now().await;
    }
    Ok(tally)
}
