//! Double spends and log entries made of real store requests, which the crate that
//! defines them does not know.

mod double_spend;
mod log_entry;
