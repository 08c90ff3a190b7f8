//! Certificates that calls lacked: fetched by a timer, for the next calls; and those that calls
//! were verified with: fetched again before their time ends. Their repositories do not see
//! when a call takes place, nor how many there are. Not here: which hosts may be
//! asked, and what is remembered (the client library).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_http::Deadline;
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::jws::X5u;

use super::Rules;

/// How often what is missing is fetched.
const EVERY: Duration = Duration::from_secs(5);

/// How often those are fetched again whose time has nearly ended: it is a quarter of an hour.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// Most URLs that are awaited: anybody can name some.
const MAX_AWAITED: usize = 256;

#[derive(Debug, Default)]
pub(super) struct AwaitedCertificates(Mutex<HashSet<X5u>>);

impl AwaitedCertificates {
    pub(super) fn add(&self, urls: HashSet<X5u>) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for url in urls {
            if awaited.len() < MAX_AWAITED {
                awaited.insert(url);
            }
        }
    }

    /// Fetches them from now on, again and again.
    pub(super) async fn run(self: Arc<Self>, rules: Rules, clock: Clock) {
        tokio::join!(self.fetch(&rules, &clock), renew(&rules, &clock));
    }

    /// What is missing.
    async fn fetch(&self, rules: &Rules, clock: &Clock) {
        loop {
            tokio::time::sleep(EVERY).await;
            let awaited = {
                let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *awaited)
            };
            let deadline = Some(Deadline::after(EVERY));
            // The stores remember what came.
            let _fetched = rules
                .current()
                .certificates
                .gather(awaited.iter(), deadline, clock.now())
                .await;
        }
    }
}

/// What will be missing soon.
async fn renew(rules: &Rules, clock: &Clock) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let deadline = Deadline::after(RENEW_EVERY);
        let rules = rules.current();
        rules.certificates.renew(deadline, clock.now()).await;
    }
}
