//! The path from a certificate to a root: names, key identifiers, roles, times and
//! signatures on the way (RFC 5280 section 6 as far as STIR uses it). Not here: what a
//! leaf must be, and whether anything on the path is revoked.
//!
//! Anyone may send certificates, and a signature is the dearest thing about them. So paths
//! are found without any, and then verified from the root downwards: **each certificate costs
//! one check that holds at most, and [`MAX_FAILURES`] in all fail, each by a key that is
//! proven.** A path that fails gives way to the next, so a forged certificate beside a good one
//! decides nothing.

use std::ptr;

use super::anchors::TrustAnchors;
use super::certificate::Certificate;
use super::chain_error::{ChainError, MAX_CHAIN_LENGTH};
use super::signature::SignatureError;
use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;

/// Most signatures that fail before a chain is given up: a sender without a CA's signature
/// gets so many checked.
pub(super) const MAX_FAILURES: usize = 3;

/// Most ways upwards that are followed from a leaf. Honest chains have one or two; without
/// a bound, certificates that all name each other would have hundreds.
const MAX_WAYS: usize = 32;

/// Certificates each of which may have issued the one before it.
pub(super) type Path<'a> = Vec<&'a Certificate>;

/// Finds a path from `leaf` to an anchor whose signatures hold. It starts with the leaf
/// and ends with the anchor.
pub(super) fn verify_path<'a>(
    leaf: &'a Certificate,
    others: &'a [Certificate],
    anchors: &'a TrustAnchors,
    now: UnixTime,
) -> Result<Path<'a>, ChainError> {
    let mut checks = SignatureChecks::default();
    let paths = find_paths(leaf, others, anchors, now)?;
    first_that_holds(paths, |path| checks.verify(&path).map(|()| path))
}

/// The first that passes, or why the first of all did not.
pub(super) fn first_that_holds<'a, T>(
    paths: Vec<Path<'a>>,
    mut judge: impl FnMut(Path<'a>) -> Result<T, ChainError>,
) -> Result<T, ChainError> {
    let mut refusal = ChainError::Empty;
    for (index, path) in paths.into_iter().enumerate() {
        match judge(path) {
            Ok(judged) => return Ok(judged),
            Err(error) if index == 0 => refusal = error,
            Err(_) => {}
        }
    }
    Err(refusal)
}

/// Finds the paths from `leaf` to an anchor, of which there is at least one, the shortest
/// first; no signature is looked at. The leaf may be among the others.
pub(super) fn find_paths<'a>(
    leaf: &'a Certificate,
    others: &'a [Certificate],
    anchors: &'a TrustAnchors,
    now: UnixTime,
) -> Result<Vec<Path<'a>>, ChainError> {
    let mut ways = vec![(leaf, vec![leaf])];
    let (mut paths, mut refusal, mut next) = (Vec::new(), None, 0);
    while let Some((child, way)) = ways.get(next).cloned() {
        next += 1;
        let upwards = |parent: &'a Certificate| [way.as_slice(), &[parent]].concat();
        let below = way.len() - 1;
        let tops = parents_of(child, anchors.iter(), below, now, &mut refusal);
        paths.extend(tops.into_iter().map(upwards));
        if child.authority_key_id.is_none() {
            refusal = Some(ChainError::NoAuthorityKeyId(name_of(child)));
        }
        let others = others.iter();
        let unused = others.filter(|other| !way.iter().any(|one| ptr::eq(*one, *other)));
        let between = parents_of(child, unused, below, now, &mut refusal);
        // One of these and an anchor belong to the path, too.
        let length = way.len() + 2;
        if length > MAX_CHAIN_LENGTH && !between.is_empty() {
            refusal = Some(ChainError::TooLong(length));
        } else {
            ways.extend(between.into_iter().map(|parent| (parent, upwards(parent))));
            ways.truncate(MAX_WAYS);
        }
    }
    if paths.is_empty() {
        let last = ways.last().map_or(leaf, |(last, _)| *last);
        return Err(refusal.unwrap_or_else(|| ChainError::UnknownIssuer(name_of(last))));
    }
    Ok(paths)
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

/// By name; and the key identifiers must be there (RFC 5280 sections 4.2.1.1 and 4.2.1.2):
/// of two CAs, or two keys of one, of the same name they tell which, and no signature
/// has to.
fn is_issuer_of(parent: &Certificate, child: &Certificate) -> bool {
    let key_id = child.authority_key_id.as_ref();
    key_id.is_some() && key_id == parent.subject_key_id.as_ref() && child.issuer == parent.subject
}

/// The signatures that were checked for one chain: none twice, and no more once
/// [`MAX_FAILURES`] have failed.
#[derive(Default)]
pub(super) struct SignatureChecks<'a>(Vec<Checked<'a>>);

/// A certificate, the one above it, and whether the signature holds.
type Checked<'a> = (&'a Certificate, &'a Certificate, Result<(), SignatureError>);

impl<'a> SignatureChecks<'a> {
    /// Verifies the signatures of a path, from its anchor downwards; the first that fails is
    /// the last.
    pub(super) fn verify(&mut self, path: &[&'a Certificate]) -> Result<(), ChainError> {
        let mut downwards: Vec<_> = path.iter().zip(path.iter().skip(1)).collect();
        downwards.reverse();
        downwards.into_iter().try_for_each(|(child, parent)| {
            self.check(child, parent)?
                .map_err(|error| ChainError::Signature {
                    subject: name_of(child),
                    error,
                })
        })
    }

    fn check(
        &mut self,
        child: &'a Certificate,
        parent: &'a Certificate,
    ) -> Result<Result<(), SignatureError>, ChainError> {
        let mut known = self.0.iter();
        let known = known.find(|(one, above, _)| ptr::eq(*one, child) && ptr::eq(*above, parent));
        if let Some((_, _, verdict)) = known {
            return Ok(verdict.clone());
        }
        let failed = self.0.iter().filter(|(_, _, verdict)| verdict.is_err());
        if failed.count() == MAX_FAILURES {
            return Err(ChainError::TooManyPaths);
        }
        let verdict = child.signed.verify(&parent.key);
        self.0.push((child, parent, verdict.clone()));
        Ok(verdict)
    }
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
    if now.plus(clock_tolerance::CERTIFICATE) < certificate.not_before() {
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
    if certificate.has_other_purpose {
        return Err(ChainError::OtherPurpose(subject()));
    }
    match &certificate.unknown_critical {
        Some(oid) => Err(ChainError::UnknownCritical {
            subject: subject(),
            oid: oid.clone(),
        }),
        None => Ok(()),
    }
}
