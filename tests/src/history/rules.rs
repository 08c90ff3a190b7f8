//! Whether a history is legal: what a CPS promises (docs/protocol.md sections 3 and
//! 4), decided from the outside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::{Anomaly, Body, History, Loss, Place, Retrieval, Span, StoreAnswer, StoreCall, Token};

/// What the judged CPS promises.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long an entry lives.
    pub lifetime: Duration,
    /// How far the service's idea of the time may be off, both ways. At least a
    /// second, in which it counts.
    pub tolerance: Duration,
    /// How many entries a mailbox keeps: the newest.
    pub capacity: usize,
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
    /// From when to when each call with it may have taken effect.
    may_take_effect: Vec<Span>,
    called_double: bool,
}

impl Facts {
    fn is_stored(&self) -> bool {
        !self.accepted.is_empty() || !self.found.is_empty()
    }

    /// When it was first answered with 201, of the calls that no loss undid.
    fn acknowledged(&self, losses: &[&Loss]) -> Option<Duration> {
        first_end(self.accepted.iter(), losses)
    }

    /// By when it was certainly stored for the last time, as far as a retrieval that
    /// ended then can tell.
    fn stored_by(&self, losses: &[&Loss], retrieval: Span) -> Duration {
        // A loss after which no call took effect made nothing live anew.
        let may_have_come_again = |loss: &&&Loss| {
            let mut calls = self.may_take_effect.iter();
            calls.any(|call| loss.span.begun <= call.ended)
        };
        let losses: Vec<_> = losses.iter().filter(may_have_come_again).copied().collect();
        let stored = first_end(self.accepted.iter().chain(&self.found), &losses);
        stored.unwrap_or(retrieval.ended)
    }
}

/// The end of the first of those spans that all losses spare.
fn first_end<'a>(spans: impl Iterator<Item = &'a Span>, losses: &[&Loss]) -> Option<Duration> {
    let spared = spans.filter(|span| losses.iter().all(|loss| loss.spares(span)));
    spared.map(|span| span.ended).min()
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
            let losses = losses_before(history, retrieval.span);
            anomalies.extend(self.unexpected(retrieval, &losses, &bodies));
            let there = by_place.get(&retrieval.place);
            let there = there.map_or(&[][..], Vec::as_slice);
            anomalies.extend(self.missing(retrieval, &losses, there));
        }
        anomalies
    }

    /// An entry is there from its acknowledgement, if no loss undid that, to its expiry,
    /// unless as many as a mailbox keeps may have been added after it.
    fn missing<'a>(
        &'a self,
        retrieval: &'a Retrieval,
        losses: &'a [&Loss],
        there: &'a [(Body, &Facts)],
    ) -> impl Iterator<Item = Anomaly> + 'a {
        let found: BTreeSet<_> = retrieval.bodies.iter().collect();
        there.iter().filter_map(move |(body, facts)| {
            let acknowledged = facts.acknowledged(losses)?;
            // It was stored after it was first sent, whichever sending did it.
            let certainly_alive = facts.first_sent + self.lifetime;
            let span = retrieval.span;
            let due = acknowledged < span.begun && span.ended + self.tolerance < certainly_alive;
            let missing = due && !found.contains(body);
            (missing && !self.may_have_pushed_out(there, facts, span)).then_some(Anomaly::Missing {
                body: *body,
                acknowledged,
                missed: span,
            })
        })
    }

    /// Whether so many others may have come after an entry and before the end of a
    /// retrieval that the entry was dropped. Entries that were acknowledged before it was
    /// first sent did not come after it.
    fn may_have_pushed_out(
        &self,
        there: &[(Body, &Facts)],
        entry: &Facts,
        retrieval: Span,
    ) -> bool {
        let may_be_newer = |(_, other): &&(Body, &Facts)| {
            let acknowledged = other.acknowledged(&[]);
            let was_older = acknowledged.is_some_and(|time| time < entry.first_sent);
            !was_older && other.first_sent < retrieval.ended
        };
        // The entry itself is among them.
        there.iter().filter(may_be_newer).count() > self.capacity
    }

    /// What is found was sent there before, is found once, and not after its life.
    fn unexpected(&self, retrieval: &Retrieval, losses: &[&Loss], bodies: &Bodies) -> Vec<Anomaly> {
        let (mut anomalies, mut seen) = (Vec::new(), BTreeSet::new());
        let (place, found) = (retrieval.place, retrieval.span);
        for body in retrieval.bodies.iter().copied() {
            // Between two of its pages an entry can be lost and come again.
            let was_whole = losses.iter().all(|loss| loss.span.ended <= found.begun);
            if !seen.insert(body) && was_whole {
                anomalies.push(Anomaly::Twice { body, found });
            }
            let facts = bodies.get(&body);
            let sent = facts.filter(|facts| facts.place == place && facts.first_sent < found.ended);
            let Some(facts) = sent else {
                anomalies.push(Anomaly::NeverSent { body, place, found });
                continue;
            };
            let stored = facts.stored_by(losses, found);
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

/// What a retrieval may have suffered from.
fn losses_before(history: &History, retrieval: Span) -> Vec<&Loss> {
    let losses = history.losses.iter();
    losses
        .filter(|loss| loss.span.begun < retrieval.ended)
        .collect()
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
            may_take_effect: Vec::new(),
            called_double: false,
        });
        facts.first_sent = facts.first_sent.min(call.span.begun);
        facts.may_take_effect.push(may_take_effect(call));
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

/// A call without an answer may be carried out at any time after its client gave up.
fn may_take_effect(call: &StoreCall) -> Span {
    let answered = call.answer != StoreAnswer::Unknown;
    let ended = if answered {
        call.span.ended
    } else {
        Duration::MAX
    };
    Span { ended, ..call.span }
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
