//! Which `x5u` URLs are fetched at all, and what is remembered of them. Not here: in
//! which order they are fetched (`fetching`).
//!
//! An OOB-AS chooses the URL in its PASSporT, and would see a fetch from a host of its
//! own: that would tell it that the call takes place. So only hosts that the operator
//! named are asked, and as seldom as possible.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_http::HttpOptions;
use pennyblack_stir::jws::{X5c, X5u};

use super::fetching::{Fetches, NoChain};

/// How long a chain is used without being fetched again. Renewed certificates
/// have new URLs in practice; this is for the repository that keeps its URLs.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// How long a URL that has no chain is not asked for again.
const DEAD_FOR: Duration = Duration::from_secs(30);

/// Most chains that are remembered. A repository may serve one chain under many paths.
const MAX_REMEMBERED: usize = 1024;

/// Most URLs without a chain that are remembered: four full mailboxes of them.
const MAX_DEAD: usize = 4096;

/// The certificate repositories that may be asked, and what they answered.
/// Clones share what is remembered, and the fetches.
#[derive(Debug, Clone)]
pub struct Repositories {
    hosts: HashSet<Authority>,
    memory: Arc<Mutex<Memory>>,
    fetches: Arc<Fetches>,
}

#[derive(Debug)]
pub(super) struct Memory {
    /// Those with which a PASSporT was verified. Anybody can name URLs, and have chains
    /// fetched; these are crowded out only by one who signs with as many.
    proven: AgedMap<X5c>,
    chains: AgedMap<X5c>,
    dead: AgedMap<()>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            proven: AgedMap::new(MAX_REMEMBERED, REMEMBERED_FOR),
            chains: AgedMap::new(MAX_REMEMBERED, REMEMBERED_FOR),
            dead: AgedMap::new(MAX_DEAD, DEAD_FOR),
        }
    }
}

/// A bounded map from URLs: the oldest goes when it is full, and each after a time.
#[derive(Debug)]
struct AgedMap<T> {
    max: usize,
    life: Duration,
    values: HashMap<X5u, (UnixTime, T)>,
    /// In the order in which they came, each once.
    order: VecDeque<X5u>,
}

impl<T> AgedMap<T> {
    fn new(max: usize, life: Duration) -> Self {
        Self {
            max,
            life,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn get(&self, url: &X5u, now: UnixTime) -> Option<&T> {
        let (since, value) = self.values.get(url)?;
        (*since <= now && now.since(*since) < self.life).then_some(value)
    }

    fn insert(&mut self, url: X5u, value: T, now: UnixTime) {
        if self.values.insert(url.clone(), (now, value)).is_some() {
            return;
        }
        self.order.push_back(url);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

impl Repositories {
    /// Fetches from `hosts` (with their port unless it is 443) and nowhere else.
    #[must_use]
    pub fn new(hosts: impl IntoIterator<Item = Authority>, http: HttpOptions) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
            memory: Arc::default(),
            fetches: Arc::new(Fetches::new(http)),
        }
    }

    /// How many fetches were begun. Each tells its host that somebody verifies a
    /// certificate of it now.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.fetches.begun()
    }

    /// The chain at `url`, if it was fetched lately.
    pub(super) fn remembered(&self, url: &X5u, now: UnixTime) -> Option<X5c> {
        let memory = self.memory();
        let chain = memory.proven.get(url, now);
        chain.or_else(|| memory.chains.get(url, now)).cloned()
    }

    /// Keeps the chains at `urls` apart from those that a flood can crowd out: a PASSporT was
    /// verified with them.
    pub(crate) fn keep_proven<'u>(&self, urls: impl Iterator<Item = &'u X5u>) {
        let Memory { proven, chains, .. } = &mut *self.memory();
        for url in urls {
            let known = proven.values.get(url).map(|(since, _)| *since);
            if let Some((since, chain)) = chains.values.get(url)
                && known < Some(*since)
            {
                proven.insert(url.clone(), chain.clone(), *since);
            }
        }
    }

    /// Asks for the chain at `url`, unless its host may not be asked or it had none lately.
    /// The request is on its way, or in the queue of its host, when this returns.
    pub(super) fn fetch(
        &self,
        url: &X5u,
        now: UnixTime,
    ) -> impl Future<Output = Option<X5c>> + Send + use<> {
        let is_allowed = self.hosts.contains(url.authority());
        if !is_allowed {
            tracing::debug!(%url, "not fetched: its host is none of the certificate repositories");
        }
        let is_dead = self.memory().dead.get(url, now).is_some();
        let asked = (is_allowed && !is_dead).then(|| Fetches::ask(&self.fetches, url));
        let (memory, url) = (Arc::clone(&self.memory), url.clone());
        async move {
            let fetched = asked?.await;
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            match fetched {
                Ok(chain) => {
                    memory.chains.insert(url, chain.clone(), now);
                    Some(chain)
                }
                Err(NoChain::Dead) => {
                    memory.dead.insert(url, (), now);
                    None
                }
                Err(NoChain::NotNow) => None,
            }
        }
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

    fn numbered(number: usize) -> X5u {
        url(&format!("https://certs.example/{number}.pem"))
    }

    fn chain() -> X5c {
        X5c::new(vec![vec![0x30]]).unwrap()
    }

    #[test]
    fn a_chain_is_remembered_for_an_hour() {
        let mut memory = Memory::default();
        memory.chains.insert(numbered(1), chain(), NOW);
        let late = NOW.plus(REMEMBERED_FOR);
        let chains = &memory.chains;
        assert!(chains.get(&numbered(1), UnixTime(late.0 - 1)).is_some());
        assert!(chains.get(&numbered(1), late).is_none());
        assert!(chains.get(&numbered(1), UnixTime(NOW.0 - 1)).is_none());
        assert!(chains.get(&numbered(2), NOW).is_none());
        memory.chains.insert(numbered(1), chain(), late);
        assert!(memory.chains.get(&numbered(1), late).is_some());
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
        let mut memory = Memory::default();
        for number in 0..3 * MAX_DEAD {
            memory.chains.insert(numbered(number), chain(), NOW);
            memory.dead.insert(numbered(number), (), NOW);
        }
        assert_eq!(memory.chains.values.len(), MAX_REMEMBERED);
        assert_eq!(memory.dead.values.len(), MAX_DEAD);
        assert_eq!(memory.dead.order.len(), MAX_DEAD);
        assert!(memory.dead.get(&numbered(3 * MAX_DEAD - 1), NOW).is_some());
        assert!(memory.dead.get(&numbered(0), NOW).is_none());
    }
}
