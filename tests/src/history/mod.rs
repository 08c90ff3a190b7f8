//! What clients of a CPS asked and were answered, and whether a CPS that keeps its
//! promises can have answered so: `rules` decides. Not here: how requests are sent.

mod anomaly;
mod recorder;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use anomaly::Anomaly;
pub use recorder::Recorder;
pub use rules::Rules;

/// A token, by a number of this history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u32);

/// What a request stores, by a number of this history. No two requests that differ
/// store the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Body(pub u32);

/// A mailbox, by a number of this history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub u32);

/// When something was asked and when its answer was there, or given up; since the
/// history began, by a clock that nothing sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Just before the request left.
    pub begun: Duration,
    /// Just after the answer came.
    pub ended: Duration,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [begun, ended] = [self.begun, self.ended].map(|time| time.as_secs_f64());
        write!(f, "{begun:.3} s to {ended:.3} s")
    }
}

/// What a client learned of a store request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAnswer {
    /// 201.
    Accepted,
    /// 409: the token is spent on another request.
    Conflict,
    /// No answer, or one after which the request may or may not have been carried
    /// out, now or later (503, a broken connection).
    Unknown,
}

/// A store request, once for each time it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCall {
    /// What it spends.
    pub token: Token,
    /// What it stores.
    pub body: Body,
    /// Where to.
    pub place: Place,
    /// When.
    pub span: Span,
    /// What came of it.
    pub answer: StoreAnswer,
}

/// A mailbox, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieval {
    /// Which.
    pub place: Place,
    /// From the first page asked for to the last one received.
    pub span: Span,
    /// What was in it.
    pub bodies: Vec<Body>,
}

/// Everything that happened, in no particular order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Store requests.
    pub stores: Vec<StoreCall>,
    /// Retrievals that were answered.
    pub retrievals: Vec<Retrieval>,
    /// When the store lost something, which the level that is judged allows.
    pub losses: Vec<Loss>,
}

/// The store lost something. What was added between `safe_before` and the end may be gone
/// from the begin on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// What was acknowledged before is not lost.
    pub safe_before: Duration,
    /// When it happened.
    pub span: Span,
}

impl Loss {
    /// Whether what was acknowledged in a call is there all the same.
    fn spares(&self, call: &Span) -> bool {
        call.ended <= self.safe_before || self.span.ended <= call.begun
    }
}
