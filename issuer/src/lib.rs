//! The issuer: checks STIR certificates and blind-signs one-time tokens
//! (docs/protocol.md section 2).

pub mod signer;
