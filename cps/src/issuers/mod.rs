//! The issuers whose tokens are taken: their keys as they are known, live and
//! closed, and the challenges that tokens are drawn for. Deciding is in `epochs`,
//! fetching in `fetch`, and `upkeep` does both for ever.

mod epochs;
mod fetch;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pennyblack_shared::authority::Authority;
use pennyblack_shared::blind_rsa::TokenVerifyingKey;
use pennyblack_shared::token::{
    AuthenticateChallenge, ChallengeDigest, TokenChallenge, TokenKeyId, TokenType,
};

pub use epochs::{KeyEpochs, KeyRefusal, KnownKey};
pub use fetch::FetchError;
pub(crate) use upkeep::Upkeep;
pub use upkeep::UpkeepError;

/// The keys that tokens may be signed with at present, of all issuers together.
#[derive(Debug, Default)]
pub struct LiveKeys {
    keys: HashMap<TokenKeyId, Arc<TokenVerifyingKey>>,
    challenges: Vec<HeaderValue>,
}

/// Who the issuers are, and what their live keys are now.
#[derive(Debug)]
pub struct Issuers {
    challenges: Vec<TokenChallenge>,
    /// Each issuer's part; replaced by its own upkeep task alone.
    live: Vec<ArcSwap<LiveKeys>>,
}

impl Issuers {
    /// For a CPS with this name and these issuers; no key is live yet.
    #[must_use]
    pub fn new<'a>(cps: &Authority, issuers: impl IntoIterator<Item = &'a Authority>) -> Self {
        let challenge = |issuer| TokenChallenge::of_cps(TokenType::BLIND_RSA_2048, issuer, cps);
        let challenges: Vec<_> = issuers.into_iter().map(challenge).collect();
        Self {
            live: challenges.iter().map(|_| ArcSwap::default()).collect(),
            challenges,
        }
    }

    /// The digests that tokens for this CPS carry.
    #[must_use]
    pub fn challenge_digests(&self) -> Vec<ChallengeDigest> {
        self.challenges.iter().map(TokenChallenge::digest).collect()
    }

    /// The live key with this id.
    #[must_use]
    pub fn key(&self, id: TokenKeyId) -> Option<Arc<TokenVerifyingKey>> {
        self.live
            .iter()
            .find_map(|keys| keys.load().keys.get(&id).cloned())
    }

    /// `WWW-Authenticate` values, one for each issuer whose current key is known.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let all = self.live.iter();
        all.flat_map(|keys| keys.load().challenges.clone())
            .collect()
    }

    /// Puts the live keys of the issuer at this place in force.
    fn publish(&self, issuer: usize, keys: &[&KnownKey]) {
        let (Some(live), Some(challenge)) = (self.live.get(issuer), self.challenges.get(issuer))
        else {
            return;
        };
        let known = live.load();
        let mut parsed = HashMap::new();
        for key in keys {
            let id = key.public().id();
            let before = known.keys.get(&id).cloned();
            let ready = before.or_else(|| {
                let fresh = TokenVerifyingKey::new(key.public().clone());
                fresh.ok().map(Arc::new)
            });
            parsed.extend(ready.map(|ready| (id, ready)));
        }
        let current = keys.last().map(|current| AuthenticateChallenge {
            challenge: challenge.clone(),
            token_key: current.public().spki().to_vec(),
            max_age: None,
        });
        let challenges = current
            .and_then(|current| HeaderValue::from_str(&current.to_header()).ok())
            .into_iter()
            .collect();
        live.store(Arc::new(LiveKeys {
            keys: parsed,
            challenges,
        }));
    }
}
