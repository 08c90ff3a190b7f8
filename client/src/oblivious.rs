//! Oblivious HTTP on the client's side (docs/protocol.md section 8): requests that a relay
//! carries, so that their CPS does not see who sends them and the relay not what they are.
//! Which key configuration is trusted is what a CPS's log says. Not here: the forms
//! (`pennyblack-ohttp`), and what is asked.

mod fault;
mod fetch;
mod relay_address;
mod relays;
mod route;
mod timer;
mod trusted_keys;
mod witnesses;

use serde::{Deserialize, Serialize};

pub use fetch::{KeyFetchError, KeyFetcher};
pub use relay_address::{RelayAddress, RelayAddressError};
pub use relays::RelaysError;
pub use route::{ObliviousRoute, RouteSetupError, UnknownOperators};
pub use timer::{DEFAULT_FETCH_EVERY, KeyTimer, check_fetch_every};
pub use trusted_keys::{CpsKeys, MAX_READING_AGE, TrustedKey, TrustedKeys};
pub use witnesses::witness_policy;

/// What becomes of a request when none of its CPS's relays is reached. Whatever else is
/// missing, it is not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// It is not sent.
    #[default]
    None,
    /// It is sent directly, and its CPS sees the sender's address.
    Direct,
}
