//! An issuer put together and started; in a program of its own or inside another
//! process. It owns four tasks besides its listeners: one maintains the token keys, one
//! keeps in touch with other nodes about their log, one reads the trust directories again,
//! and one looks whether draws would be served.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::findings::Findings;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::start::{Starting, StartingService};
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_trust::keep_current;
use tokio::time::MissedTickBehavior;

use crate::attest::Attestor;
use crate::config::Config;
use crate::issue::Issuance;
use crate::key_maintenance::KeyMaintenance;
use crate::ledger::ChosenLedger;
use crate::outside::Outside;
use crate::persistence::Persistence;
use crate::routes::{self, Resources};
use crate::signing_pool::SigningPool;
use crate::token_keys::TokenKeys;

/// How often it is looked whether draws would be served.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a draw needs, as parts of readiness.
const SIGNING_KEY: &str = "signing key";
const ACCOUNTS: &str = "accounts";

/// How to start an issuer.
#[derive(Debug)]
pub struct Issuer;

impl Issuer {
    /// Starts an issuer in this process; it accepts connections when this
    /// returns. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config, clock: Clock) -> Starting {
        Box::pin(async move {
            let config = Arc::new(config);
            let mut findings = Findings::new();
            let service = findings.keep(StartingService::bind(&*config).await);
            let outside = Outside::load(&config, &mut findings).await;
            let (mut service, outside) = findings.conclude(service.zip(outside))?;
            let persistence = Persistence::open(&config, outside, &clock).await?;
            let router = router(&config, &persistence, &clock)?;
            start_tasks(&mut service, &config, persistence, clock);
            let nothing_else = Router::new();
            Ok(service.serve(&*config, router, nothing_else))
        })
    }
}

fn router(
    config: &Config,
    persistence: &Persistence,
    clock: &Clock,
) -> Result<PublicRouter, StartError> {
    let signing = &config.signing;
    let pool = SigningPool::start(signing.workers(), signing.queue());
    let trust = Arc::clone(&persistence.trust);
    let attestor = Attestor::start(config.issuer.authority.clone(), trust);
    let issuance = Issuance {
        clock: clock.clone(),
        attestor: attestor.context("cannot start the threads that verify certificates")?,
        keys: Arc::clone(&persistence.keys),
        ledger: Arc::clone(&persistence.ledger),
        pool: pool.context("cannot start the signing threads, lower signing.workers")?,
        max_batch: signing.batch(),
        most_evaluations: config.token_keys.most_evaluations,
    };
    let max_age = config.token_keys.directory_max_age.as_secs();
    let router = routes::router(Resources {
        issuance: Arc::new(issuance),
        cache_control: HeaderValue::from_str(&format!("public, max-age={max_age}"))
            .unwrap_or(HeaderValue::from_static("no-cache")),
    });
    Ok(router.merge(persistence.log.router()))
}

/// Starts what runs beside the listeners.
fn start_tasks(
    service: &mut StartingService,
    config: &Config,
    persistence: Persistence,
    clock: Clock,
) {
    let (readiness, shutdown) = (service.readiness(), service.shutdown());
    let log = persistence.log.clone();
    service.spawn(log.keep_in_touch(readiness.clone(), shutdown.clone()));
    service.spawn(keep_current(
        Arc::clone(&persistence.trust),
        config.trust.reload,
        clock.clone(),
        readiness.clone(),
        service.reload().requests(),
        shutdown.clone(),
    ));
    for part in [SIGNING_KEY, ACCOUNTS] {
        readiness.lacks(part, "not looked at yet");
    }
    service.spawn(watch_draws(
        Arc::clone(&persistence.keys),
        Arc::clone(&persistence.ledger),
        clock.clone(),
        readiness.clone(),
        shutdown.clone(),
    ));
    let maintenance = KeyMaintenance {
        persistence,
        clock,
        readiness,
        shutdown,
    };
    service.spawn(maintenance.run());
}

/// Says whether draws would be served now, each second until `shutdown`: whether a token
/// key signs, and whether its accounts could be charged.
async fn watch_draws(
    keys: Arc<TokenKeys>,
    ledger: Arc<ChosenLedger>,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) {
    let mut pace = tokio::time::interval(LOOK_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            () = shutdown.requested() => return,
        }
        let parts = [
            (SIGNING_KEY, keys.trouble(clock.now())),
            (ACCOUNTS, ledger.trouble().await),
        ];
        for (part, trouble) in parts {
            match trouble {
                Some(why) => readiness.lacks(part, why),
                None => readiness.has(part),
            }
        }
    }
}
