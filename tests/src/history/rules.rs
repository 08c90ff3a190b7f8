//! Whether a history is legal: what a CPS promises (docs/protocol.md sections 3 and
//! 4), decided from the outside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::{Anomaly, Body, History, Place, Retrieval, Span, StoreAnswer, StoreCall, Token};

/// What the judged CPS promises.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long an entry lives.
    pub lifetime: Duration,
    /// How far the service's idea of the time may be off, both ways. At least a
    /// second, in which it counts.
    pub tolerance: Duration,
}

/// What a history tells of one body.
struct Facts {
    token: Token,
    place: Place,
    first_sent: Duration,
    /// The calls that were answered with 201.
    accepted: Vec<Span>,
    /// The retrievals that found it.
    found: Vec<Span>,
    called_double: bool,
}

impl Facts {
    fn is_stored(&self) -> bool {
        !self.accepted.is_empty() || !self.found.is_empty()
    }

    /// When it was first answered with 201, of the calls that began at `since` or later.
    fn acknowledged(&self, since: Duration) -> Option<Duration> {
        first_end(self.accepted.iter(), since)
    }

    /// By when it was certainly stored, as far as what began at `since` or later tells.
    fn stored_by(&self, since: Duration) -> Option<Duration> {
        first_end(self.accepted.iter().chain(&self.found), since)
    }
}

fn first_end<'a>(spans: impl Iterator<Item = &'a Span>, since: Duration) -> Option<Duration> {
    let later = spans.filter(|span| since <= span.begun);
    later.map(|span| span.ended).min()
}

type Bodies = BTreeMap<Body, Facts>;

impl Rules {
    /// Everything in a history that is not legal.
    #[must_use]
    pub fn anomalies(&self, history: &History) -> Vec<Anomaly> {
        let bodies = facts(history);
        let mut by_place: HashMap<Place, Vec<(Body, &Facts)>> = HashMap::new();
        for (body, facts) in &bodies {
            let place = by_place.entry(facts.place).or_default();
            place.push((*body, facts));
        }
        let mut anomalies = two_bodies(&bodies);
        anomalies.extend(double_spends(history, &bodies));
        for retrieval in &history.retrievals {
            let kept = kept_since(history, retrieval.span);
            anomalies.extend(self.unexpected(retrieval, kept, &bodies));
            let there = by_place.get(&retrieval.place);
            let there = there.map_or(&[][..], Vec::as_slice);
            anomalies.extend(self.missing(retrieval, kept, there));
        }
        anomalies
    }

    /// An entry is there from its acknowledgement, if that was not before a loss, to
    /// its expiry.
    fn missing<'a>(
        &'a self,
        retrieval: &'a Retrieval,
        kept: Duration,
        there: &'a [(Body, &Facts)],
    ) -> impl Iterator<Item = Anomaly> + 'a {
        let found: BTreeSet<_> = retrieval.bodies.iter().collect();
        there.iter().filter_map(move |(body, facts)| {
            let acknowledged = facts.acknowledged(kept)?;
            // It was stored after it was first sent, whichever sending did it.
            let certainly_alive = facts.first_sent + self.lifetime;
            let span = retrieval.span;
            let due = acknowledged < span.begun && span.ended + self.tolerance < certainly_alive;
            (due && !found.contains(body)).then_some(Anomaly::Missing {
                body: *body,
                acknowledged,
                missed: span,
            })
        })
    }

    /// What is found was sent there before, is found once, and not after its life.
    fn unexpected(&self, retrieval: &Retrieval, kept: Duration, bodies: &Bodies) -> Vec<Anomaly> {
        let (mut anomalies, mut seen) = (Vec::new(), BTreeSet::new());
        let (place, found) = (retrieval.place, retrieval.span);
        for body in retrieval.bodies.iter().copied() {
            // Between two of its pages an entry can be lost and come again.
            let was_whole = kept <= found.begun;
            if !seen.insert(body) && was_whole {
                anomalies.push(Anomaly::Twice { body, found });
            }
            let facts = bodies.get(&body);
            let sent = facts.filter(|facts| facts.place == place && facts.first_sent < found.ended);
            let Some(facts) = sent else {
                anomalies.push(Anomaly::NeverSent { body, place, found });
                continue;
            };
            let stored = facts.stored_by(kept).unwrap_or(found.ended);
            if stored + self.lifetime + self.tolerance < found.begun {
                anomalies.push(Anomaly::Undead {
                    body,
                    stored,
                    found,
                });
            }
        }
        anomalies
    }
}

/// Since when nothing was lost that a retrieval could have found.
fn kept_since(history: &History, retrieval: Span) -> Duration {
    let losses = history.losses.iter();
    let before = losses.filter(|loss| loss.begun < retrieval.ended);
    before.map(|loss| loss.ended).max().unwrap_or_default()
}

fn facts(history: &History) -> Bodies {
    let mut bodies = Bodies::new();
    for call in &history.stores {
        let facts = bodies.entry(call.body).or_insert(Facts {
            token: call.token,
            place: call.place,
            first_sent: call.span.begun,
            accepted: Vec::new(),
            found: Vec::new(),
            called_double: false,
        });
        facts.first_sent = facts.first_sent.min(call.span.begun);
        match call.answer {
            StoreAnswer::Accepted => facts.accepted.push(call.span),
            StoreAnswer::Conflict => facts.called_double = true,
            StoreAnswer::Unknown => {}
        }
    }
    for retrieval in &history.retrievals {
        for body in &retrieval.bodies {
            if let Some(facts) = bodies.get_mut(body) {
                facts.found.push(retrieval.span);
            }
        }
    }
    bodies
}

/// A token pays for one entry: what is accepted or found for it is one body.
fn two_bodies(bodies: &Bodies) -> Vec<Anomaly> {
    let (mut paid, mut anomalies) = (HashMap::new(), Vec::new());
    for (body, facts) in bodies {
        if !facts.is_stored() {
            continue;
        }
        if let Some(first) = paid.insert(facts.token, *body) {
            anomalies.push(Anomaly::TwoBodies {
                token: facts.token,
                bodies: [first, *body],
            });
        }
    }
    anomalies
}

/// A 409 says that another request has spent the token: not this one, before or
/// after, and one that had been sent.
fn double_spends(history: &History, bodies: &Bodies) -> Vec<Anomaly> {
    let mut rivals: HashMap<Token, Vec<(Body, &Facts)>> = HashMap::new();
    for (body, facts) in bodies {
        let of_token = rivals.entry(facts.token).or_default();
        of_token.push((*body, facts));
    }
    let can_have_spent = |call: &StoreCall| {
        let rivals = rivals.get(&call.token).into_iter().flatten();
        rivals.clone().any(|(body, facts)| {
            *body != call.body && !facts.called_double && facts.first_sent < call.span.ended
        })
    };
    let judged = history.stores.iter().filter_map(|call| {
        let refused = call.span;
        if call.answer != StoreAnswer::Conflict {
            None
        } else if bodies.get(&call.body)?.is_stored() {
            let body = call.body;
            Some(Anomaly::TakenBack { body, refused })
        } else if !can_have_spent(call) {
            let token = call.token;
            Some(Anomaly::SpentByNobody { token, refused })
        } else {
            None
        }
    });
    judged.collect()
}
