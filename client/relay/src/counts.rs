//! The relay's metrics: by gateway and outcome, never by client. **Every series is there
//! from the start**, at 0: a rate needs a first value.

use metrics::Counter;

use crate::refusal::Refusal;

/// What becomes of requests to a gateway.
const OUTCOMES: [&str; 6] = [
    ANSWERED,
    "refused",
    "overloaded",
    "failed",
    "late",
    "internal",
];

const ANSWERED: &str = "answered";

/// Why requests reach no gateway.
const TURNED_AWAY: [&str; 4] = ["proxying", "unknown-gateway", "media-type", "too-many"];

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
#[derive(Debug)]
pub(crate) struct GatewayCounts {
    outcomes: [(&'static str, Counter); OUTCOMES.len()],
    request_bytes: Counter,
    answer_bytes: Counter,
    connections: Counter,
}

impl GatewayCounts {
    /// Those of the gateway of this name.
    pub(crate) fn of(gateway: &str) -> Self {
        let name = || gateway.to_owned();
        let bytes = |direction: &'static str| metrics::counter!("pennyblack_relay_bytes_total", "gateway" => name(), "direction" => direction);
        let requests = |outcome: &'static str| metrics::counter!("pennyblack_relay_requests_total", "gateway" => name(), "outcome" => outcome);
        let counts = Self {
            outcomes: OUTCOMES.map(|outcome| (outcome, requests(outcome))),
            request_bytes: bytes("requests"),
            answer_bytes: bytes("answers"),
            connections: metrics::counter!("pennyblack_relay_connections_total", "gateway" => name()),
        };
        let outcomes = counts.outcomes.iter().map(|(_, counter)| counter);
        let bytes = [&counts.request_bytes, &counts.answer_bytes];
        for counter in outcomes.chain(bytes).chain([&counts.connections]) {
            counter.absolute(0);
        }
        counts
    }

    /// Counts a request of so many bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.request_bytes.increment(bytes as u64);
    }

    /// Counts what became of it: so many bytes, or a refusal. So many connections were made
    /// until now.
    pub(crate) fn answered(&self, answer: Result<usize, &Refusal>, connections: u64) {
        self.answer_bytes.increment(answer.unwrap_or(0) as u64);
        let outcome = answer.map_or_else(Refusal::outcome, |_| ANSWERED);
        if let Some((_, counter)) = self.outcomes.iter().find(|(name, _)| *name == outcome) {
            counter.increment(1);
        }
        self.connections.absolute(connections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_explained() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/relay.md"));
        for name in OUTCOMES.iter().chain(&TURNED_AWAY) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
