//! The relay's metrics: by gateway and outcome, never by client. **Every series is there
//! from the start**, at 0: a rate needs a first value.

use bytes::Bytes;
use metrics::Counter;

use crate::refusal::Refusal;

/// What becomes of requests to a gateway.
const OUTCOMES: &[&str] = &[
    "answered",
    "refused",
    "overloaded",
    "failed",
    "late",
    "internal",
];

/// Why requests reach no gateway.
const TURNED_AWAY: &[&str] = &["proxying", "unknown-gateway", "media-type", "too-many"];

fn outcomes(gateway: &str, outcome: &'static str) -> Counter {
    let gateway = gateway.to_owned();
    metrics::counter!("pennyblack_relay_requests_total", "gateway" => gateway, "outcome" => outcome)
}

fn bytes(gateway: &str, direction: &'static str) -> Counter {
    let gateway = gateway.to_owned();
    metrics::counter!("pennyblack_relay_bytes_total", "gateway" => gateway, "direction" => direction)
}

fn turned_away_for(reason: &'static str) -> Counter {
    metrics::counter!("pennyblack_relay_turned_away_total", "reason" => reason)
}

/// Puts the series there that have no gateway.
pub(crate) fn begin() {
    for reason in TURNED_AWAY {
        turned_away_for(reason).absolute(0);
    }
}

/// Counts a request that reaches no gateway.
pub(crate) fn turned_away(refusal: &Refusal) {
    turned_away_for(refusal.outcome()).increment(1);
}

/// Those of one gateway.
pub(crate) struct GatewayCounts {
    gateway: String,
    requests: Counter,
    answers: Counter,
    connections: Counter,
}

impl std::fmt::Debug for GatewayCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GatewayCounts").field(&self.gateway).finish()
    }
}

impl GatewayCounts {
    pub(crate) fn of(gateway: &str) -> Self {
        for outcome in OUTCOMES {
            outcomes(gateway, outcome).absolute(0);
        }
        let counts = Self {
            gateway: gateway.to_owned(),
            requests: bytes(gateway, "requests"),
            answers: bytes(gateway, "answers"),
            connections: metrics::counter!(
                "pennyblack_relay_connections_total",
                "gateway" => gateway.to_owned()
            ),
        };
        for counter in [&counts.requests, &counts.answers, &counts.connections] {
            counter.absolute(0);
        }
        counts
    }

    /// Counts a request.
    pub(crate) fn received(&self, size: usize) {
        self.requests.increment(size as u64);
    }

    /// Counts what became of it. So many connections were made until now.
    pub(crate) fn answered(&self, answer: &Result<Bytes, Refusal>, connections: u64) {
        let outcome = match answer {
            Ok(answer) => {
                self.answers.increment(answer.len() as u64);
                "answered"
            }
            Err(refusal) => refusal.outcome(),
        };
        outcomes(&self.gateway, outcome).increment(1);
        self.connections.absolute(connections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_explained() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/relay.md"));
        for name in OUTCOMES.iter().chain(TURNED_AWAY) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
