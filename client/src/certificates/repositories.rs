//! Which `x5u` URLs are fetched at all, which of them now, and what is
//! remembered of them. Not here: the fetching itself.
//!
//! An OOB-AS chooses the URL in its PASSporT, and would see a fetch from a host of its
//! own: that would tell it that the call takes place. So only hosts that the operator
//! named are asked, and as seldom as possible.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{X5c, X5u};
use rand::seq::SliceRandom as _;

use pennyblack_http::HttpOptions;

/// Most URLs that are fetched for one look at a mailbox.
pub(super) const MAX_FETCHES: usize = 32;

/// How long a chain is used without being fetched again. Renewed certificates
/// have new URLs in practice; this is for the repository that keeps its URLs.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// Most chains, and most URLs without one, that are remembered. A repository
/// may serve one chain under many paths.
const MAX_REMEMBERED: usize = 1024;

/// The certificate repositories that may be asked, and what they answered.
/// Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct Repositories {
    hosts: HashSet<Authority>,
    pub(super) http: HttpOptions,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    chains: HashMap<X5u, Remembered>,
    /// Tried without success: not given up, but after those not tried yet, so
    /// that no number of dead URLs keeps a good one from its turn.
    failed: HashSet<X5u>,
}

#[derive(Debug)]
struct Remembered {
    chain: X5c,
    fetched_at: UnixTime,
}

impl Remembered {
    fn is_current(&self, now: UnixTime) -> bool {
        self.fetched_at <= now && now.since(self.fetched_at) < REMEMBERED_FOR
    }
}

impl Repositories {
    /// Fetches from `hosts` (with their port unless it is 443) and nowhere else.
    #[must_use]
    pub fn new(hosts: impl IntoIterator<Item = Authority>, http: HttpOptions) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
            http,
            memory: Arc::default(),
        }
    }

    /// The chain at `url`, if it was fetched lately.
    pub(super) fn remembered(&self, url: &X5u, now: UnixTime) -> Option<X5c> {
        let memory = self.memory();
        let known = memory.chains.get(url)?;
        known.is_current(now).then(|| known.chain.clone())
    }

    /// Which of `wanted` to fetch now: of allowed hosts only, those not tried
    /// yet first, and at random where there are too many. The order in which
    /// entries arrived decides nothing, since a flooder can come first.
    pub(super) fn choose(&self, wanted: HashSet<X5u>) -> Vec<X5u> {
        let (mut allowed, others): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|url| self.hosts.contains(url.authority()));
        for url in others {
            tracing::debug!(%url, "not fetched: its host is none of the certificate repositories");
        }
        allowed.shuffle(&mut rand::rng());
        let memory = self.memory();
        allowed.sort_by_key(|url| memory.failed.contains(url));
        allowed.truncate(MAX_FETCHES);
        allowed
    }

    /// Keeps what came of fetching `url` at `now`.
    pub(super) fn remember(&self, url: X5u, fetched: Option<&X5c>, now: UnixTime) {
        let mut memory = self.memory();
        let Some(chain) = fetched else {
            if memory.failed.len() >= MAX_REMEMBERED {
                memory.failed.clear();
            }
            memory.failed.insert(url);
            return;
        };
        memory.failed.remove(&url);
        if memory.chains.len() >= MAX_REMEMBERED {
            memory.chains.retain(|_, known| known.is_current(now));
        }
        if memory.chains.len() >= MAX_REMEMBERED {
            memory.chains.clear();
        }
        let chain = chain.clone();
        let fetched_at = now;
        memory.chains.insert(url, Remembered { chain, fetched_at });
    }

    /// Every change is whole before anything can panic.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn url(text: &str) -> X5u {
        text.parse().unwrap()
    }

    fn repositories(hosts: &[&str]) -> Repositories {
        let hosts = hosts.iter().map(|host| host.parse().unwrap());
        Repositories::new(hosts, HttpOptions::default())
    }

    fn chain() -> X5c {
        X5c::new(vec![vec![0x30]]).unwrap()
    }

    #[test]
    fn only_hosts_that_the_operator_named_are_asked() {
        let wanted = || {
            HashSet::from([
                url("https://certs.example/a.pem"),
                url("https://certs.example:8443/a.pem"),
                url("https://certs.example.attacker.example/a.pem"),
                url("https://attacker.example/certs.example/a.pem"),
            ])
        };
        assert_eq!(repositories(&[]).choose(wanted()), []);
        let chosen = repositories(&["certs.example"]).choose(wanted());
        assert_eq!(chosen, [url("https://certs.example/a.pem")]);
        let chosen = repositories(&["certs.example:8443"]).choose(wanted());
        assert_eq!(chosen, [url("https://certs.example:8443/a.pem")]);
    }

    #[test]
    fn a_flood_of_dead_urls_keeps_no_other_from_its_turn() {
        let repositories = repositories(&["certs.example"]);
        let all: HashSet<_> = (0..10 * MAX_FETCHES)
            .map(|number| url(&format!("https://certs.example/{number}.pem")))
            .collect();
        let mut tried = HashSet::new();
        for _ in 0..10 {
            for dead in repositories.choose(all.clone()) {
                repositories.remember(dead.clone(), None, NOW);
                assert!(tried.insert(dead), "tried again before all others");
            }
        }
        assert_eq!(tried, all);
        assert_eq!(repositories.choose(all).len(), MAX_FETCHES, "given up");
    }

    #[test]
    fn a_chain_is_remembered_for_an_hour_also_by_clones() {
        let repositories = repositories(&["certs.example"]);
        let a = url("https://certs.example/a.pem");
        repositories.remember(a.clone(), Some(&chain()), NOW);
        let clone = repositories.clone();
        assert!(repositories.remembered(&a, NOW).is_some());
        let late = NOW.plus(REMEMBERED_FOR);
        assert!(clone.remembered(&a, UnixTime(late.0 - 1)).is_some());
        assert!(clone.remembered(&a, late).is_none());
        assert!(clone.remembered(&a, UnixTime(NOW.0 - 1)).is_none());
        let b = url("https://certs.example/b.pem");
        assert!(clone.remembered(&b, NOW).is_none());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let repositories = repositories(&["certs.example"]);
        for number in 0..3 * MAX_REMEMBERED {
            let url = url(&format!("https://certs.example/{number}.pem"));
            let fetched = (number % 2 == 0).then(chain);
            repositories.remember(url, fetched.as_ref(), NOW);
        }
        let memory = repositories.memory();
        assert!(memory.chains.len() <= MAX_REMEMBERED && !memory.chains.is_empty());
        assert!(memory.failed.len() <= MAX_REMEMBERED && !memory.failed.is_empty());
    }
}
