//! Waiting for conditions, with deadlines.

pub use pennyblack_storage::redis::testing::until;
