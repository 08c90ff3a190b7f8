//! What two sides of Pennyblack must agree on, and nothing else: wire forms,
//! credentials, and the decisions that both sides must reach alike.
//!
//! Everything here takes bytes and the present time and returns values or
//! errors. There are no sockets here, no clock, no storage and no runtime; a
//! parser of outside bytes is a plain function over a slice, so that it can be
//! fuzzed as it stands.

pub mod attestation;
pub mod authority;
pub mod blind_rsa;
mod curve25519;
pub mod directory;
pub mod double_spend;
pub mod encoding;
pub mod envelope;
pub mod issuance;
pub mod jws;
pub mod key_log_view;
pub mod key_record;
pub mod log_entry;
pub mod mailbox;
pub mod numbering;
pub mod passport;
pub mod problem;
pub mod sealed;
pub mod stir;
pub mod store_request;
pub mod telephone_number;
#[cfg(test)]
mod test_pki;
pub mod time;
pub mod tlog;
pub mod token;
pub mod token_key;
pub mod voprf;
pub mod wire;
