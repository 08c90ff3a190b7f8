//! Random histories of a CPS that keeps its promises: each request takes effect at
//! one instant between its begin and its end, or, when nobody is told, never or
//! later.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::RULES;
use crate::history::{Body, History, Loss, Place, Retrieval, Span, StoreAnswer, StoreCall, Token};

/// What a client does.
#[derive(Debug, Clone)]
enum Action {
    /// Spends a new token.
    New(Place),
    /// Sends an earlier request again, counted around.
    Again(usize),
    /// Spends an earlier token on something else.
    Other(usize, Place),
    /// Reads a mailbox.
    Read(Place),
    /// Nobody's request: the store loses all entries.
    Lose,
}

/// What becomes of a store request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Carried out, perhaps after the client gave up.
    AnswerLost,
    /// Not carried out: the request was lost.
    RequestLost,
}

#[derive(Debug, Clone)]
struct Step {
    action: Action,
    fate: Fate,
    /// Milliseconds since the step before began.
    pause: u64,
    /// Milliseconds until it takes effect.
    until_effect: u64,
    /// Milliseconds from there until the answer.
    until_answer: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = (0..3u32).prop_map(Place);
    let index = any::<usize>;
    let action = prop_oneof![
        3 => place.clone().prop_map(Action::New),
        2 => index().prop_map(Action::Again),
        2 => (index(), place.clone()).prop_map(|(index, place)| Action::Other(index, place)),
        3 => place.prop_map(Action::Read),
        1 => Just(Action::Lose),
    ];
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::RequestLost),
    ];
    let step = (action, fate, 0..900u64, 0..1_500u64, 0..1_500u64);
    let step = step.prop_map(|(action, fate, pause, until_effect, until_answer)| Step {
        action,
        fate,
        pause,
        until_effect,
        until_answer,
    });
    prop::collection::vec(step, 0..60)
}

/// Something of everything, so that every rule can be broken somewhere.
fn one_of_each() -> Vec<Step> {
    let at_once = |action, pause| Step {
        action,
        fate: Fate::Answered,
        pause,
        until_effect: 1,
        until_answer: 1,
    };
    let dead = u64::try_from((RULES.lifetime + 3 * RULES.tolerance).as_millis()).unwrap();
    vec![
        at_once(Action::Read(Place(0)), 10),
        at_once(Action::New(Place(0)), 10),
        at_once(Action::Again(0), 10),
        at_once(Action::Other(0, Place(1)), 10),
        at_once(Action::Read(Place(0)), 10),
        at_once(Action::Read(Place(1)), 10),
        at_once(Action::Read(Place(0)), dead),
    ]
}

/// Random legal histories, in which there is something of everything.
pub(super) fn legal_histories() -> impl Strategy<Value = History> {
    steps().prop_map(|mut random| {
        let mut steps = one_of_each();
        // No loss reaches back into them.
        if let Some(first) = random.first_mut() {
            first.pause += 10;
        }
        steps.extend(random);
        play(&steps)
    })
}

/// A request as it was sent, and when it takes effect.
struct Sent {
    effect: u64,
    span: Span,
    what: What,
}

impl Sent {
    /// With times in milliseconds.
    fn new(begun: u64, effect: u64, ended: u64, what: What) -> Self {
        let [begun, ended] = [begun, ended].map(Duration::from_millis);
        let span = Span { begun, ended };
        Self { effect, span, what }
    }
}

enum What {
    Store(Token, Body, Place, Fate),
    Read(Place),
    Lose,
}

fn play(steps: &[Step]) -> History {
    let mut sent = send_all(steps);
    sent.sort_by_key(|one| one.effect);
    let mut service = Service::default();
    for one in sent {
        service.take(&one);
    }
    service.history
}

fn send_all(steps: &[Step]) -> Vec<Sent> {
    let (mut now, mut sent) = (0, Vec::new());
    let mut requests: Vec<(Token, Body, Place)> = Vec::new();
    let mut tokens = 0;
    for step in steps {
        now += step.pause;
        let effect = now + step.until_effect;
        let answered = effect + step.until_answer;
        let new_body = Body(u32::try_from(requests.len()).unwrap());
        let (token, body, place) = match step.action {
            Action::Lose => {
                sent.push(Sent::new(now, effect, answered, What::Lose));
                continue;
            }
            Action::Read(place) => {
                sent.push(Sent::new(now, effect, answered, What::Read(place)));
                continue;
            }
            Action::Again(index) if !requests.is_empty() => requests[index % requests.len()],
            Action::Other(index, place) if !requests.is_empty() => {
                (requests[index % requests.len()].0, new_body, place)
            }
            Action::New(place) | Action::Other(_, place) => {
                tokens += 1;
                (Token(tokens), new_body, place)
            }
            Action::Again(_) => continue,
        };
        requests.push((token, body, place));
        let what = What::Store(token, body, place, step.fate);
        // A client that gives up does not wait for the effect.
        let given_up = now + step.until_answer;
        let waits = step.fate == Fate::Answered;
        let ended = if waits { answered } else { given_up };
        sent.push(Sent::new(now, effect, ended, what));
    }
    sent
}

/// A CPS as it should be.
#[derive(Default)]
struct Service {
    spent: HashMap<Token, Body>,
    entries: Vec<(Place, Body, u64)>,
    lost: HashSet<Body>,
    history: History,
}

impl Service {
    fn take(&mut self, sent: &Sent) {
        let span = sent.span;
        match sent.what {
            What::Store(token, body, place, fate) => {
                let answer = match fate {
                    Fate::RequestLost => StoreAnswer::Unknown,
                    Fate::Answered => self.store(token, body, place, sent.effect),
                    Fate::AnswerLost => {
                        self.store(token, body, place, sent.effect);
                        StoreAnswer::Unknown
                    }
                };
                self.history.stores.push(StoreCall {
                    token,
                    body,
                    place,
                    span,
                    answer,
                });
            }
            What::Lose => {
                let entries = self.entries.drain(..);
                self.lost.extend(entries.map(|(_, body, _)| body));
                self.history.losses.push(Loss {
                    safe_before: Duration::ZERO,
                    span,
                });
            }
            What::Read(place) => {
                let lifetime = u64::try_from(RULES.lifetime.as_millis()).unwrap();
                let alive = self
                    .entries
                    .iter()
                    .filter(|(at, _, stored)| *at == place && sent.effect < stored + lifetime);
                let bodies = alive.map(|(_, body, _)| *body).collect();
                self.history.retrievals.push(Retrieval {
                    place,
                    span,
                    bodies,
                });
            }
        }
    }

    fn store(&mut self, token: Token, body: Body, place: Place, now: u64) -> StoreAnswer {
        match self.spent.get(&token) {
            Some(first) if *first == body => {
                // It comes back with its request.
                if self.lost.remove(&body) {
                    self.entries.push((place, body, now));
                }
                StoreAnswer::Accepted
            }
            Some(_) => StoreAnswer::Conflict,
            None => {
                self.spent.insert(token, body);
                self.entries.push((place, body, now));
                StoreAnswer::Accepted
            }
        }
    }
}
