//! A chain of certificates that holds: for whom its leaf speaks, and within which
//! limits. Not here: judging (`chain`).

use serde_json::{Map, Value};

use super::certificate::Certificate;
use super::claim_constraints::{ClaimConstraintError, ClaimConstraints};
use super::public_key::StirPublicKey;
use super::tn_auth_list::TnAuthList;
use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;

/// A chain that holds; only [`super::verify_chain`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    pub(super) leaf: Certificate,
    pub(super) tn_auth_list: TnAuthList,
    pub(super) grant: TnAuthList,
    pub(super) public_key: StirPublicKey,
    pub(super) constraints: Vec<ClaimConstraints>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    /// Until when revocation lists tell of all its certificates, if any are configured.
    pub(super) told_until: Option<UnixTime>,
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

    /// Whether every certificate of the chain is valid at `now`, by a clock that may be a
    /// little behind the CA's.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        let begun = now.plus(clock_tolerance::CERTIFICATE);
        self.not_before <= begun && now <= self.not_after
    }

    /// Whether the lists by which it was judged still tell of its certificates at `now`.
    pub(super) fn is_told_of_at(&self, now: UnixTime) -> bool {
        self.told_until.is_none_or(|until| now <= until)
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
