//! The form of a certificate, checked before a library reads it. Its bytes have one
//! spelling (X.690 section 10), so that nobody makes another certificate out of one that
//! somebody published; and its extensions are one element each with few inside, so that none
//! takes longer to read than an honest one, or is read in part. Not here: what the elements say.

use super::claim_constraints::{CLAIM_CONSTRAINTS_OID, ENHANCED_CLAIM_CONSTRAINTS_OID};
use super::der::{CountError, DerError, DerReader, tag};
use super::tn_auth_list::TN_AUTH_LIST_OID;
use x509_parser::der_parser::oid::Oid;

/// Most elements in all extensions of a certificate, their own frames counted. Real ones
/// have at most 59. Those of STIR's own extensions have bounds of their own.
pub(super) const MAX_ELEMENTS: usize = 256;

/// `[3]`, with the extensions.
const EXTENSIONS: u8 = tag::explicit(3);

/// Why a certificate is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// Not DER, or not a certificate's frame.
    #[error(transparent)]
    Der(#[from] DerError),
    /// The algorithm that is signed and the one outside differ (RFC 5280 section 4.1.1.2).
    #[error("it names two signature algorithms")]
    TwoAlgorithms,
    /// The signature is not whole bytes.
    #[error("its signature is not whole bytes")]
    Signature,
    /// More in its extensions than any honest one has.
    #[error("its extensions have more than {MAX_ELEMENTS} elements")]
    TooManyElements,
}

impl From<CountError> for FormError {
    fn from(error: CountError) -> Self {
        match error {
            CountError::Der(error) => Self::Der(error),
            CountError::TooMany => Self::TooManyElements,
        }
    }
}

/// Checks the frame of a certificate, and counts what is in its extensions.
pub(super) fn check_form(der: &[u8]) -> Result<(), FormError> {
    let mut whole = DerReader::new(der);
    let mut frame = whole.inside(tag::SEQUENCE)?;
    whole.finish()?;
    let mut signed = frame.inside(tag::SEQUENCE)?;
    let algorithm = frame.element(tag::SEQUENCE)?;
    let signature = frame.element(tag::BIT_STRING)?;
    frame.finish()?;
    if signature.first() != Some(&0) {
        return Err(FormError::Signature);
    }
    signed.optional(tag::explicit(0))?;
    signed.element(tag::INTEGER)?;
    if signed.element(tag::SEQUENCE)? != algorithm {
        return Err(FormError::TwoAlgorithms);
    }
    while !signed.is_empty() {
        if let Some(mut extensions) = signed.optional(EXTENSIONS)? {
            check_extensions(extensions.inside(tag::SEQUENCE)?)?;
        } else {
            signed.skip()?;
        }
    }
    Ok(())
}

fn check_extensions(mut extensions: DerReader<'_>) -> Result<(), FormError> {
    let mut left = MAX_ELEMENTS;
    while !extensions.is_empty() {
        let mut extension = extensions.inside(tag::SEQUENCE)?;
        let oid = extension.element(tag::OBJECT_IDENTIFIER)?;
        extension.optional(tag::BOOLEAN)?;
        let value = extension.element(tag::OCTET_STRING)?;
        extension.finish()?;
        if has_own_bound(oid) {
            continue;
        }
        DerReader::new(value).count(&mut left)?;
        // A lenient reader takes the first element and leaves the others unread.
        let mut only = DerReader::new(value);
        only.skip()?;
        only.finish()?;
    }
    Ok(())
}

/// STIR's own extensions are read here and not by a library.
fn has_own_bound(oid: &[u8]) -> bool {
    // All have ten bytes or less: a long one is not turned into text.
    oid.len() <= 10
        && matches!(
            Oid::new(oid.into()).to_id_string().as_str(),
            TN_AUTH_LIST_OID | CLAIM_CONSTRAINTS_OID | ENHANCED_CLAIM_CONSTRAINTS_OID
        )
}
