//! Mailboxes and what is sealed for them with HPKE (RFC 9180): key configurations, the
//! sealed PASSporT, and the envelope in which a CPS answers a poll. Not here: what a
//! PASSporT says.

pub mod envelope;
pub mod mailbox;
pub mod sealed;
