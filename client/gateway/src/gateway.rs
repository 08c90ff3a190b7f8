//! A gateway put together and started. It owns six tasks besides its listeners, and a
//! seventh with relays: one answers by SIP, one changes what SIGHUP changes, two read roots
//! and mailbox keys again, one opens the file of call lines again, one shows how the engine is
//! doing, and one fetches keys of CPSs. At the end it waits for stores
//! that are under way.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use futures_util::future::{BoxFuture, join};
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::oblivious::KeyTimer;
use pennyblack_engine::{BadParameter, Engine, IncomingCall, OutgoingCall, SignOutcome};
use pennyblack_engine::{Trunk, Verdict};
use pennyblack_http::HttpOptions;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::program::LoadAgain;
use pennyblack_service::start::{Starting, StartingService};
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};

use crate::call_log::CallLog;
use crate::calls::Calls;
use crate::config::Config;
use crate::counts;
use crate::engine_parts::{self, Storing};
use crate::in_force::{InForce, Settings};
use crate::oblivious::Oblivious;
use crate::outside::Outside;
use crate::redirects::{self, Redirects};
use crate::rereading::{Followed, Mailboxes, Rules, followed};
use crate::rosters::RosterBoundKeys;
use crate::routes::{self, Resources};
use crate::sip_call::deciding::Deciding;
use crate::trunks::Identities;
use crate::watching::{self, Watched};

impl Calls for Engine {
    fn sign<'a>(
        &'a self,
        arrived: Instant,
        trunk: &'a Trunk,
        call: OutgoingCall,
    ) -> BoxFuture<'a, Result<SignOutcome, BadParameter>> {
        Box::pin(self.sign_since(arrived.into(), trunk, call))
    }

    fn verify<'a>(
        &'a self,
        arrived: Instant,
        trunk: &'a Trunk,
        call: IncomingCall,
    ) -> BoxFuture<'a, Verdict> {
        Box::pin(self.verify_since(arrived.into(), trunk, call))
    }
}

/// How to start a gateway.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Starts a gateway in this process; it accepts connections when this returns. `again`
    /// reads the configuration again. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config, again: LoadAgain<Config>, clock: Clock) -> Starting {
        Box::pin(async move {
            let config = Arc::new(config);
            let service = StartingService::bind(&*config).await;
            let reload = service.as_ref().map(|service| service.reload().clone());
            let identities = Arc::new(Identities::new(reload.unwrap_or_default()));
            let (mut findings, outside) = Outside::load(&config, &identities, &clock).await;
            let service = findings.keep(service);
            let sockets = redirects::bind(&config, &mut findings);
            let parts = service.zip(outside).zip(sockets);
            let ((mut service, outside), sockets) = findings.conclude(parts)?;
            counts::begin();
            redirects::begin();
            let settings = |first| Settings::new(&config, again, identities, first);
            let parts = Parts::open(&config, outside, settings, &clock).await?;
            let deciding = Deciding {
                calls: Arc::new(parts.engine.clone()),
                call_log: parts.call_log.clone(),
                clock: clock.clone(),
                reason: config.policy.reason_header.protocol(),
            };
            let router = routes::router(
                Resources {
                    deciding: deciding.clone(),
                    settings: Arc::clone(&parts.settings),
                    readiness: service.readiness(),
                },
                &config.http.root,
                config.gateway.role,
            );
            let redirects = Redirects {
                config: Arc::clone(&config),
                deciding,
                settings: Arc::clone(&parts.settings),
                readiness: service.readiness(),
            };
            let redirects = redirects.run(sockets, service.shutdown());
            start_tasks(&mut service, &config, parts, clock, redirects);
            Ok(service.serve(&*config, router, Router::new()))
        })
    }
}

struct Parts {
    engine: Engine,
    verifying: Option<(CertificateStores, Vec<Followed>)>,
    http: HttpOptions,
    settings: Arc<Settings>,
    call_log: CallLog,
    oblivious: Option<(Oblivious, KeyTimer)>,
    mirrored: Option<RosterBoundKeys>,
}

