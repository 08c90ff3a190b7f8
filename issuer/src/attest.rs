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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::future::{join_all, poll_immediate};
    use pennyblack_service::worker_pool::{PoolError, WorkerPool};
    use pennyblack_trust::TrustConfig;
    use tokio::sync::oneshot;

    use super::*;

    const NOW: UnixTime = UnixTime(1_790_000_000);

    #[tokio::test]
    async fn when_as_many_attestations_wait_as_may_the_next_is_refused_unread() {
        let home = tempfile::tempdir().unwrap();
        let roots = TrustConfig::new(home.path().join("roots"));
        let trust = Trust::open(&roots, &home.path().join("trust"), NOW).unwrap();
        let authority = "issuer.test".parse().unwrap();
        let attestor = Attestor::start(authority, Arc::new(trust)).unwrap();
        let attest = || attestor.attest(Some("Bearer x"), Bytes::new(), NOW);

        let (mut held, mut working) = (Vec::new(), Vec::new());
        for _ in 0..WorkerPool::one_worker_a_core().get() {
            let (hold, release) = channel::<()>();
            let (started, has_started) = oneshot::channel();
            let mut work = Box::pin(attestor.pool.run(move || {
                let _ = started.send(());
                let _ = release.recv();
            }));
            assert!(poll_immediate(&mut work).await.is_none());
            has_started.await.unwrap();
            held.push(hold);
            working.push(work);
        }
        let mut waiting = Vec::new();
        let refusal = loop {
            let mut next = Box::pin(attest());
            match poll_immediate(&mut next).await {
                None => waiting.push(next),
                Some(refused) => break refused.unwrap_err(),
            }
        };
        let busy = Refusal::Verification(PoolError::Busy { queue: 256 });
        assert_eq!(refusal.to_string(), busy.to_string());
        assert_eq!(waiting.len(), 256);
        drop(held);
        for read in join_all(waiting).await {
            assert!(matches!(read, Err(Refusal::Attestation(_))));
        }
    }
}
