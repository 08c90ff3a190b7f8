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

/// The last part of that time, in which a timer fetches a proven chain again. It is long
/// enough for a repository that is away for some minutes.
const RENEWED_BEFORE: Duration = Duration::from_secs(900);

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

impl Memory {
    /// What is proven stays so: a flood cannot crowd out its newer chain.
    fn fetched(&mut self, url: X5u, chain: X5c, now: UnixTime) {
        if self.proven.values.contains_key(&url) {
            self.proven.insert(url.clone(), chain.clone(), now);
        }
        self.chains.insert(url, chain, now);
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

impl AgedMap<X5c> {
    /// Those whose time has nearly ended.
    fn ending(&self, now: UnixTime) -> Vec<X5u> {
        let ages = self
            .values
            .iter()
            .map(|(url, (since, _))| (url, now.since(*since)));
        let renewed = self.life.saturating_sub(RENEWED_BEFORE)..self.life;
        let ending = ages.filter(|(_, age)| renewed.contains(age));
        ending.map(|(url, _)| url.clone()).collect()
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
    pub(super) fn keep_proven<'u>(&self, urls: impl Iterator<Item = &'u X5u>) {
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

    /// The URLs of proven chains that are to be fetched again now. One that cannot be had for
    /// the rest of its time is forgotten.
    pub(super) fn ending(&self, now: UnixTime) -> Vec<X5u> {
        self.memory().proven.ending(now)
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
                    memory.fetched(url, chain.clone(), now);
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
    fn a_proven_chain_is_fetched_again_before_its_time_ends() {
        let mut memory = Memory::default();
        memory.proven.insert(numbered(1), chain(), NOW);
        memory.chains.insert(numbered(2), chain(), NOW);
        let after = |time: Duration| NOW.plus(time);
        let early = after(REMEMBERED_FOR - RENEWED_BEFORE - Duration::from_secs(1));
        assert_eq!(memory.proven.ending(early), []);
        let in_time = after(REMEMBERED_FOR - RENEWED_BEFORE);
        assert_eq!(memory.proven.ending(in_time), [numbered(1)]);
        let last = after(REMEMBERED_FOR - Duration::from_secs(1));
        assert_eq!(memory.proven.ending(last), [numbered(1)]);
        // A repository that has not answered for all that time is asked no more.
        assert_eq!(memory.proven.ending(after(REMEMBERED_FOR)), []);

        memory.fetched(numbered(1), chain(), last);
        assert_eq!(memory.proven.ending(last), []);
        let later = after(REMEMBERED_FOR + Duration::from_secs(60));
        assert!(memory.proven.get(&numbered(1), later).is_some());
        memory.fetched(numbered(2), chain(), last);
        assert!(
            memory.proven.get(&numbered(2), last).is_none(),
            "nothing proves it"
        );
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
