//! How a token is proven to be spent, and what the transparency logs say of it: spend
//! signatures, double spends as evidence, log entries, and what a reader keeps
//! of an issuer's token keys and a CPS's oblivious keys. Nothing here knows a mailbox or a PASSporT.

pub mod double_spend;
pub mod key_calendar;
pub mod key_log_view;
pub mod log_entry;
pub mod oblivious_keys;
pub mod oblivious_log;
pub mod record_log;
mod remembered_position;
pub mod spend;
