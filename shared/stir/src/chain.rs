//! Judging certificates: whether a chain leads from a STIR leaf to a configured
//! root at a given time (RFC 5280 section 6 as far as STIR uses it, RFC 8226
//! section 10, RFC 9060 section 4).
//!
//! Deliberately not checked: name constraints and policy mappings (no STIR
//! authority uses them; critical ones are refused as unknown), and subject name
//! rules of profiles, which tell nothing about authority.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::certificate::Certificate;
use super::chain_cache::ChainDigest;
use super::chain_error::ChainError;
use super::claim_constraints::{ClaimConstraintError, ClaimConstraints};
use super::public_key::StirPublicKey;
use super::signature::AuthorityKeyKind;
use super::tn_auth_list::TnAuthList;
use super::trust::{TrustAnchors, TrustPolicy};
use pennyblack_base::time::UnixTime;

/// Most certificates of a chain, leaf and root included.
pub const MAX_CHAIN_LENGTH: usize = 6;

/// A chain that holds; only [`verify_chain`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    leaf: Certificate,
    tn_auth_list: TnAuthList,
    grant: TnAuthList,
    public_key: StirPublicKey,
    constraints: Vec<ClaimConstraints>,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl VerifiedChain {
    /// The leaf.
    #[must_use]
    pub const fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// Whom the leaf speaks for.
    #[must_use]
    pub const fn tn_auth_list(&self) -> &TnAuthList {
        &self.tn_auth_list
    }

    /// Where the leaf's authority comes from: the list of the highest certificate
    /// of the path that has one. It encompasses [`Self::tn_auth_list`], and is the
    /// same list unless a holder delegated (RFC 9060).
    #[must_use]
    pub const fn grant(&self) -> &TnAuthList {
        &self.grant
    }

    /// The leaf's key.
    #[must_use]
    pub const fn public_key(&self) -> &StirPublicKey {
        &self.public_key
    }

    /// Until when the chain holds: the earliest end of its certificates.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether every certificate of the chain is valid at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Checks a PASSporT's claims against the constraints of every certificate
    /// of the chain (RFC 8226 section 8, RFC 9118).
    ///
    /// # Errors
    /// [`ClaimConstraintError`].
    pub fn check_claims(&self, claims: &Map<String, Value>) -> Result<(), ClaimConstraintError> {
        self.constraints.iter().try_for_each(|c| c.evaluate(claims))
    }
}

/// Judges a chain, leaf first, the others in any order; roots in it are
/// tolerated and not believed.
///
/// Times and roles are checked before signatures, signatures before revocation.
/// The policy remembers a chain that holds: the next time only what changes with
/// time is checked, its certificates' ends and the age of the revocation lists.
///
/// # Errors
/// [`ChainError`] names the certificate and what to do.
pub fn verify_chain<D: AsRef<[u8]>>(
    chain: &[D],
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<Arc<VerifiedChain>, ChainError> {
    let digest = ChainDigest::of(chain);
    if let Some(known) = policy.verified.get(&digest, now) {
        check_lists_current(policy, now)?;
        return Ok(known);
    }
    let judged = Arc::new(judge_chain(chain, policy, now)?);
    policy.verified.insert(digest, &judged);
    Ok(judged)
}

fn judge_chain<D: AsRef<[u8]>>(
    chain: &[D],
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<VerifiedChain, ChainError> {
    let certificates = parse(chain)?;
    let (leaf, others) = certificates.split_first().ok_or(ChainError::Empty)?;
    check_common(leaf, now)?;
    let (tn_auth_list, public_key) = check_leaf(leaf)?;
    let path = verify_path(leaf, others, policy.anchors(), now)?;
    let grant = check_delegation(&path)?.unwrap_or(&tn_auth_list).clone();
    check_revocation(&path, policy, now)?;
    let constraints = path.iter().flat_map(|c| c.constraints.clone()).collect();
    let latest_start = path.iter().map(|c| c.not_before()).max();
    let earliest_end = path.iter().map(|c| c.not_after()).min();
    Ok(VerifiedChain {
        leaf: leaf.clone(),
        tn_auth_list,
        grant,
        public_key,
        constraints,
        not_before: latest_start.unwrap_or(leaf.not_before()),
        not_after: earliest_end.unwrap_or(leaf.not_after()),
    })
}

fn parse<D: AsRef<[u8]>>(chain: &[D]) -> Result<Vec<Certificate>, ChainError> {
    if chain.len() > MAX_CHAIN_LENGTH {
        return Err(ChainError::TooLong(chain.len()));
    }
    let read = chain.iter().enumerate().map(|(index, der)| {
        Certificate::parse(der.as_ref()).map_err(|error| ChainError::Certificate { index, error })
    });
    read.collect()
}

/// What every certificate must be, whatever its role.
fn check_common(certificate: &Certificate, now: UnixTime) -> Result<(), ChainError> {
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

fn check_leaf(leaf: &Certificate) -> Result<(TnAuthList, StirPublicKey), ChainError> {
    let subject = || leaf.subject_text().to_owned();
    if leaf.basic_constraints.is_some_and(|basic| basic.ca) {
        return Err(ChainError::LeafIsAuthority(subject()));
    }
    if !leaf.key_usage.is_some_and(|usage| usage.digital_signature) {
        return Err(ChainError::LeafKeyUsage(subject()));
    }
    let wrong_key = || ChainError::LeafKey {
        subject: subject(),
        key: leaf.key.kind,
    };
    if leaf.key.kind != AuthorityKeyKind::P256 {
        return Err(wrong_key());
    }
    let public_key = StirPublicKey::from_sec1(&leaf.key.bytes).map_err(|_| wrong_key())?;
    let list = leaf.tn_auth_list().cloned();
    Ok((
        list.ok_or_else(|| ChainError::NoTnAuthList(subject()))?,
        public_key,
    ))
}

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

/// Names are compared byte by byte; the key identifiers where both have one.
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

fn check_revocation(
    path: &[&Certificate],
    policy: &TrustPolicy,
    now: UnixTime,
) -> Result<(), ChainError> {
    check_lists_current(policy, now)?;
    let Some(lists) = &policy.revocation else {
        return Ok(());
    };
    let revoked = path.iter().find(|c| lists.is_revoked(&c.issuer, &c.serial));
    revoked.map_or(Ok(()), |c| {
        Err(ChainError::Revoked(c.subject_text().to_owned()))
    })
}

fn check_lists_current(policy: &TrustPolicy, now: UnixTime) -> Result<(), ChainError> {
    policy.overdue(now).map_or(Ok(()), |next_update| {
        Err(ChainError::StaleRevocation { next_update, now })
    })
}
