//! Who asks for tokens: the attestation that comes with a request, checked in
//! the order of docs/protocol.md section 2. The checks themselves are
//! those of `pennyblack_attestation`; here they meet this issuer's name and trust.

use std::sync::Arc;

use pennyblack_attestation::{Attested, UnverifiedAttestation};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_trust::Trust;

use crate::refusal::Refusal;

/// Accepts attestations for one issuer.
#[derive(Debug)]
pub struct Attestor {
    authority: Authority,
    trust: Arc<Trust>,
}

impl Attestor {
    /// For the issuer named `authority`, which trusts what `trust` does.
    #[must_use]
    pub const fn new(authority: Authority, trust: Arc<Trust>) -> Self {
        Self { authority, trust }
    }

    /// For whom `authorization` proves that `body` was sent.
    ///
    /// # Errors
    /// [`Refusal::NoAttestation`], [`Refusal::Attestation`] or [`Refusal::Certificate`].
    pub fn attest(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Attested, Refusal> {
        let authorization = authorization.ok_or(Refusal::NoAttestation)?;
        let attestation = UnverifiedAttestation::from_authorization(authorization)?;
        let attestation = attestation.check_current(&self.authority, now)?;
        let chain = self.trust.verify(attestation.certificate(), now)?;
        Ok(attestation.verify(&chain, body)?)
    }
}
