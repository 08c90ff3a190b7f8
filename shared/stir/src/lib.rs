//! STIR credentials: telephone numbers, certificates (RFC 8226, RFC 9060, RFC 9118)
//! with their revocation lists, whether a chain of them may be relied upon at a given
//! time, who holds which numbers, and the JSON Web Signatures made with them (RFC 8225
//! section 4). Not here: PASSporTs, and what else is signed so.

mod advertisement;
mod anchors;
mod certificate;
mod certificate_file;
mod certificate_form;
mod certificate_key;
mod chain;
mod chain_cache;
mod chain_error;
#[cfg(test)]
mod chain_tests;
mod claim_constraints;
#[cfg(test)]
mod corpus_tests;
mod coverage;
mod cps_uri;
mod der;
mod directory_hint;
mod distribution_point;
mod hinted_cps;
pub mod jws;
mod list_identity;
mod name;
mod number_block;
pub mod numbering;
mod object_identifier;
mod path;
mod public_key;
mod revocation;
mod revocation_entries;
mod revocation_error;
mod revocation_lists;
#[cfg(test)]
mod revocation_tests;
mod signature;
mod spc;
pub mod telephone_number;
#[cfg(any(test, feature = "testing"))]
pub mod test_lists;
#[cfg(any(test, feature = "testing"))]
pub mod test_pki;
mod tn_auth_list;
mod trust;
mod trust_error;
mod verified_chain;

pub use advertisement::{
    Advertisement, AdvertisementError, MAX_ADVERTISED, MAX_ADVERTISEMENT_SIZE,
};
pub use anchors::{AnchorId, TrustAnchors};
pub use certificate::{
    BasicConstraints, Certificate, CertificateError, KeyUsage, MAX_CERTIFICATE_SIZE,
};
pub use certificate_file::{LIST_FILES, ROOT_FILES, certificates_of_file};
pub use chain::verify_chain;
pub use chain_error::{ChainError, MAX_CHAIN_LENGTH};
pub use claim_constraints::{
    CLAIM_CONSTRAINTS_OID, ClaimConstraintError, ClaimConstraints, ClaimConstraintsFormError,
    ENHANCED_CLAIM_CONSTRAINTS_OID,
};
pub use coverage::{Coverage, CoverageError, Extent, MAX_EXTENTS};
pub use cps_uri::{CpsUriError, EXPERIMENTAL_CPS_URI_OID, MAX_CPS_URIS, parse_cps_uris};
pub use der::DerError;
pub use directory_hint::DirectoryHint;
pub use hinted_cps::{HintedCps, HintedUriError, MAX_HINTED_URI_SIZE};
pub use list_identity::{ListAge, ListIdentity, ListScope};
pub use name::{Name, NameError};
pub use object_identifier::{ObjectIdentifier, ObjectIdentifierError};
pub use public_key::{POINT_SIZE, StirKeyError, StirPublicKey};
pub use revocation::RevocationList;
pub use revocation_error::{MAX_LIST_SIZE, RevocationError};
pub use revocation_lists::RevocationLists;
pub use signature::{AuthorityKeyKind, SignatureError};
pub use spc::{MAX_SPC_LENGTH, Spc, SpcError};
pub use tn_auth_list::{TN_AUTH_LIST_OID, TnAuthList, TnAuthListError, TnEntry};
pub use trust::TrustPolicy;
pub use trust_error::TrustError;
pub use verified_chain::VerifiedChain;
