//! Privacy Pass tokens (RFC 9577, RFC 9578): challenges, tokens, issuance by blind RSA
//! and by VOPRF, and the directory of an issuer. Not here: what a token is spent on.

pub mod blind_rsa;
pub mod directory;
pub mod issuance;
pub mod token;
pub mod token_key;
pub mod voprf;
