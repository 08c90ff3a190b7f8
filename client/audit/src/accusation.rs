//! Double spends whose evidence is to be verified, many side by side: of all that an
//! auditor does this takes the longest. Not here: whether the CPS takes the key.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use pennyblack_evidence::double_spend::{DoubleSpendEvidence, EvidenceError};
use pennyblack_privacypass::token_key::TokenVerifier;

/// So many are verified at a time: enough for all processors, and little memory.
const AT_ONCE: usize = 1_024;

/// What an entry accuses somebody of.
pub(super) struct Accusation {
    /// Its place in the log.
    pub(super) index: u64,
    pub(super) evidence: Box<DoubleSpendEvidence>,
    /// Verifies the token; none, if only its issuer can.
    pub(super) verifier: Option<Arc<TokenVerifier>>,
}

impl Accusation {
    fn verify(&self) -> Result<(), (u64, EvidenceError)> {
        let proven = match &self.verifier {
            Some(verifier) => self.evidence.verify(verifier).map(|_| ()),
            None => self.evidence.verify_requests(),
        };
        proven.map_err(|error| (self.index, error))
    }
}

/// Accusations in the order of the log.
#[derive(Default)]
pub(super) struct Accusations(Vec<Accusation>);

impl Accusations {
    /// Takes one more, and verifies all when there are many.
    ///
    /// # Errors
    /// The place of the first that proves nothing, and why.
    pub(super) fn push(&mut self, accusation: Accusation) -> Result<(), (u64, EvidenceError)> {
        self.0.push(accusation);
        if self.0.len() >= AT_ONCE {
            return self.settle();
        }
        Ok(())
    }

    /// Verifies those that are left.
    ///
    /// # Errors
    /// The place of the first that proves nothing, and why.
    pub(super) fn settle(&mut self) -> Result<(), (u64, EvidenceError)> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let each = self.0.len().div_ceil(processors).max(1);
        let verified = thread::scope(|scope| {
            let parts = self.0.chunks(each);
            let threads: Vec<_> = parts
                .map(|part| scope.spawn(|| part.iter().try_for_each(Accusation::verify)))
                .collect();
            let verified = threads.into_iter().map(|thread| match thread.join() {
                Ok(verified) => verified,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            // All are waited for; the first in the order of the log is told.
            verified.collect::<Vec<_>>()
        });
        self.0.clear();
        verified.into_iter().collect()
    }
}
