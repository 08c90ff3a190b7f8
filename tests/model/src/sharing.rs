//! A model of federation tokens (docs/protocol.md section 3): two calls with copies at two
//! CPSs, a wallet with two tokens, a process that may die at any moment, and a network that
//! brings any request to any CPS, as often as it likes. Not here: how one CPS of several nodes
//! spends a token (`spend`), and which CPSs a call has copies at (`agreement`).

mod state;
#[cfg(test)]
mod tests;

use stateright::{Model, Property};

pub use state::{CALLS, CPSS, Request, State, TOKENS};

/// When a token leaves the wallet's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaving {
    /// In the write that keeps the first request with it, before that is sent.
    WithTheFirstRequest,
    /// When all copies are made.
    WithTheLastRequest,
}

/// Who may be paid for with a token that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// The copies of the call for which it left the wallet.
    OneCall,
    /// Whatever is for a CPS that has had no request with it.
    AnyCall,
}

/// What is sent to a CPS that has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// The same bytes.
    SameRequest,
    /// The copy, sealed and signed anew; and so does a double spender.
    AnotherRequest,
}

/// The model.
#[derive(Debug, Clone, Copy)]
pub struct Federation {
    /// When a token leaves the disk.
    pub leaving: Leaving,
    /// For whom it is.
    pub sharing: Sharing,
    /// What is sent again.
    pub again: Again,
    /// Whether the token's key signs for which CPS a request is.
    pub names_cps: bool,
    /// How often the process dies.
    pub crashes: u8,
}

/// The rules as they are.
pub const RULES: Federation = Federation {
    leaving: Leaving::WithTheFirstRequest,
    sharing: Sharing::OneCall,
    again: Again::SameRequest,
    names_cps: true,
    crashes: 1,
};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A call pays for a copy at a CPS, with the token that it holds or with this one, and
    /// signs the request, which leaves.
    Copy(usize, usize, usize),
    /// All copies of a call are made.
    Finish(usize),
    /// A request comes to a CPS: the one that it is for, or another to which somebody sends it.
    Arrive(Request, usize),
    /// The process dies, with the calls that it has begun.
    Crash,
}

/// All that was signed with a token is for one call.
pub const ONE_CALL: &str = "a token is for one call";
/// No CPS can say that this client has spent a token twice.
pub const NOT_ACCUSED: &str = "no CPS refuses what it was sent with a token";
/// Whatever clients do, a CPS stores one request for a token.
pub const ONE_BODY: &str = "a CPS stores one request for a token";
/// A 409 has evidence: two requests that were signed with the token for this CPS.
pub const EVIDENT: &str = "a refusal has evidence that verifies";
/// A token is good at two CPSs, in some run.
pub const SHARED: &str = "two CPSs store copies for one token";
/// A token is refused at the CPS where it was spent, in some run.
pub const REFUSED: &str = "a CPS refuses a token that was spent there";

impl Model for Federation {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.crashes)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for call in 0..CALLS {
            actions.push(Action::Finish(call));
            for cps in 0..CPSS {
                actions.extend((0..TOKENS).map(|token| Action::Copy(call, cps, token)));
            }
        }
        for request in &state.signed {
            actions.extend((0..CPSS).map(|cps| Action::Arrive(*request, cps)));
        }
        actions.push(Action::Crash);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let next = self.after(last.clone(), action)?;
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_CALL, |_, state: &State| {
                state.pairs().all(|(one, other)| one.call == other.call)
            }),
            Property::always(NOT_ACCUSED, |_, state: &State| state.refused.is_empty()),
            Property::always(ONE_BODY, |_, state: &State| {
                let mut stored = state.stored.iter().enumerate();
                stored.all(|(place, (at, one))| {
                    let mut before = state.stored.iter().take(place);
                    !before.any(|(elsewhere, other)| elsewhere == at && other.token == one.token)
                })
            }),
            Property::always(EVIDENT, |_, state: &State| {
                state.refused.iter().all(|(at, refused)| {
                    let spent = state.spent_on(*at, refused.token);
                    spent.is_some_and(|spent| spent.cps == *at && refused.cps == *at)
                })
            }),
            Property::sometimes(SHARED, |_, state: &State| {
                let spent = |cps| state.spent_on(cps, 0);
                spent(0).is_some() && spent(1).is_some()
            }),
            Property::sometimes(REFUSED, |_, state: &State| !state.refused.is_empty()),
        ]
    }
}

impl Federation {
    fn after(&self, mut state: State, action: Action) -> Option<State> {
        match action {
            Action::Copy(call, cps, token) => self.copy(&mut state, call, cps, token)?,
            Action::Finish(call) => state.finish(call)?,
            Action::Arrive(request, cps) => {
                // The signature of another CPS's request does not hold here (401).
                if request.cps != cps && self.names_cps {
                    return None;
                }
                state.arrive(request, cps);
            }
            Action::Crash => {
                state.crashes_left = state.crashes_left.checked_sub(1)?;
                state.crash();
            }
        }
        Some(state)
    }

    /// One copy of a call; `None` if these rules do not let it be made.
    fn copy(&self, state: &mut State, call: usize, cps: usize, token: usize) -> Option<()> {
        if state.is_over[call] {
            return None;
        }
        let version = state.requests_for(call, cps);
        let may_again = self.again == Again::AnotherRequest && version < 2;
        if version > 0 && !may_again {
            return None;
        }
        let own = state.held[call];
        let of_others = state.held.iter().flatten().copied();
        let shared = match self.sharing {
            Sharing::OneCall => own,
            Sharing::AnyCall => own.into_iter().chain(of_others).find(|token| {
                let mut signed = state.signed.iter();
                may_again || !signed.any(|one| one.token == *token && one.cps == cps)
            }),
        };
        let taken = match shared {
            Some(shared) => shared,
            None => {
                state.in_wallet[token].then_some(token)?;
                state.in_wallet[token] = self.leaving == Leaving::WithTheLastRequest;
                token
            }
        };
        state.held[call] = Some(taken);
        state.sign(Request {
            token: taken,
            call,
            cps,
            version,
        });
        Some(())
    }
}
