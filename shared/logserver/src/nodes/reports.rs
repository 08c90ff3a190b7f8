//! How a follower has a double spend in the log: it reports the evidence to the leader,
//! which checks it as anybody would. Not here: that check, which is the service's.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use zeroize::Zeroizing;

use super::{LeaderClient, StateError};

/// How many tokens are remembered whose double spend the leader has accepted: 64 bytes
/// each.
const REMEMBERED: usize = 16_384;

/// By which the nodes of one service know each other.
pub trait NodeCredential: Send + Sync {
    /// The credential.
    ///
    /// # Errors
    /// When this node does not know it yet.
    fn credential(&self) -> Result<Zeroizing<String>, Box<dyn Error + Send + Sync>>;
}

/// Reports of double spends.
pub struct Reports {
    path: &'static str,
    credential: Arc<dyn NodeCredential>,
    /// Tokens whose double spend the leader has accepted already, so that further
    /// requests with them cost it nothing. Locked for a look-up or an insertion, never
    /// while waiting.
    accepted: Mutex<HashSet<(TokenKeyId, Nonce)>>,
}

impl Reports {
    /// Reports to `path` at the leader, with the nodes' credential.
    #[must_use]
    pub fn new(path: &'static str, credential: Arc<dyn NodeCredential>) -> Self {
        Self {
            path,
            credential,
            accepted: Mutex::default(),
        }
    }

    /// Sends evidence to the leader, unless it has some about this token; whether it was
    /// appended now.
    pub(super) async fn send(
        &self,
        leader: &LeaderClient,
        evidence: &DoubleSpendEvidence,
    ) -> Result<bool, StateError> {
        let token = (evidence.token.token_key_id, evidence.token.nonce);
        if self.accepted().contains(&token) {
            return Ok(false);
        }
        let credential = self.credential.credential();
        let credential = credential.map_err(StateError::Credential)?;
        let body = evidence.to_json().into_bytes();
        let answer = leader.report(self.path, &credential, body).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                let mut accepted = self.accepted();
                if accepted.len() >= REMEMBERED {
                    accepted.clear();
                }
                accepted.insert(token);
                Ok(answer.status == StatusCode::CREATED)
            }
            other => Err(StateError::Refused(other)),
        }
    }

    fn accepted(&self) -> MutexGuard<'_, HashSet<(TokenKeyId, Nonce)>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
