//! One way to break each rule somewhere in a legal history.

use crate::history::{Anomaly, Body, History, StoreAnswer, StoreCall};

use super::RULES;

/// Breaks a rule at one of the places where it can be.
pub(super) struct Breaking {
    pub(super) name: &'static str,
    /// The histories that it makes of one.
    pub(super) broken: fn(&History) -> Vec<History>,
    /// What must be found in each.
    pub(super) found: fn(&Anomaly) -> bool,
}

const NOBODYS: Body = Body(u32::MAX);

pub(super) const ALL: &[Breaking] = &[
    Breaking {
        name: "a second request with a token is accepted",
        broken: |legal| {
            with_each_answer(legal, StoreAnswer::Accepted, |call| {
                let other_is_accepted = |other: &StoreCall| {
                    other.token == call.token && other.body != call.body && is_accepted(other)
                };
                call.answer == StoreAnswer::Conflict && legal.stores.iter().any(other_is_accepted)
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::TwoBodies { .. }),
    },
    Breaking {
        name: "an acknowledged entry is missing",
        broken: |legal| {
            let is_due = |place: usize, body: Body| {
                let read = legal.retrievals[place].span;
                let of_body = || legal.stores.iter().filter(|call| call.body == body);
                let acknowledged =
                    |call: &StoreCall| is_accepted(call) && call.span.ended < read.begun;
                let young = |call: &StoreCall| {
                    read.ended + RULES.tolerance < call.span.begun + RULES.lifetime
                };
                !was_lost(legal, place) && of_body().any(acknowledged) && of_body().all(young)
            };
            let found = legal.retrievals.iter().enumerate();
            let sites = found.flat_map(|(place, read)| {
                let due = move |at: &usize| is_due(place, read.bodies[*at]);
                (0..read.bodies.len())
                    .filter(due)
                    .map(move |at| (place, at))
            });
            let drop_one = |(place, at): (usize, usize)| {
                changed(legal, |broken| {
                    broken.retrievals[place].bodies.remove(at);
                })
            };
            sites.map(drop_one).collect()
        },
        found: |anomaly| matches!(anomaly, Anomaly::Missing { .. }),
    },
    Breaking {
        name: "an entry is found that nobody sent",
        broken: |legal| with_each_found(legal, |_| Some(NOBODYS)),
        found: |anomaly| matches!(anomaly, Anomaly::NeverSent { .. }),
    },
    Breaking {
        name: "an entry is found in another mailbox",
        broken: |legal| {
            with_each_found(legal, |place| {
                let here = legal.retrievals[place].place;
                let elsewhere = legal.stores.iter().find(|call| call.place != here);
                elsewhere.map(|call| call.body)
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::NeverSent { .. }),
    },
    Breaking {
        name: "an entry is found before it is sent",
        broken: |legal| {
            with_each_found(legal, |place| {
                let read = &legal.retrievals[place];
                let all = || legal.stores.iter();
                let later = |call: &&StoreCall| {
                    let mut same = all().filter(|other| other.body == call.body);
                    call.place == read.place && same.all(|one| read.span.ended < one.span.begun)
                };
                all().find(later).map(|call| call.body)
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::NeverSent { .. }),
    },
    Breaking {
        name: "an entry is found twice",
        broken: |legal| {
            with_each_found(legal, |place| {
                let first = legal.retrievals[place].bodies.first().copied();
                first.filter(|_| !was_lost(legal, place))
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::Twice { .. }),
    },
    Breaking {
        name: "an entry is found after its life",
        broken: |legal| {
            with_each_found(legal, |place| {
                let read = &legal.retrievals[place];
                let dead = |call: &&StoreCall| {
                    let died = call.span.ended + RULES.lifetime + RULES.tolerance;
                    is_accepted(call) && call.place == read.place && died < read.span.begun
                };
                let dead = legal.stores.iter().find(dead).map(|call| call.body);
                dead.filter(|_| !was_lost(legal, place))
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::Undead { .. }),
    },
    Breaking {
        name: "a repeated request is called a double spend",
        broken: |legal| {
            with_each_answer(legal, StoreAnswer::Conflict, |call| {
                let again = |other: &StoreCall| {
                    other.body == call.body && other.span != call.span && is_accepted(other)
                };
                is_accepted(call) && legal.stores.iter().any(again)
            })
        },
        found: |anomaly| matches!(anomaly, Anomaly::TakenBack { .. }),
    },
    Breaking {
        name: "a token is called spent that nobody spent",
        broken: |legal| {
            let is_double = |call: &&StoreCall| call.answer == StoreAnswer::Conflict;
            let doubles = legal.stores.iter().filter(is_double);
            let without_rivals = doubles.map(|double| {
                changed(legal, |broken| {
                    let stays =
                        |call: &StoreCall| call.token != double.token || call.body == double.body;
                    broken.stores.retain(stays);
                })
            });
            without_rivals.collect()
        },
        found: |anomaly| matches!(anomaly, Anomaly::SpentByNobody { .. }),
    },
];

/// Whether anything was lost before the end of a retrieval. Then less is known.
fn was_lost(legal: &History, retrieval: usize) -> bool {
    let ended = legal.retrievals[retrieval].span.ended;
    legal.losses.iter().any(|loss| loss.span.begun < ended)
}

fn is_accepted(call: &StoreCall) -> bool {
    call.answer == StoreAnswer::Accepted
}

fn changed(legal: &History, change: impl FnOnce(&mut History)) -> History {
    let mut broken = legal.clone();
    change(&mut broken);
    broken
}

/// For each store request that `fits`: the history with this answer to it.
fn with_each_answer(
    legal: &History,
    answer: StoreAnswer,
    fits: impl Fn(&StoreCall) -> bool,
) -> Vec<History> {
    let calls = legal.stores.iter().enumerate();
    let sites = calls.filter(|(_, call)| fits(call));
    let broken = sites.map(|(at, _)| changed(legal, |broken| broken.stores[at].answer = answer));
    broken.collect()
}

/// For each retrieval: the history where it found one more, of `more`'s choice.
fn with_each_found(legal: &History, more: impl Fn(usize) -> Option<Body>) -> Vec<History> {
    let sites = 0..legal.retrievals.len();
    let broken = sites.filter_map(|place| {
        let body = more(place)?;
        Some(changed(legal, |broken| {
            broken.retrievals[place].bodies.push(body);
        }))
    });
    broken.collect()
}
