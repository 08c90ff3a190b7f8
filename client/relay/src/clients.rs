//! How much one client may ask for: requests a second, and requests at one time. **No
//! address is kept.** A hash of it, with a key that this process has made and tells nobody,
//! chooses one of a fixed number of counters; two clients have one counter in common with a
//! probability of 1 to 65,536. What the counters say is forgotten with the process.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ClientsSection;

/// How many counters there are: 1 MiB.
const COUNTERS: usize = 1 << 16;

/// The counters of all clients.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ClientsSection,
    key: RandomState,
    start: Instant,
    counters: Mutex<Box<[Counter]>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    /// In microseconds since the start: when everything is saved up again that has been used.
    whole_at: u64,
    /// Requests that are not answered yet.
    open: u32,
}

/// The client has asked for more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Clients {
    pub(crate) fn new(limits: ClientsSection) -> Arc<Self> {
        Arc::new(Self {
            limits,
            key: RandomState::new(),
            start: Instant::now(),
            counters: Mutex::new(vec![Counter::default(); COUNTERS].into_boxed_slice()),
        })
    }

    /// Counts a request of this client, which is open until the returned value is dropped.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Open, TooMany> {
        self.admit_at(client, self.start.elapsed())
    }

    fn admit_at(self: &Arc<Self>, client: IpAddr, since_start: Duration) -> Result<Open, TooMany> {
        const SECOND: u64 = 1_000_000;
        let now = u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX);
        let step = SECOND / u64::from(self.limits.requests_a_second.max(1));
        let number = self.counter_of(client);
        let mut counters = self.counters();
        let counter = counters.get_mut(number).ok_or(TooMany)?;
        let whole_at = counter.whole_at.max(now).saturating_add(step);
        if counter.open >= self.limits.at_once || whole_at > now.saturating_add(SECOND) {
            return Err(TooMany);
        }
        counter.whole_at = whole_at;
        counter.open += 1;
        Ok(Open {
            number,
            among: Arc::clone(self),
        })
    }

    /// A household has 64 bits of an IPv6 address at its own choice.
    fn counter_of(&self, client: IpAddr) -> usize {
        let client = match client {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        self.key.hash_one(client) as usize % COUNTERS
    }

    fn counters(&self) -> MutexGuard<'_, Box<[Counter]>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Open {
    number: usize,
    among: Arc<Clients>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(counter) = self.among.counters().get_mut(self.number) {
            counter.open = counter.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientsSection = ClientsSection {
        requests_a_second: 10,
        at_once: 4,
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_may_save_up_one_second_and_others_are_not_concerned() {
        let clients = Clients::new(LIMITS);
        let [greedy, modest] = ["192.0.2.1", "192.0.2.2"].map(address);
        let ask = |client, millis| {
            clients
                .admit_at(client, Duration::from_millis(millis))
                .is_ok()
        };
        let admitted = (0..100).filter(|_| ask(greedy, 0)).count();
        assert_eq!(admitted, 10);
        assert!(ask(modest, 0));
        assert!(!ask(greedy, 99) && ask(greedy, 100) && !ask(greedy, 101));
        let admitted = (0..100).filter(|_| ask(greedy, 60_000)).count();
        assert_eq!(admitted, 10, "and no more than that");
    }

    #[test]
    fn a_client_has_so_many_open_requests_and_not_one_more() {
        let clients = Clients::new(LIMITS);
        let client = address("2001:db8::1");
        let ask = |seconds| clients.admit_at(client, Duration::from_secs(seconds));
        let open: Vec<_> = (0..4).map(|_| ask(0).unwrap()).collect();
        assert_eq!(ask(9).unwrap_err(), TooMany);
        drop(open);
        assert!(ask(9).is_ok());
    }

    #[test]
    fn a_household_of_ipv6_is_one_client() {
        let clients = Clients::new(LIMITS);
        let number = |text: &str| clients.counter_of(address(text));
        assert_eq!(number("2001:db8::1"), number("2001:db8::ffff:1"));
        let others =
            (0..20).filter(|n| number(&format!("2001:db8:0:{n:x}::1")) == number("2001:db8::1"));
        assert_eq!(others.count(), 1);
    }
}
