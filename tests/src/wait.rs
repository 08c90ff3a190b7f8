//! Waiting for conditions, with deadlines.

pub use pennyblack_redis::testing::until;
