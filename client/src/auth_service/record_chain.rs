//! The certificates by which a key record is verified. Not here: what the record says.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::CertificateSource as _;
use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_stir::jws::{CertificateReference, X5c};
use pennyblack_stir::{TrustPolicy, VerifiedChain, verify_chain};

use super::refusals::RefusedRecord;
use crate::certificates::Certificates;

/// The certificates that a record has or names, verified.
pub(crate) fn chain_of(
    record: &UnverifiedKeyRecord,
    certificates: &Certificates,
    trust: &TrustPolicy,
    now: UnixTime,
) -> Result<Arc<VerifiedChain>, RefusedRecord> {
    let x5c: X5c = match record.certificate() {
        CertificateReference::X5c(x5c) => x5c.clone(),
        CertificateReference::X5u(url) => certificates
            .certificates(url)
            .ok_or_else(|| RefusedRecord::NoCertificate(url.to_string()))?,
    };
    Ok(verify_chain(x5c.certificates(), trust, now)?)
}
