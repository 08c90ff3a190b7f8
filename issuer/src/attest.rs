//! Who asks for tokens: the attestation that comes with a request, checked in
//! the order of docs/protocol.md section 2, on threads of its own. The checks themselves
//! are those of `pennyblack_attestation`; here they meet this issuer's name and trust.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use pennyblack_attestation::{Attested, UnverifiedAttestation};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_trust::{Trust, VerificationPool};

use crate::refusal::Refusal;

/// Accepts attestations for one issuer.
#[derive(Debug)]
pub struct Attestor {
    policy: Arc<AttestationPolicy>,
    pool: VerificationPool,
}

/// By what attestations are judged.
#[derive(Debug)]
struct AttestationPolicy {
    authority: Authority,
    trust: Arc<Trust>,
}

impl Attestor {
    /// For the issuer named `authority`, which trusts what `trust` does.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(authority: Authority, trust: Arc<Trust>) -> io::Result<Self> {
        Ok(Self {
            policy: Arc::new(AttestationPolicy { authority, trust }),
            pool: VerificationPool::start()?,
        })
    }

    /// For whom `authorization` proves that `body` was sent.
    ///
    /// # Errors
    /// [`Refusal::NoAttestation`], [`Refusal::Verification`], [`Refusal::Attestation`] or
    /// [`Refusal::Certificate`].
    pub async fn attest(
        &self,
        authorization: Option<&str>,
        body: Bytes,
        now: UnixTime,
    ) -> Result<Attested, Refusal> {
        let authorization = authorization.ok_or(Refusal::NoAttestation)?.to_owned();
        let policy = Arc::clone(&self.policy);
        let verified = self
            .pool
            .run(move || policy.verify(&authorization, &body, now));
        verified.await.map_err(Refusal::Verification)?
    }
}

impl AttestationPolicy {
    fn verify(&self, authorization: &str, body: &[u8], now: UnixTime) -> Result<Attested, Refusal> {
        let attestation = UnverifiedAttestation::from_authorization(authorization)?;
        let attestation = attestation.check_current(&self.authority, now)?;
        let chain = self.trust.verify(attestation.certificate(), now)?;
        Ok(attestation.verify(&chain, body)?)
    }
}