impl Parts {
    /// Opens what a start makes if it is missing.
    async fn open(
        config: &Arc<Config>,
        outside: Outside,
        settings: impl FnOnce(InForce) -> Settings,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let Outside {
            in_force,
            storing,
            verifying,
            http,
        } = outside;
        let verified = verifying.as_ref().map(|side| {
            let certificates = side.rules.certificates.clone();
            (certificates, followed(&side.mailboxes))
        });
        let (with, now) = (Arc::clone(config), clock.clone());
        let way = storing.as_ref().and_then(Storing::oblivious).cloned();
        let mirrored = storing.as_ref().and_then(Storing::mirrored).cloned();
        let opened = blocking(move || {
            let calls = &with.calls;
            let call_log = CallLog::open(calls.file.as_deref(), calls.numbers);
            let call_log = call_log.context("calls.file")?;
            let parts = engine_parts::open(&with, storing, verifying, &now)?;
            let wallet = parts.signing.as_ref().map(|parts| &parts.wallet);
            let oblivious = way.zip(wallet).map(|(way, wallet)| {
                let timer = way.timer(&with, wallet, &now);
                (way, timer)
            });
            Ok((call_log, parts, oblivious))
        });
        let (call_log, parts, oblivious) = opened.await?;
        if let Some((_, timer)) = &oblivious {
            recall(timer).await;
        }
        Ok(Self {
            engine: Engine::start(parts).context("[verify.follow]")?,
            verifying: verified,
            http,
            settings: Arc::new(settings(in_force)),
            call_log,
            oblivious,
            mirrored,
        })
    }
}

/// Takes up the keys that the wallet remembers: key records are read through relays as soon as
/// the engine starts, and without a key not again for a quarter of a minute.
async fn recall(timer: &KeyTimer) {
    for cps in &timer.cpss {
        // The timer does so again, and says what is wrong.
        let _ = timer.fetcher.recall(cps.authority()).await;
    }
}

/// Starts what runs beside the listeners.
fn start_tasks(
    service: &mut StartingService,
    config: &Arc<Config>,
    parts: Parts,
    clock: Clock,
    redirects: impl Future<Output = ()> + Send + 'static,
) {
    let (reload, shutdown) = (service.reload().clone(), service.shutdown());
    let Parts {
        engine,
        verifying,
        http,
        settings,
        call_log,
        oblivious,
        mirrored,
    } = parts;
    let readiness = service.readiness();
    let oblivious = oblivious.map(|(way, timer)| {
        readiness.lacks("oblivious", "it has just started");
        service.spawn(timer.run(shutdown.clone()));
        way
    });
    if let Some(mirrored) = mirrored {
        let follow = mirrored.follow(service.readiness(), clock.clone(), shutdown.clone());
        service.spawn(follow);
    }
    service.spawn(Arc::clone(&settings).follow(reload.clone(), shutdown.clone()));
    service.spawn(reopen(call_log, reload.clone(), shutdown.clone()));
    let (certificates, followed) = verifying.unzip();
    if let Some(followed) = followed {
        let mailboxes = Mailboxes {
            engine: engine.clone(),
            configs: settings.configs(),
            followed,
            http,
            oblivious: oblivious.clone(),
            clock: clock.clone(),
        };
        service.spawn(mailboxes.follow(shutdown.clone()));
    }
    let rules = Rules {
        engine: engine.clone(),
        config: Arc::clone(config),
        certificates,
        clock: clock.clone(),
    };
    service.spawn(rules.follow(reload, shutdown.clone()));
    readiness.lacks("engine", "it has just started");
    let watched = Watched {
        engine: engine.clone(),
        settings,
        oblivious,
        clock,
    };
    service.spawn(watching::watch(watched, readiness, shutdown));
    let drained = service.drained();
    service.spawn(async move {
        // The engine ends after the last call that asks for it.
        join(drained.requested(), redirects).await;
        engine.stop().await;
    });
}

async fn reopen(call_log: CallLog, reload: Reload, shutdown: Shutdown) {
    let mut requests = reload.requests();
    loop {
        tokio::select! {
            Ok(()) = requests.changed() => call_log.reopen(),
            () = shutdown.requested() => return,
        }
    }
}
