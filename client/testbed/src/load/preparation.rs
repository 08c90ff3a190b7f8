//! Filling the stock before a run: drawing tokens, and making requests of them
//! on all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::task::{JoinError, JoinSet};

use super::LoadError;
use super::progress::Progress;
use super::request_pool::{Issuing, PreparedDraw, PreparedStore, RequestFactory};
use pennyblack_client::carrier::LooseToken;
use pennyblack_http::HttpClient;

/// Draws under way at a time: enough for an issuer to use several cores.
const DRAWING_AT_ONCE: usize = 4;

/// Draws so many tokens, in whole batches; what is too many is thrown away.
pub(super) async fn draw_tokens(
    makings: &Arc<RequestFactory>,
    client: &HttpClient,
    wanted: u64,
    progress: &Arc<Progress>,
) -> Result<Vec<LooseToken>, LoadError> {
    let batch = makings.issuing()?.carrier.tokens_in_batch() as u64;
    let batches_left = Arc::new(AtomicU64::new(wanted.div_ceil(batch)));
    let mut drawers = JoinSet::new();
    for _ in 0..DRAWING_AT_ONCE {
        drawers.spawn(draw_batches(
            makings.clone(),
            client.clone(),
            batches_left.clone(),
            progress.clone(),
        ));
    }
    let mut tokens = Vec::new();
    while let Some(drawn) = drawers.join_next().await {
        tokens.extend(finished(drawn)?);
    }
    let received = tokens.len() as u64;
    if received < wanted {
        return Err(LoadError::TokensMissing { wanted, received });
    }
    tokens.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    Ok(tokens)
}

async fn draw_batches(
    makings: Arc<RequestFactory>,
    client: HttpClient,
    batches_left: Arc<AtomicU64>,
    progress: Arc<Progress>,
) -> Result<Vec<LooseToken>, LoadError> {
    let Issuing { carrier, directory } = makings.issuing()?;
    let mut tokens = Vec::new();
    while take_one(&batches_left) {
        let now = makings.clock.now();
        let drawn = carrier.draw_loose(&client, directory, &makings.scope, now);
        let drawn = drawn.await?;
        progress.drew(drawn.len() as u64);
        tokens.extend(drawn);
    }
    Ok(tokens)
}

fn take_one(left: &AtomicU64) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

/// Makes a store request of each token, for each mailbox in turn.
pub(super) async fn sign_stores(
    makings: &Arc<RequestFactory>,
    tokens: Vec<LooseToken>,
    progress: &Arc<Progress>,
) -> Result<Vec<PreparedStore>, LoadError> {
    let tokens = (0_u64..).zip(tokens).collect();
    on_all_cores(tokens, progress, {
        let makings = makings.clone();
        move |(turn, token)| makings.store(token, turn)
    })
    .await
}

/// Makes so many requests for tokens.
pub(super) async fn prepare_draws(
    makings: &Arc<RequestFactory>,
    wanted: u64,
    progress: &Arc<Progress>,
) -> Result<Vec<PreparedDraw>, LoadError> {
    on_all_cores((0..wanted).collect(), progress, {
        let makings = makings.clone();
        move |_| makings.draw()
    })
    .await
}

/// Makes one thing of each, on as many threads as there are cores.
async fn on_all_cores<T, R>(
    mut of: Vec<T>,
    progress: &Arc<Progress>,
    make: impl Fn(T) -> Result<R, LoadError> + Clone + Send + 'static,
) -> Result<Vec<R>, LoadError>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = of.len().div_ceil(cores).max(1);
    let mut makers = JoinSet::new();
    while !of.is_empty() {
        let mine = of.split_off(of.len().saturating_sub(share));
        let (make, progress) = (make.clone(), progress.clone());
        makers.spawn_blocking(move || {
            let made = mine.into_iter().map(|one| {
                let made = make(one)?;
                progress.prepared_one();
                Ok(made)
            });
            made.collect::<Result<Vec<_>, LoadError>>()
        });
    }
    let mut all = Vec::new();
    while let Some(made) = makers.join_next().await {
        all.extend(finished(made)?);
    }
    Ok(all)
}

/// What a task came to, if it came to its end.
pub(super) fn finished<T>(task: Result<Result<T, LoadError>, JoinError>) -> Result<T, LoadError> {
    task.unwrap_or(Err(LoadError::CutShort))
}
