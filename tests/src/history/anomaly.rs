//! What no CPS that keeps its promises can have answered.

use std::time::Duration;

use thiserror::Error;

use super::{Body, Place, Span, Token};

/// One thing in a history that is not legal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Anomaly {
    /// A token paid for two entries.
    #[error("token {} paid for body {} and for body {}", token.0, bodies[0].0, bodies[1].0)]
    TwoBodies {
        /// The token.
        token: Token,
        /// What was accepted with it or found in a mailbox.
        bodies: [Body; 2],
    },
    /// An entry that was acknowledged and had not expired was not there.
    #[error("body {} was acknowledged at {acknowledged:.3?} and missed at {missed}", body.0)]
    Missing {
        /// The entry.
        body: Body,
        /// When.
        acknowledged: Duration,
        /// The retrieval.
        missed: Span,
    },
    /// An entry was found that nobody had sent, or not yet, or not there.
    #[error("body {} was found in mailbox {} at {found}, where nobody had sent it", body.0, place.0)]
    NeverSent {
        /// The entry.
        body: Body,
        /// Where it was found.
        place: Place,
        /// The retrieval.
        found: Span,
    },
    /// An entry was in a mailbox twice.
    #[error("body {} was found twice at {found}", body.0)]
    Twice {
        /// The entry.
        body: Body,
        /// The retrieval.
        found: Span,
    },
    /// An entry was found after its life.
    #[error("body {} was there by {stored:.3?} and found after its life, at {found}", body.0)]
    Undead {
        /// The entry.
        body: Body,
        /// By when it had been stored.
        stored: Duration,
        /// The retrieval.
        found: Span,
    },
    /// A request was called a double spend whose body was accepted or found.
    #[error("body {} was stored, and the request that stores it answered 409 at {refused}", body.0)]
    TakenBack {
        /// The entry.
        body: Body,
        /// The 409.
        refused: Span,
    },
    /// A request was called a double spend, and no other can have spent the token.
    #[error("token {} was called spent at {refused}, and no other request can have spent it", token.0)]
    SpentByNobody {
        /// The token.
        token: Token,
        /// The 409.
        refused: Span,
    },
}
