//! What goes through relays: stores, key records and, if it is set, polls. The keys of CPSs
//! are fetched by a timer of their own. Not here: how a request is sealed and carried (the
//! client library).

use std::sync::Arc;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::oblivious::{KeyFetcher, KeyTimer, ObliviousRoute, TrustedKeys};
use pennyblack_client::rosters::{RelayRosterError, check_relays_by};
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpOptions, RetryPolicy, Route, ServiceAddress};
use pennyblack_roster::Chain;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::{FromFiles, Reload};
use pennyblack_service::admin::Readiness;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_tlog::WitnessPolicy;

use crate::config::{Config, ObliviousSection, StoreSection};
use crate::rosters::kept_rosters;

const ROSTERS: &str = "oblivious.rosters";

/// The way through relays, and the keys that it uses. Clones share both.
#[derive(Clone)]
pub(crate) struct Oblivious {
    route: Arc<ObliviousRoute>,
    keys: TrustedKeys,
    witnesses: WitnessPolicy,
    direct: HttpOptions,
    section: ObliviousSection,
    /// Rosters, if relays are checked by the one that is in force.
    rosters: Option<Arc<FromFiles<Chain>>>,
    /// Those that are named.
    cpss: Vec<ServiceAddress>,
}

impl Oblivious {
    /// As it is configured; nothing without relays. Rosters are read again by `reload`.
    pub(crate) fn read(
        config: &Config,
        store: &StoreSection,
        direct: &HttpOptions,
        (reload, clock): (&Reload, &Clock),
    ) -> Result<Option<Self>, StartError> {
        let section = &config.oblivious;
        if section.relays.is_empty() {
            return Ok(None);
        }
        let (cpss, keys) = (cpss(config, store), TrustedKeys::default());
        let rosters = section.rosters.clone();
        let rosters = rosters.map(|directory| kept_rosters(ROSTERS, directory, reload));
        let rosters = rosters.transpose()?;
        let route = ObliviousRoute::new(
            &cpss,
            &section.relays,
            keys.clone(),
            direct,
            section.fallback,
            clock.clone(),
        );
        let route = route.context("oblivious.relays")?;
        let this = Self {
            route,
            keys,
            witnesses: section.witness_policy().context("oblivious.witnesses")?,
            direct: direct.clone(),
            section: section.clone(),
            rosters,
            cpss,
        };
        this.check_relays(clock.now()).context(ROSTERS)?;
        Ok(Some(this))
    }

    /// Options for what goes this way.
    pub(crate) fn http(&self, direct: &HttpOptions) -> HttpOptions {
        direct.routed(Arc::<ObliviousRoute>::clone(&self.route) as Arc<dyn Route>)
    }

    /// The same for polls, which may go directly.
    pub(crate) fn http_of_polls(&self, direct: &HttpOptions) -> HttpOptions {
        match self.section.polls {
            true => self.http(direct),
            false => direct.clone(),
        }
    }

    /// What fetches the keys of all CPSs that relays lead to.
    pub(crate) fn timer(&self, config: &Config, wallet: &Wallet, clock: &Clock) -> KeyTimer {
        if self.section.rosters.is_none() {
            tracing::warn!(operators = %self.route.unknown_operators(), "nobody has checked who runs the relays");
        }
        let ObliviousSection {
            log_keys,
            fetch_every,
            ..
        } = &config.oblivious;
        KeyTimer {
            fetcher: KeyFetcher {
                wallet: wallet.clone(),
                log_keys: log_keys.clone(),
                witnesses: self.witnesses.clone(),
                retry: RetryPolicy::SHORT,
                keys: self.keys.clone(),
            },
            cpss: self.route.cpss().cloned().collect(),
            http: self.direct.clone(),
            every: *fetch_every,
            clock: clock.clone(),
        }
    }

    /// Shows for how long each CPS's key is good, and whether one lacks; and whether the
    /// roster still allows the relays.
    pub(crate) fn show(&self, readiness: &Readiness, now: UnixTime) {
        match self.check_relays(now) {
            Ok(()) => readiness.has("rosters"),
            Err(error) => readiness.lacks("rosters", error.to_string()),
        }
        let mut lacking = Vec::new();
        for cps in self.route.cpss().map(ServiceAddress::authority) {
            let left = self.seconds_left(cps, now);
            metrics::gauge!("pennyblack_gateway_oblivious_key_seconds", "cps" => cps.to_string())
                .set(left.unwrap_or_default());
            if left.is_none() {
                lacking.push(format!("no key of {cps} for relays is known"));
            }
        }
        match lacking.is_empty() {
            true => readiness.has("oblivious"),
            false => readiness.lacks("oblivious", lacking.join("; ")),
        }
    }

    /// Whether the roster allows the relays, if there is one.
    fn check_relays(&self, now: UnixTime) -> Result<(), RelayRosterError> {
        let (cpss, relays) = (&self.cpss, &self.section.relays);
        let Some(rosters) = self.rosters.as_ref().map(|files| files.current()) else {
            return Ok(());
        };
        check_relays_by(rosters.in_force(now).roster(), cpss, relays, now)
    }

    fn seconds_left(&self, cps: &Authority, now: UnixTime) -> Option<f64> {
        let ends = self.keys.of(cps)?.used_until(now)?;
        Some(ends.since(now).as_secs_f64())
    }
}

/// The CPSs that are named; copies may go to others, too.
fn cpss(config: &Config, store: &StoreSection) -> Vec<ServiceAddress> {
    let mut cpss: Vec<_> = store.cps.iter().cloned().collect();
    if let Some(verify) = config.verifying().filter(|_| config.oblivious.polls) {
        for cps in verify.cps(config.store.as_ref()) {
            if !cpss.contains(&cps) {
                cpss.push(cps);
            }
        }
    }
    cpss
}
