//! How much one client, and one network, may ask for: requests a second, and requests at one
//! time. **No address is kept.** A hash of it, with a key that this process has made and tells
//! nobody, chooses one of a fixed number of counters; two clients have one counter in common
//! with a probability of 1 to 65,536. What the counters say is forgotten with the process.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ClientsSection;

/// How many counters there are of each kind: 1 MiB.
const COUNTERS: usize = 1 << 16;

/// The counters of all clients and networks.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ClientsSection,
    key: RandomState,
    start: Instant,
    counters: Mutex<Counters>,
}

#[derive(Debug)]
struct Counters {
    clients: Box<[Counter]>,
    networks: Box<[Counter]>,
}

/// The counter of a client: of an IPv4 address, or of the first 64 bits of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client(usize);

/// The counter of a network: of the first 24 bits of an IPv4 address, or the first 48 of an
/// IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(pub(super) usize);

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    /// In microseconds since the start: when everything is saved up again that has been used.
    whole_at: u64,
    /// Requests that are not answered yet.
    open: u32,
}

impl Counter {
    /// With one request more, if there may be `times` as much as a client may ask for.
    fn with_one_more(self, limits: ClientsSection, times: u32, now: u64) -> Option<Self> {
        const SECOND: u64 = 1_000_000;
        let a_second = u64::from(limits.requests_a_second) * u64::from(times);
        let whole_at = self
            .whole_at
            .max(now)
            .saturating_add(SECOND / a_second.max(1));
        let has_room = self.open < limits.at_once.saturating_mul(times);
        (has_room && whole_at <= now.saturating_add(SECOND)).then_some(Self {
            whole_at,
            open: self.open.saturating_add(1),
        })
    }
}

/// The client has asked for more than it may, or its network has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Clients {
    pub(crate) fn new(limits: ClientsSection) -> Arc<Self> {
        let counters = || vec![Counter::default(); COUNTERS].into_boxed_slice();
        Arc::new(Self {
            limits,
            key: RandomState::new(),
            start: Instant::now(),
            counters: Mutex::new(Counters {
                clients: counters(),
                networks: counters(),
            }),
        })
    }

    /// Counts a request of this client, which is open until the returned value is dropped.
    ///
    /// # Errors
    /// [`TooMany`]; nothing is counted then.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Open, TooMany> {
        self.admit_at(client, self.start.elapsed())
    }

    fn admit_at(self: &Arc<Self>, client: IpAddr, since_start: Duration) -> Result<Open, TooMany> {
        let now = u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX);
        let (client, network) = self.counters_of(client);
        let mut counters = self.counters();
        let Counters { clients, networks } = &mut *counters;
        let of_client = clients.get_mut(client.0).ok_or(TooMany)?;
        let of_network = networks.get_mut(network.0).ok_or(TooMany)?;
        let (limits, times) = (self.limits, self.limits.network_times);
        let more = of_client.with_one_more(limits, 1, now);
        let more = more.zip(of_network.with_one_more(limits, times, now));
        (*of_client, *of_network) = more.ok_or(TooMany)?;
        Ok(Open {
            client,
            network,
            among: Arc::clone(self),
        })
    }

    /// A household has 64 bits of an IPv6 address at its own choice, and a company 80.
    fn counters_of(&self, client: IpAddr) -> (Client, Network) {
        let (client, network) = match client {
            IpAddr::V4(address) => (address.to_bits().into(), (address.to_bits() >> 8).into()),
            IpAddr::V6(address) => (address.to_bits() >> 64, address.to_bits() >> 80),
        };
        let counter = |kind: &str, bits: u128| self.key.hash_one((kind, bits)) as usize % COUNTERS;
        (
            Client(counter("client", client)),
            Network(counter("network", network)),
        )
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Open {
    client: Client,
    network: Network,
    among: Arc<Clients>,
}

impl Open {
    /// The network that it came from.
    pub(crate) const fn network(&self) -> Network {
        self.network
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut counters = self.among.counters();
        let Counters { clients, networks } = &mut *counters;
        let of_client = clients.get_mut(self.client.0);
        for counter in of_client
            .into_iter()
            .chain(networks.get_mut(self.network.0))
        {
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
        network_times: 3,
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
    fn a_household_of_ipv6_is_one_client_and_a_company_one_network() {
        let clients = Clients::new(LIMITS);
        let of = |text: &str| clients.counters_of(address(text));
        let (client, network) = of("2001:db8::1");
        assert_eq!(of("2001:db8::ffff:1"), (client, network));
        let others = (1..20).map(|n| of(&format!("2001:db8:0:{n:x}::1")));
        assert!(others.clone().all(|other| other.1 == network));
        assert!(others.clone().all(|other| other.0 != client));
        assert_ne!(of("2001:db8:1::1").1, network);
        assert_eq!(of("192.0.2.1").1, of("192.0.2.255").1);
        assert_ne!(of("192.0.2.1").1, of("192.0.3.1").1);
    }

    #[test]
    fn a_thousand_clients_of_one_network_have_what_three_have() {
        for networks in [["2001:db8:1:", "2001:db8:2:"], ["192.0.2.", "192.0.3."]] {
            let is_ipv6 = networks[0].contains(':');
            let clients = Clients::new(LIMITS);
            let client = |network: &str, number: u32| match is_ipv6 {
                true => address(&format!("{network}{number:x}::1")),
                false => address(&format!("{network}{}", number % 256)),
            };
            let ask = |network: &str, number, seconds| {
                clients.admit_at(client(network, number), Duration::from_secs(seconds))
            };
            let open: Vec<_> = (0..1_000)
                .filter_map(|n| ask(networks[0], n, 0).ok())
                .collect();
            assert_eq!(open.len(), 12, "at one time");
            assert!(ask(networks[1], 0, 0).is_ok());
            drop(open);
            let admitted = (0..1_000).filter(|n| ask(networks[0], *n, 9).is_ok());
            assert_eq!(admitted.count(), 30, "in one second");
            assert!(ask(networks[1], 1, 9).is_ok());
        }
    }
}
