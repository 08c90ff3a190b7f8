//! What a gateway reads again while it runs: roots, revocation lists and numbering, each
//! minute and on SIGHUP, and mailbox keys, with where they are registered, as well. What cannot be used changes nothing.
//! Not here: trunks (`in_force`), and files that are read again by themselves.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_engine::Engine;
use pennyblack_http::HttpOptions;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};
use tokio::sync::watch;

use crate::config::Config;
use crate::engine_parts::{self, Trusted};
use crate::oblivious::Oblivious;

/// How often roots and revocation lists are read again.
const TRUST_EVERY: Duration = Duration::from_secs(60);

/// What PASSporTs, key records and the certificates of trunks are judged by, read again.
pub(crate) struct Rules {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<Config>,
    /// Those of the verifying side, if there is one: what was fetched stays at hand.
    pub(crate) certificates: Option<CertificateStores>,
    pub(crate) clock: Clock,
}

impl Rules {
    /// Each minute and on SIGHUP.
    pub(crate) async fn follow(self, reload: Reload, shutdown: Shutdown) {
        report("trust", &Ok(()));
        let mut requests = reload.requests();
        loop {
            tokio::select! {
                () = tokio::time::sleep(TRUST_EVERY) => {}
                Ok(()) = requests.changed() => {}
                () = shutdown.requested() => return,
            }
            let (config, clock) = (Arc::clone(&self.config), self.clock.clone());
            let read = move || {
                let mut findings = Findings::new();
                let trusted = Trusted::read(&config, &clock, &mut findings);
                findings.conclude(trusted)
            };
            let trusted = blocking(read).await;
            report("trust", &trusted.and_then(|trusted| self.take_up(trusted)));
        }
    }

    fn take_up(&self, trusted: Trusted) -> Result<(), StartError> {
        if let Some(certificates) = &self.certificates {
            let spc = self.config.verify.as_ref().map(|verify| verify.spc);
            let rules = trusted.rules(spc.unwrap_or_default(), certificates.clone())?;
            self.engine.set_rules(rules);
        }
        let Trusted { trust, numbering } = trusted;
        self.engine.set_signing_trust(trust, numbering);
        Ok(())
    }
}

/// How often it is looked up where mailboxes are registered.
const REGISTERED_EVERY: Duration = Duration::from_secs(60);

/// The mailboxes that are followed, after those of the start.
pub(crate) struct Mailboxes {
    pub(crate) engine: Engine,
    pub(crate) configs: watch::Receiver<Arc<Config>>,
    pub(crate) followed: Vec<Followed>,
    pub(crate) http: HttpOptions,
    /// By which polls go as at the start.
    pub(crate) oblivious: Option<Oblivious>,
    pub(crate) clock: Clock,
}

/// What tells one mailbox from another.
pub(crate) type Followed = (MailboxId, Authority);

/// The same of each.
pub(crate) fn followed(mailboxes: &[FollowedMailbox]) -> Vec<Followed> {
    let mailboxes = mailboxes.iter();
    mailboxes
        .map(|one| (one.key.mailbox(), one.cps.authority().clone()))
        .collect()
}

impl Mailboxes {
    /// Whenever a configuration was taken up, and each minute: a mailbox may be registered at
    /// other CPSs by then.
    pub(crate) async fn follow(mut self, shutdown: Shutdown) {
        report("mailboxes", &Ok(()));
        loop {
            tokio::select! {
                Ok(()) = self.configs.changed() => {}
                () = tokio::time::sleep(REGISTERED_EVERY) => {}
                () = shutdown.requested() => return,
            }
            let config = Arc::clone(&self.configs.borrow_and_update());
            report("mailboxes", &self.take_up(config).await);
        }
    }

    async fn take_up(&mut self, config: Arc<Config>) -> Result<(), StartError> {
        let http = self
            .oblivious
            .as_ref()
            .map(|way| way.http_of_polls(&self.http));
        let http = http.unwrap_or_else(|| self.http.clone());
        let now = self.clock.now();
        let read = move || match &config.verify {
            Some(verify) => {
                let mut findings = Findings::new();
                let keys = engine_parts::mailbox_keys(verify, &mut findings);
                let keys = findings.conclude(keys)?;
                engine_parts::mailboxes(&config, verify, keys, &http, now)
            }
            None => Ok(Vec::new()),
        };
        let mailboxes = blocking(read).await?;
        let now = followed(&mailboxes);
        if now == self.followed {
            return Ok(());
        }
        let taken_up = self.engine.set_mailboxes(mailboxes).await;
        taken_up.context("verify.mailboxes")?;
        tracing::info!(mailboxes = now.len(), "other mailboxes are followed");
        self.followed = now;
        Ok(())
    }
}

fn report(what: &'static str, outcome: &Result<(), StartError>) {
    let failed = if outcome.is_err() { 1.0 } else { 0.0 };
    metrics::gauge!("pennyblack_reload_failed", "what" => what).set(failed);
    if let Err(error) = outcome {
        tracing::error!(%error, what, "new files cannot be used: the old ones stay in force");
    }
}
