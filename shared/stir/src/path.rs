//! The path from a certificate to a root: names, roles, times and signatures on the
//! way (RFC 5280 section 6 as far as STIR uses it). Not here: what a leaf must be, and
//! whether anything on the path is revoked.

use super::anchors::TrustAnchors;
use super::certificate::Certificate;
use super::chain_error::{ChainError, MAX_CHAIN_LENGTH};
use pennyblack_base::time::UnixTime;

/// Finds the path from `leaf` to an anchor and verifies its signatures. The
/// returned path starts with the leaf and ends with the anchor.
pub(super) fn verify_path<'a>(
    leaf: &'a Certificate,
    others: &'a [Certificate],
    anchors: &'a TrustAnchors,
    now: UnixTime,
) -> Result<Vec<&'a Certificate>, ChainError> {
    let mut path = vec![leaf];
    let mut current = leaf;
    // Every step takes one more of `others`, so this ends.
    loop {
        let below = path.len() - 1;
        let above = |parent: &&Certificate| issued_by_name(current, parent);
        let unused = |parent: &&Certificate| !path.contains(parent);
        let anchor = anchors.iter().filter(above);
        let between = others.iter().filter(above).filter(unused);
        let mut refusal = ChainError::UnknownIssuer(current.subject_text().to_owned());
        let mut found = None;
        for (parent, is_anchor) in anchor.map(|c| (c, true)).chain(between.map(|c| (c, false))) {
            match check_parent(current, parent, below, now) {
                Ok(()) => {
                    found = Some((parent, is_anchor));
                    break;
                }
                Err(error) => refusal = error,
            }
        }
        let Some((parent, is_anchor)) = found else {
            return Err(refusal);
        };
        path.push(parent);
        if is_anchor {
            return Ok(path);
        }
        if path.len() >= MAX_CHAIN_LENGTH {
            return Err(ChainError::TooLong(path.len() + 1));
        }
        current = parent;
    }
}

/// By name; and by key identifier where both have one.
fn issued_by_name(child: &Certificate, parent: &Certificate) -> bool {
    let same_key = match (&child.authority_key_id, &parent.subject_key_id) {
        (Some(authority), Some(subject)) => authority == subject,
        _ => true,
    };
    child.issuer == parent.subject && same_key
}

/// Checks times, role, path length (`below` authorities are under it already)
/// and then the signature.
fn check_parent(
    child: &Certificate,
    parent: &Certificate,
    below: usize,
    now: UnixTime,
) -> Result<(), ChainError> {
    check_common(parent, now)?;
    let subject = || parent.subject_text().to_owned();
    let basic = parent.basic_constraints.filter(|basic| basic.ca);
    let may_sign = parent.key_usage.is_none_or(|usage| usage.key_cert_sign);
    let Some(basic) = basic.filter(|_| may_sign) else {
        return Err(ChainError::NotAnAuthority(subject()));
    };
    match basic.path_length {
        Some(allowed) if u64::from(allowed) < below as u64 => {
            return Err(ChainError::PathLength {
                subject: subject(),
                allowed,
                actual: below,
            });
        }
        _ => {}
    }
    child
        .signed
        .verify(&parent.key)
        .map_err(|error| ChainError::Signature {
            subject: child.subject_text().to_owned(),
            error,
        })
}

/// What every certificate must be, whatever its role.
pub(super) fn check_common(certificate: &Certificate, now: UnixTime) -> Result<(), ChainError> {
    let subject = || certificate.subject_text().to_owned();
    if !certificate.version_3 {
        return Err(ChainError::Version(subject()));
    }
    if now < certificate.not_before() {
        return Err(ChainError::NotYetValid {
            subject: subject(),
            not_before: certificate.not_before(),
            now,
        });
    }
    if now > certificate.not_after() {
        return Err(ChainError::Expired {
            subject: subject(),
            not_after: certificate.not_after(),
            now,
        });
    }
    match &certificate.unknown_critical {
        Some(oid) => Err(ChainError::UnknownCritical {
            subject: subject(),
            oid: oid.clone(),
        }),
        None => Ok(()),
    }
}
