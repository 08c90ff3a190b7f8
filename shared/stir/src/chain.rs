//! Judging certificates: whether a chain leads from a STIR leaf to a configured
//! root at a given time (RFC 5280 section 6 as far as STIR uses it, RFC 8226
//! section 10, RFC 9060 section 4).
//!
//! Deliberately not checked: name constraints and policy mappings (no STIR
//! authority uses them; critical ones are refused as unknown), and subject name
//! rules of profiles, which tell nothing about authority.

use std::ptr;
use std::sync::Arc;

use super::anchors::AnchorId;
use super::certificate::Certificate;
use super::chain_cache::{ChainDigest, PathDigest};
use super::chain_error::{ChainError, MAX_CHAIN_LENGTH};
use super::path::{SignatureChecks, check_common, find_paths, first_that_holds};
use super::public_key::StirPublicKey;
use super::revocation_lists::Issuer;
use super::signature::AuthorityKeyKind;
use super::tn_auth_list::{MAX_ENTRIES, TnAuthList};
use super::trust::TrustPolicy;
use super::verified_chain::VerifiedChain;
use pennyblack_base::time::UnixTime;

/// Judges certificates that were sent as a chain. The leaf is the first that is no CA's; the
/// order of the others does not matter. What cannot be read beside a chain that holds
/// decides nothing; roots that were sent are tolerated and not believed.
///
/// Times, roles, names and key identifiers are checked before signatures, signatures
/// before revocation. A path that fails gives way to the next, if there is another, under
/// the bounds of `path`.
/// The policy remembers the path of a chain that holds until one of its certificates ends
/// or a revocation list that it needs is due, whatever else was sent with it: anyone could
/// make thousands of chains out of one that somebody published.
///
/// # Errors
/// [`ChainError`] names the certificate and what to do.
pub fn verify_chain<D: AsRef<[u8]>>(
    chain: &[D],
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<Arc<VerifiedChain>, ChainError> {
    let sent = ChainDigest::of(chain);
    if let Some(known) = policy.verified.get(&sent, now) {
        return Ok(known);
    }
    let (certificates, unread) = parse(chain)?;
    let leaf = certificates.iter().find(|one| !is_authority(one));
    let leaf = leaf.ok_or_else(|| no_leaf(&certificates, unread.clone()))?;
    check_common(leaf, now)?;
    let tn_auth_list = check_leaf(leaf)?;
    let mut checks = SignatureChecks::default();
    let paths = find_paths(leaf, &certificates, policy.anchors(), now);
    let paths = paths.map_err(|error| match (error, &unread) {
        // It may be the CA that is missing.
        (ChainError::UnknownIssuer(_), Some(unread)) => unread.clone(),
        (error, _) => error,
    })?;
    let found = first_that_holds(paths, |path| {
        let digest = PathDigest::of(&path);
        let known = policy.verified.get_path(&digest, now);
        if !known.as_ref().is_some_and(|known| known.is_verified) {
            checks.verify(&path)?;
        }
        let verified = match known {
            Some(known) => known.chain,
            None => {
                let judged = Arc::new(judge_path(&path, leaf, tn_auth_list, policy, now)?);
                policy.verified.insert(&digest, &judged);
                judged
            }
        };
        Ok((path, digest, verified))
    });
    let (path, digest, verified) = found?;
    if unread.is_none() && is_all_of(&path, &certificates) {
        policy.verified.insert_spelling(sent, &digest);
    }
    Ok(verified)
}

/// Whether all that was sent is a path's certificates below its anchor, in their order.
fn is_all_of(path: &[&Certificate], sent: &[Certificate]) -> bool {
    let below = path.split_last().map(|(_, below)| below);
    below.is_some_and(|below| {
        below.len() == sent.len()
            && below
                .iter()
                .zip(sent)
                .all(|(one, other)| ptr::eq(*one, other))
    })
}

/// Judges all of a path but its signatures.
fn judge_path(
    path: &[&Certificate],
    leaf: &Certificate,
    tn_auth_list: &TnAuthList,
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<VerifiedChain, ChainError> {
    let grant = check_delegation(path)?.unwrap_or(tn_auth_list).clone();
    let told_until = check_revocation(path, policy, now)?;
    let public_key = StirPublicKey::from_sec1(&leaf.key.bytes).map_err(|_| wrong_key(leaf))?;
    let constraints = path.iter().flat_map(|c| c.constraints.clone()).collect();
    let latest_start = path.iter().map(|c| c.not_before()).max();
    let earliest_end = path.iter().map(|c| c.not_after()).min();
    Ok(VerifiedChain {
        leaf: leaf.clone(),
        tn_auth_list: tn_auth_list.clone(),
        grant,
        public_key,
        constraints,
        not_before: latest_start.unwrap_or(leaf.not_before()),
        not_after: earliest_end.unwrap_or(leaf.not_after()),
        told_until,
    })
}

/// What can be read, and why the first that cannot be read cannot.
fn parse<D: AsRef<[u8]>>(
    chain: &[D],
) -> Result<(Vec<Certificate>, Option<ChainError>), ChainError> {
    if chain.len() > MAX_CHAIN_LENGTH {
        return Err(ChainError::TooLong(chain.len()));
    }
    let (mut read, mut unread, mut entries) = (Vec::new(), None, 0);
    for (index, der) in chain.iter().enumerate() {
        match Certificate::parse(der.as_ref()) {
            Ok(certificate) => {
                let list = certificate.tn_auth_list();
                entries += list.map_or(0, |list| list.entries().len());
                read.push(certificate);
            }
            Err(error) if unread.is_none() => {
                unread = Some(ChainError::Certificate { index, error });
            }
            Err(_) => {}
        }
        if entries > MAX_ENTRIES {
            return Err(ChainError::TooManyEntries);
        }
    }
    Ok((read, unread))
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate.basic_constraints.is_some_and(|basic| basic.ca)
}

/// Only CAs' certificates could be read, if any.
fn no_leaf(certificates: &[Certificate], unread: Option<ChainError>) -> ChainError {
    let first = certificates.first();
    let authority = first.map(|one| match one.version_3 {
        true => ChainError::LeafIsAuthority(one.subject_text().to_owned()),
        false => ChainError::Version(one.subject_text().to_owned()),
    });
    unread.or(authority).unwrap_or(ChainError::Empty)
}

fn check_leaf(leaf: &Certificate) -> Result<&TnAuthList, ChainError> {
    let subject = || leaf.subject_text().to_owned();
    if !leaf.key_usage.is_some_and(|usage| usage.digital_signature) {
        return Err(ChainError::LeafKeyUsage(subject()));
    }
    if leaf.key.kind != AuthorityKeyKind::P256 {
        return Err(wrong_key(leaf));
    }
    let list = leaf.tn_auth_list();
    list.ok_or_else(|| ChainError::NoTnAuthList(subject()))
}

fn wrong_key(leaf: &Certificate) -> ChainError {
    ChainError::LeafKey {
        subject: leaf.subject_text().to_owned(),
        key: leaf.key.kind,
    }
}

/// An authority with a TNAuthList delegates (RFC 9060): nobody below it has more
/// than it has, not even below an authority in between that has no list. Returns
/// the highest list.
fn check_delegation<'a>(path: &[&'a Certificate]) -> Result<Option<&'a TnAuthList>, ChainError> {
    let mut above: Option<&TnAuthList> = None;
    for certificate in path.iter().rev() {
        let Some(own) = certificate.tn_auth_list() else {
            continue;
        };
        if let Some(entry) = above.and_then(|above| above.not_encompassed(own)) {
            return Err(ChainError::NotEncompassed {
                subject: certificate.subject_text().to_owned(),
                entry: entry.to_string(),
            });
        }
        above = Some(own);
    }
    Ok(path.iter().rev().find_map(|c| c.tn_auth_list()))
}

/// Each certificate below the anchor needs a current list that covers it. Returns until
/// when all of them have one; nothing if no lists are configured.
fn check_revocation(
    path: &[&Certificate],
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<Option<UnixTime>, ChainError> {
    let Some(lists) = &policy.revocation else {
        return Ok(None);
    };
    if let Some(revoked) = path.iter().find(|c| lists.is_revoked(c)) {
        return Err(ChainError::Revoked(revoked.subject_text().to_owned()));
    }
    let Some(anchor) = path.last().map(|anchor| AnchorId::of(anchor)) else {
        return Ok(None);
    };
    let issued = path.iter().zip(path.iter().skip(1));
    let told = issued.map(|(certificate, parent)| {
        let issuer = Issuer {
            key: parent.key.digest(),
            anchor: &anchor,
        };
        lists.told_until(certificate, &issuer, now)
    });
    told.reduce(|first, second| Ok(first?.min(second?)))
        .transpose()
}
