//! A token spent on one request: the digest of its content, and the RFC 9421 signature
//! by the token's nonce, `K_temp`, over it (docs/protocol.md section 3). Not here: what
//! the content is.

mod content_digest;
mod http_signature;
mod spend_key;

pub use content_digest::{ContentDigestError, RequestDigest};
pub use http_signature::{
    Created, CreatedError, SIGNATURE_SIZE, STORE_METHOD, SignatureFieldError, SpendSignature,
    SpendSignatureError, base_for, signature_base, verify_strictly,
};
pub use spend_key::SpendKey;

pub use pennyblack_base::service_paths::STORE_PATH;

/// Most bytes of each header field of a store request that are looked at; as they
/// are to be spelled, none has more than 130.
const MAX_FIELD_SIZE: usize = 256;
