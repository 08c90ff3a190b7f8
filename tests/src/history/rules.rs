//! Whether a history is legal: what a CPS promises (docs/protocol.md sections 3 and
//! 4), decided from the outside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::{Anomaly, Body, History, Place, Retrieval, StoreAnswer, StoreCall, Token};

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
    /// When it was first answered with 201.
    acknowledged: Option<Duration>,
    /// When a retrieval that found it first ended.
    found: Option<Duration>,
    called_double: bool,
}

impl Facts {
    /// By when it was certainly stored.
    fn stored_by(&self) -> Option<Duration> {
        [self.acknowledged, self.found].into_iter().flatten().min()
    }
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
            anomalies.extend(self.unexpected(retrieval, &bodies));
            let there = by_place.get(&retrieval.place);
            anomalies.extend(self.missing(retrieval, there.map_or(&[], Vec::as_slice)));
        }
        anomalies
    }

    /// An entry is there from its acknowledgement to its expiry.
    fn missing<'a>(
        &'a self,
        retrieval: &'a Retrieval,
        there: &'a [(Body, &Facts)],
    ) -> impl Iterator<Item = Anomaly> + 'a {
        let found: BTreeSet<_> = retrieval.bodies.iter().collect();
        there.iter().filter_map(move |(body, facts)| {
            let acknowledged = facts.acknowledged?;
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
    fn unexpected(&self, retrieval: &Retrieval, bodies: &Bodies) -> Vec<Anomaly> {
        let (mut anomalies, mut seen) = (Vec::new(), BTreeSet::new());
        let (place, found) = (retrieval.place, retrieval.span);
        for body in retrieval.bodies.iter().copied() {
            if !seen.insert(body) {
                anomalies.push(Anomaly::Twice { body, found });
            }
            let facts = bodies.get(&body);
            let sent = facts.filter(|facts| facts.place == place && facts.first_sent < found.ended);
            let Some(facts) = sent else {
                anomalies.push(Anomaly::NeverSent { body, place, found });
                continue;
            };
            let stored = facts.stored_by().unwrap_or(found.ended);
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

fn facts(history: &History) -> Bodies {
    let mut bodies = Bodies::new();
    for call in &history.stores {
        let facts = bodies.entry(call.body).or_insert(Facts {
            token: call.token,
            place: call.place,
            first_sent: call.span.begun,
            acknowledged: None,
            found: None,
            called_double: false,
        });
        facts.first_sent = facts.first_sent.min(call.span.begun);
        match call.answer {
            StoreAnswer::Accepted => keep_earliest(&mut facts.acknowledged, call.span.ended),
            StoreAnswer::Conflict => facts.called_double = true,
            StoreAnswer::Unknown => {}
        }
    }
    for retrieval in &history.retrievals {
        for body in &retrieval.bodies {
            if let Some(facts) = bodies.get_mut(body) {
                keep_earliest(&mut facts.found, retrieval.span.ended);
            }
        }
    }
    bodies
}

fn keep_earliest(kept: &mut Option<Duration>, time: Duration) {
    *kept = Some(kept.map_or(time, |kept| kept.min(time)));
}

/// A token pays for one entry: what is accepted or found for it is one body.
fn two_bodies(bodies: &Bodies) -> Vec<Anomaly> {
    let (mut paid, mut anomalies) = (HashMap::new(), Vec::new());
    for (body, facts) in bodies {
        if facts.stored_by().is_none() {
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
        } else if bodies.get(&call.body)?.stored_by().is_some() {
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
