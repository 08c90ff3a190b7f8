//! Storing a sealed PASSporT: the signature by a token's nonce over the content
//! of the request (docs/protocol.md section 3). Not here: the spent set and the
//! mailboxes, and what a sealed PASSporT holds (`sealed`).

mod content_digest;
mod http_signature;

pub use content_digest::{ContentDigestError, RequestDigest};
pub(crate) use http_signature::verify_strictly;
pub use http_signature::{
    Created, CreatedError, SIGNATURE_SIZE, STORE_METHOD, STORE_PATH, SignatureFieldError,
    SpendSignature, SpendSignatureError, signature_base,
};
