//! A model of how a CPS of several nodes spends a token over a store of several
//! servers (docs/redis.md), one of how both sides of a call come to the same CPSs
//! (`agreement`), and one of tokens that are good at several CPSs (`sharing`), small enough to
//! look at every state that they can come into.
//! Not here: any real request; those are judged by the history checker.

#![allow(
    clippy::indexing_slicing,
    reason = "places in arrays of this model are counted by it"
)]

pub mod agreement;
mod shard;
pub mod sharing;
mod spend;
mod state;
mod steps;
#[cfg(test)]
mod tests;

pub use shard::{Copy, Shard};
pub use spend::{
    Acknowledgement, Action, Append, CONSISTENT, Fence, HEALED, NOT_TWICE, ONE_BODY, PRESENT,
    REFUSED, STOPPED, Spending,
};
pub use state::{Body, Changes, Node, Slot, State, Step, Task, Waiting};
