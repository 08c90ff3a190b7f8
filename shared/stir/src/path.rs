//! The path from a certificate to a root: names, key identifiers, roles, times and
//! signatures on the way (RFC 5280 section 6 as far as STIR uses it). Not here: what a
//! leaf must be, and whether anything on the path is revoked.
//!
//! Anyone may send certificates, and a signature is the dearest thing about them. So the
//! path is found without any, and then verified from the root downwards: **each
//! certificate costs one check at most, by a key that is proven, and the first that fails
//! is the last.** A sender without a CA's signature makes us
//! check one, by a root's key.

use std::ptr;

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
    let path = find_path(leaf, others, anchors, now)?;
    verify_signatures(&path)?;
    Ok(path)
}

/// A certificate that the leaf leads to.
struct Reached<'a> {
    certificate: &'a Certificate,
    /// The index of the one below it; none for the leaf.
    below: Option<usize>,
    /// How many certificates are below it.
    depth: usize,
}

/// Finds a shortest path to an anchor, which starts with the leaf and ends with the
/// anchor; no signature is looked at. Each certificate is
/// reached once, by the shortest way, which is the one that path lengths allow if they
/// allow any. So this takes a few comparisons for each pair of certificates, whatever
/// names they have.
pub(super) fn find_path<'a>(
    leaf: &'a Certificate,
    others: &'a [Certificate],
    anchors: &'a TrustAnchors,
    now: UnixTime,
) -> Result<Vec<&'a Certificate>, ChainError> {
    let mut reached = vec![Reached {
        certificate: leaf,
        below: None,
        depth: 0,
    }];
    let mut refusal = None;
    let mut next = 0;
    while let Some(&Reached {
        certificate: child,
        depth,
        ..
    }) = reached.get(next)
    {
        match parents_of(child, anchors.iter(), depth, now, &mut refusal).first() {
            Some(anchor) => return Ok(path_to(&reached, next, anchor)),
            None if child.authority_key_id.is_none() => {
                refusal = Some(ChainError::NoAuthorityKeyId(name_of(child)));
            }
            None => {}
        }
        let unreached = others
            .iter()
            .filter(|other| !reached.iter().any(|one| ptr::eq(one.certificate, *other)));
        let between = parents_of(child, unreached, depth, now, &mut refusal);
        // The leaf and an anchor belong to the path, too.
        if depth + 3 > MAX_CHAIN_LENGTH && !between.is_empty() {
            refusal = Some(ChainError::TooLong(depth + 3));
        } else {
            reached.extend(between.into_iter().map(|certificate| Reached {
                certificate,
                below: Some(next),
                depth: depth + 1,
            }));
        }
        next += 1;
    }
    let last = reached.last().map_or(leaf, |one| one.certificate);
    Err(refusal.unwrap_or_else(|| ChainError::UnknownIssuer(name_of(last))))
}

/// Those candidates that may have issued `child` by all but the signature. Why another
/// of its issuer's name and key may not is left in `refusal`.
fn parents_of<'a>(
    child: &Certificate,
    candidates: impl Iterator<Item = &'a Certificate>,
    below: usize,
    now: UnixTime,
    refusal: &mut Option<ChainError>,
) -> Vec<&'a Certificate> {
    let named = candidates.filter(|candidate| is_issuer_of(candidate, child));
    let checked = named.filter_map(|candidate| {
        let allowed = check_authority(candidate, below, now);
        allowed.map_err(|error| *refusal = Some(error)).ok()?;
        Some(candidate)
    });
    checked.collect()
}

/// From the leaf over `reached[index]` to the anchor.
fn path_to<'a>(
    reached: &[Reached<'a>],
    index: usize,
    anchor: &'a Certificate,
) -> Vec<&'a Certificate> {
    let mut path = vec![anchor];
    let mut at = reached.get(index);
    while let Some(one) = at {
        path.push(one.certificate);
        at = one.below.and_then(|below| reached.get(below));
    }
    path.reverse();
    path
}

/// By name; and the key identifiers must be there (RFC 5280 sections 4.2.1.1 and 4.2.1.2):
/// of two CAs, or two keys of one, of the same name they tell which, and no signature
/// has to.
fn is_issuer_of(parent: &Certificate, child: &Certificate) -> bool {
    let key_id = child.authority_key_id.as_ref();
    key_id.is_some() && key_id == parent.subject_key_id.as_ref() && child.issuer == parent.subject
}

/// Verifies the signatures of a path, from its anchor downwards.
pub(super) fn verify_signatures(path: &[&Certificate]) -> Result<(), ChainError> {
    let parents = path.iter().skip(1);
    let mut downwards: Vec<_> = path.iter().zip(parents).collect();
    downwards.reverse();
    downwards.into_iter().try_for_each(|(child, parent)| {
        let verified = child.signed.verify(&parent.key);
        verified.map_err(|error| ChainError::Signature {
            subject: name_of(child),
            error,
        })
    })
}

/// Checks times, role and path length: `below` CAs are under it already.
fn check_authority(parent: &Certificate, below: usize, now: UnixTime) -> Result<(), ChainError> {
    check_common(parent, now)?;
    let basic = parent.basic_constraints.filter(|basic| basic.ca);
    let may_sign = parent.key_usage.is_none_or(|usage| usage.key_cert_sign);
    let Some(basic) = basic.filter(|_| may_sign) else {
        return Err(ChainError::NotAnAuthority(name_of(parent)));
    };
    match basic.path_length {
        Some(allowed) if u64::from(allowed) < below as u64 => Err(ChainError::PathLength {
            subject: name_of(parent),
            allowed,
            actual: below,
        }),
        _ => Ok(()),
    }
}

fn name_of(certificate: &Certificate) -> String {
    certificate.subject_text().to_owned()
}

/// What every certificate must be, whatever its role.
pub(super) fn check_common(certificate: &Certificate, now: UnixTime) -> Result<(), ChainError> {
    let subject = || name_of(certificate);
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
