//! Which relay carries a request: one of those that are named for its CPS, chosen at random
//! for each, and none that the CPS runs. Not here: carrying it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pennyblack_base::authority::Authority;
use pennyblack_http::ServiceAddress;
use rand::seq::SliceRandom as _;

use super::RelayAddress;

/// For how long a relay that was not reached, or carries nothing for the CPS, is tried after
/// the others.
const AWAY_FOR: Duration = Duration::from_secs(30);

/// Relays that cannot be used as they are named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelaysError {
    /// The CPS would see both sides of each request.
    #[error(
        "{relay} is a host of {cps} itself, which would see who sends what: name a relay of \
         another operator"
    )]
    OfTheCps {
        /// The relay.
        relay: RelayAddress,
        /// The CPS.
        cps: Authority,
    },
    /// There are several CPSs.
    #[error(
        "{0} does not say for which CPS it is, and there are several: write the CPS in front of it, \
         for example cps.example={0}"
    )]
    WhichCps(RelayAddress),
}

/// The relays of one CPS.
pub(super) struct CpsRelays {
    cps: ServiceAddress,
    relays: Vec<RelayAddress>,
    /// Since when each is away. Locked for a few instructions.
    away: Mutex<Vec<Option<Instant>>>,
}

impl CpsRelays {
    /// Sorts relays by their CPSs. One that names none is for the only one of `cpss`.
    ///
    /// # Errors
    /// [`RelaysError`].
    pub(super) fn sort(
        cpss: &[ServiceAddress],
        relays: &[RelayAddress],
    ) -> Result<Vec<Self>, RelaysError> {
        let mut sorted: Vec<Self> = Vec::new();
        for relay in relays {
            let cps = match (relay.cps(), cpss) {
                (None, [only]) => only.clone(),
                (None, _) => return Err(RelaysError::WhichCps(relay.clone())),
                (Some(named), _) => {
                    address_of(named, cpss).ok_or_else(|| RelaysError::WhichCps(relay.clone()))?
                }
            };
            if is_host_of(relay.relay(), &cps) {
                return Err(RelaysError::OfTheCps {
                    relay: relay.clone(),
                    cps: cps.authority().clone(),
                });
            }
            match sorted.iter_mut().find(|known| known.cps == cps) {
                Some(known) => known.relays.push(relay.clone()),
                None => sorted.push(Self {
                    cps,
                    relays: vec![relay.clone()],
                    away: Mutex::default(),
                }),
            }
        }
        for cps in &sorted {
            cps.away().resize(cps.relays.len(), None);
        }
        Ok(sorted)
    }

    /// Whose they are.
    pub(super) const fn cps(&self) -> &ServiceAddress {
        &self.cps
    }

    /// All of them.
    pub(super) fn relays(&self) -> impl Iterator<Item = &RelayAddress> {
        self.relays.iter()
    }

    /// All of them, in the order in which a request tries them: at random, and those last
    /// that were away a moment ago. Each comes with its number here.
    pub(super) fn in_random_order(&self) -> Vec<(usize, &RelayAddress)> {
        let mut order: Vec<_> = self.relays.iter().enumerate().collect();
        order.shuffle(&mut rand::rng());
        let away = self.away();
        order.sort_by_key(|(number, _)| {
            let since = away.get(*number).copied().flatten();
            since.is_some_and(|since| since.elapsed() < AWAY_FOR)
        });
        order
    }

    /// Takes in whether a relay was reached and carries requests for the CPS.
    pub(super) fn heard(&self, number: usize, is_there: bool) {
        if let Some(away) = self.away().get_mut(number) {
            *away = (!is_there).then(Instant::now);
        }
    }

    fn away(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CpsRelays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpsRelays")
            .field("cps", &self.cps)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

/// The address of a CPS that is named: as it is configured, or else the one that its name
/// says.
fn address_of(named: &Authority, cpss: &[ServiceAddress]) -> Option<ServiceAddress> {
    let known = cpss.iter().find(|cps| cps.authority() == named);
    known
        .cloned()
        .or_else(|| format!("https://{named}").parse().ok())
}

/// Whether the relay has the host of the CPS. Several programs on one machine may be of
/// several operators in a trial only, so loopback addresses are left alone.
fn is_host_of(relay: &Authority, cps: &ServiceAddress) -> bool {
    let relay = host(relay);
    let is_this_machine = relay == "localhost"
        || relay
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    let at = cps.url("").parse::<pennyblack_http::ServiceUri>();
    let is_at = at.is_ok_and(|at| host(at.authority()) == relay);
    !is_this_machine && (host(cps.authority()) == relay || is_at)
}

fn host(authority: &Authority) -> &str {
    let text = authority.as_str();
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpss(texts: &[&str]) -> Vec<ServiceAddress> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn sort(of: &[&str], relays: &[&str]) -> Result<Vec<CpsRelays>, RelaysError> {
        let relays: Vec<_> = relays.iter().map(|text| text.parse().unwrap()).collect();
        CpsRelays::sort(&cpss(of), &relays)
    }

    #[test]
    fn a_relay_is_for_the_only_cps_or_for_the_one_that_it_names() {
        let sorted = sort(
            &["https://cps.example"],
            &[
                "https://relay-a.example/cps",
                "https://relay-b.example/cps",
                "other.example=https://relay-a.example/other",
            ],
        )
        .unwrap();
        let found: Vec<_> = sorted
            .iter()
            .map(|one| (one.cps.to_string(), one.relays.len()))
            .collect();
        let expected = [("https://cps.example", 2), ("https://other.example", 1)];
        assert_eq!(found, expected.map(|(cps, n)| (cps.to_owned(), n)));
        let two = ["https://a.example", "https://b.example"];
        let refused = sort(&two, &["https://relay.example/a"]).unwrap_err();
        assert!(matches!(refused, RelaysError::WhichCps(_)), "{refused}");
    }

    #[test]
    fn a_relay_at_a_host_of_the_cps_is_refused() {
        for (cps, relay) in [
            ("https://cps.example", "https://cps.example/a"),
            ("https://cps.example", "https://CPS.example:8443/a"),
            ("cps.example=https://node.example", "https://node.example/a"),
            ("cps.example=https://node.example", "https://cps.example/a"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:444/a"),
        ] {
            let refused = sort(&[cps], &[relay]).unwrap_err();
            assert!(matches!(refused, RelaysError::OfTheCps { .. }), "{relay}");
        }
        assert!(sort(&["https://cps.example"], &["https://relay.example/a"]).is_ok());
        // One machine, for trying things out.
        assert!(sort(&["http://localhost:1"], &["http://localhost:2/a"]).is_ok());
    }

    #[test]
    fn each_relay_is_the_first_now_and_then_and_one_that_is_away_is_the_last() {
        let relays = [
            "https://a.example/c",
            "https://b.example/c",
            "https://d.example/c",
        ];
        let sorted = sort(&["https://cps.example"], &relays).unwrap();
        let cps = &sorted[0];
        let firsts = || -> std::collections::BTreeSet<usize> {
            let first = || cps.in_random_order()[0].0;
            (0..200).map(|_| first()).collect()
        };
        assert_eq!(firsts(), [0, 1, 2].into());
        cps.heard(1, false);
        assert_eq!(firsts(), [0, 2].into());
        assert_eq!(cps.in_random_order()[2].0, 1);
        cps.heard(1, true);
        assert_eq!(firsts(), [0, 1, 2].into());
    }
}
