//! Tokens of type 0x0002, blind RSA with 2048-bit keys (RFC 9578 section 6 over
//! RFC 9474's RSABSSA-SHA384-PSS-Deterministic): the public key, the client's
//! blinding, and verification. Not here: anything that needs the private key.

mod pending;
mod public_key;
#[cfg(test)]
mod tests;
mod verify;

pub use pending::{DrawError, PendingToken};
pub use public_key::{PublicKeyError, SPKI_SIZE, TokenPublicKey};
pub use verify::TokenVerifyingKey;

/// Bytes of a modulus, a blinded message and a signature.
pub const MODULUS_SIZE: usize = 256;
