//! What the telephone gateway does with a call, without any interface to switches: a call
//! in, a PASSporT out, stored or not, inside a deadline; a call in, a verdict out, from what
//! the follower has found. Not here: HTTP and SIP (`client/gateway`), and what the client
//! library has already (wallet, follower, assignments, certificates).
//!
//! **Trouble behind the gateway ends no call.** Whatever CPS, issuer, wallet or disk do
//! wrong, the answer comes in time, and a [`Reason`] with a stable name is counted. Errors
//! are for what the switch asked wrongly alone.

mod config;
mod counters;
mod engine;
mod key_records;
mod number;
mod outgoing;
mod parts;
mod reason;
mod signing;
mod status;
mod trunk;
mod verdict;
mod verifying;

pub use config::{KeyRecordsConfig, SigningConfig, StoreConfig, VerifyConfig};
pub use counters::{Counters, Counts};
pub use engine::Engine;
pub use number::NotANumber;
pub use outgoing::{
    BadParameter, BadValue, OobOutcome, OutgoingCall, Parameter, Passport, SignOutcome,
};
pub use parts::{EngineParts, SigningParts, VerifyingParts};
pub use reason::Reason;
pub use status::{
    EngineStatus, KeyRecordsStatus, MailboxReport, NotReady, SigningKeyReport, TokenStock, Warning,
};
pub use trunk::{AttestPolicy, OrigSource, SigningIdentity, Trunk};
pub use verdict::{
    Finding, Found, IncomingCall, PassportResult, Refused, Retargeted, Source, StirCode, Verdict,
};
