//! When key configurations are fetched: at the start and at times of their own, which no
//! call has a part in. **Nothing moves them**: a CPS that refused a key could see from the
//! fetch that follows whose request it had refused. Not here: fetching.

use std::time::Duration;

use pennyblack_http::{Deadline, HttpError, HttpOptions, ServiceAddress};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_runtime::shutdown::Shutdown;

use super::{KeyFetchError, KeyFetcher};

/// Between two fetches, unless it is configured. A key is accepted for an hour after its
/// epoch, so the next one must be at hand by then.
pub const DEFAULT_FETCH_EVERY: Duration = Duration::from_secs(30 * 60);

/// Refuses times after which a key may have ended before the next one is at hand, and ones
/// that only burden a CPS. The key of the configuration is `oblivious.fetch_every`.
///
/// # Errors
/// [`ConfigurationError`].
pub fn check_fetch_every(every: Duration) -> Result<(), ConfigurationError> {
    match every.as_secs() {
        60..=3_000 => Ok(()),
        _ => Err(ConfigurationError::refused(
            "oblivious.fetch_every",
            "a key of Oblivious HTTP is accepted for an hour after its epoch, and fetched a tenth \
             later at times",
            "set 1min to 50min",
        )),
    }
}

/// At most so long after one that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long all requests of a fetch may take.
const MAX_FETCH: Duration = Duration::from_secs(120);

/// Fetches the keys of some CPSs again and again.
pub struct KeyTimer {
    /// How.
    pub fetcher: KeyFetcher,
    /// Whose.
    pub cpss: Vec<ServiceAddress>,
    /// How they are reached: directly.
    pub http: HttpOptions,
    /// How often, a tenth earlier or later.
    pub every: Duration,
    /// By which time keys are good.
    pub clock: Clock,
}

impl KeyTimer {
    /// Fetches until `shutdown`, for each CPS at times of its own.
    pub async fn run(self, shutdown: Shutdown) {
        let fetches = self.cpss.iter().map(|cps| self.follow(cps, &shutdown));
        futures_util::future::join_all(fetches).await;
    }

    async fn follow(&self, cps: &ServiceAddress, shutdown: &Shutdown) {
        if let Err(error) = self.fetcher.recall(cps.authority()).await {
            tracing::warn!(%error, cps = %cps.authority(), "no key configuration is remembered");
        }
        loop {
            let pause = match self.fetch(cps).await {
                Ok(()) => self.every,
                Err(error) => {
                    self.tell(cps, &error);
                    self.every.min(AGAIN_AFTER)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.9..1.1))) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    async fn fetch(&self, cps: &ServiceAddress) -> Result<(), KeyFetchError> {
        let failed = |error: HttpError| KeyFetchError::Http {
            cps: cps.authority().clone(),
            error,
        };
        let http = HttpOptions {
            route: None,
            ..self.http.clone()
        };
        let deadline = Deadline::after(MAX_FETCH);
        let client = http.client().map_err(failed)?.within(deadline);
        let known = self.fetcher.fetch(&client, cps, self.clock.now()).await?;
        if let Some(key) = known.newest(self.clock.now()) {
            let (cps, not_after) = (cps.authority(), key.announced().not_after);
            tracing::debug!(%cps, %not_after, "key configurations of Oblivious HTTP were fetched");
        }
        Ok(())
    }

    fn tell(&self, cps: &ServiceAddress, error: &KeyFetchError) {
        let cps = cps.authority();
        let known = self.fetcher.keys.of(cps).unwrap_or_default();
        let until = known.used_until(self.clock.now());
        let until = until.map_or_else(|| "none is known".to_owned(), |until| until.to_string());
        match error.is_untrusted() {
            true => tracing::error!(%error, %cps, until, "a key configuration is refused"),
            false => tracing::warn!(%error, %cps, until, "no key configuration was fetched"),
        }
    }
}
