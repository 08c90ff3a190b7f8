//! Storing a sealed PASSporT: the request's two halves (a token, and a signature
//! by the token's nonce over the content), how an OOB-AS makes it, and every check
//! of a CPS that needs no state (docs/protocol.md section 3). Not here: the spent
//! set and the mailboxes, and what a sealed PASSporT holds (`sealed`).
//!
//! ```text
//! struct {
//!   opaque mailbox[32];      // SHA-256 of the recipient's key configuration
//!   opaque sealed[SLOT];     // enc || ct; SLOT is 2,048 or 4,096, by that key's KEM
//! } StoreRequest;
//! ```
//!
//! On its way in a request is a [`ParsedStore`] (its form is right), an
//! [`AdmittedStore`] (it is meant for this CPS and this moment) and a
//! [`VerifiedStore`] (token and signature hold). Only the last may reach the
//! spent set, and only the verification makes it.

mod parsed;
mod signed;
mod verified;

pub use parsed::{ParseStoreError, ParsedStore, StoreHeaders};
pub use signed::{SignStoreError, SignedStoreRequest, sign_store_request};
pub use verified::{AdmittedStore, Freshness, SpendPolicy, StoreRefusal, VerifiedStore};

/// Media type of a store request's body.
pub const MEDIA_TYPE: &str = "application/vnd.pennyblack.sealed-passport";

/// Bytes of a mailbox id in front of the ciphertext.
pub const MAILBOX_SIZE: usize = 32;

#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod tests;
