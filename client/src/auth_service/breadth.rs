//! How specific a record is by what its certificates say, before they are verified. Not here: what
//! they prove.

use pennyblack_protocol::key_record::{Breadth, SPC_NUMBERS, UnverifiedKeyRecord, width_of};
use pennyblack_stir::Certificate;
use pennyblack_stir::jws::CertificateReference;

/// How specific a record is by what it brings, as in [`VerifiedKeyRecord::breadth`]: its
/// certificates are not verified yet, or not even fetched, and then count as an SPC's. One
/// beside the path makes it less specific at the most.
pub(super) fn claimed_breadth(record: &UnverifiedKeyRecord) -> Breadth {
    let (signer, highest) = match record.certificate() {
        CertificateReference::X5c(x5c) => {
            let mut widths = x5c.certificates().iter().map(|one| claimed_width(one));
            let signer = widths.next().flatten().unwrap_or(u64::MAX);
            (signer, widths.flatten().fold(signer, u64::max))
        }
        CertificateReference::X5u(_) => (SPC_NUMBERS, SPC_NUMBERS),
    };
    Breadth {
        signer,
        highest,
        record: record.record().coverage.count(),
    }
}

/// How many numbers a certificate says that it covers, if it has a list.
fn claimed_width(certificate: &[u8]) -> Option<u64> {
    let certificate = Certificate::parse(certificate).ok()?;
    let coverage = pennyblack_stir::Coverage::of(certificate.tn_auth_list()?).ok()?;
    Some(width_of(&coverage))
}
