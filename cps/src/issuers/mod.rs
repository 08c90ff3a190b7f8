//! The issuers whose tokens are taken: their keys as they are known, live and
//! closed, and the challenges that tokens are drawn for. Deciding is in `epochs`,
//! fetching in `fetch`, and `maintenance` does both until the service stops.

mod epochs;
mod fetch;
mod key_log;
mod known;
mod maintenance;
mod source;
mod voprf_keys;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{ChallengeDigest, TokenKeyId, TokenScope, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use tokio::sync::Notify;

use crate::challenges;
use crate::config::IssuerConfig;

pub use epochs::{KeyEpochs, KeyRefusal, KnownKey};
pub use known::IssuerMaintenanceError;
pub(crate) use known::KnownIssuer;
pub(crate) use maintenance::{Dependencies, IssuerMaintenance};
pub use voprf_keys::{VerifierError, VoprfKeys};

/// The keys that tokens may be signed with at present, of all issuers together.
#[derive(Debug, Default)]
pub struct LiveKeys {
    keys: HashMap<TokenKeyId, Arc<TokenVerifier>>,
    challenges: Vec<HeaderValue>,
}

/// Every type of token that there is.
const TYPES: [TokenType; 3] = [
    TokenType::BLIND_RSA_2048,
    TokenType::VOPRF_RISTRETTO255,
    TokenType::VOPRF_P384,
];

/// Who the issuers are, and what their live keys are now.
#[derive(Debug)]
pub struct Issuers {
    issuers: Vec<Issuer>,
}

#[derive(Debug)]
struct Issuer {
    authority: Authority,
    /// Where those of its tokens are good that are taken.
    scopes: Vec<TokenScope>,
    /// Replaced by the issuer's own maintenance task alone.
    live: ArcSwap<LiveKeys>,
    /// Keys that tokens cannot be verified with.
    unusable: ArcSwap<Vec<TokenKeyId>>,
    /// All keys that are known, so that no other issuer can claim them.
    known: ArcSwap<KeyEpochs>,
    /// Wakes the maintenance task: its directory may have a key that is not known here.
    wanted: Notify,
}

impl Issuers {
    /// For a CPS with this name and these issuers; no key is live yet.
    #[must_use]
    pub fn new(cps: &Authority, issuers: &[IssuerConfig]) -> Self {
        let issuer = |config: &IssuerConfig| Issuer {
            authority: config.authority.clone(),
            scopes: config.tokens.scopes(cps),
            live: ArcSwap::default(),
            unusable: ArcSwap::default(),
            known: ArcSwap::default(),
            wanted: Notify::new(),
        };
        Self {
            issuers: issuers.iter().map(issuer).collect(),
        }
    }

    /// The digests that tokens for this CPS carry, for every issuer and each type that its
    /// tokens may have.
    #[must_use]
    pub fn challenge_digests(&self) -> Vec<ChallengeDigest> {
        let mut digests = Vec::new();
        for issuer in &self.issuers {
            for scope in &issuer.scopes {
                let types = TYPES.iter();
                let challenges =
                    types.filter_map(|of_type| scope.challenge(*of_type, &issuer.authority).ok());
                digests.extend(challenges.map(|challenge| challenge.digest()));
            }
        }
        digests
    }

    /// The live key with this id.
    #[must_use]
    pub fn key(&self, id: TokenKeyId) -> Option<Arc<TokenVerifier>> {
        self.issuers
            .iter()
            .find_map(|issuer| issuer.live.load().keys.get(&id).cloned())
    }

    /// `WWW-Authenticate` values: of each issuer whose current key is known, one for each kind
    /// of its tokens that is taken.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let all = self.issuers.iter();
        all.flat_map(|issuer| issuer.live.load().challenges.clone())
            .collect()
    }

    /// All keys that are known of the issuers other than the one at this place.
    fn known_of_others(&self, place: usize) -> Vec<TokenKeyId> {
        let others = self.issuers.iter().enumerate();
        let others = others.filter(|(other, _)| *other != place);
        let mut known = Vec::new();
        for (_, issuer) in others {
            known.extend(issuer.known.load().ids());
        }
        known
    }

    /// Whether tokens of a key are to be taken at `now`: if they are not, only the log is
    /// waited for.
    #[must_use]
    pub fn is_due(&self, id: TokenKeyId, now: UnixTime) -> bool {
        self.issuers.iter().any(|issuer| {
            let known = issuer.known.load();
            let is_live = known.live(now).iter().any(|key| key.public().id() == id);
            let is_usable = !issuer.unusable.load().contains(&id);
            is_live && is_usable && !known.over(now).contains(&id)
        })
    }

    /// Has the issuers' directories fetched soon, since a token came of a key that is
    /// not known. Anybody can send such tokens, and this costs nothing more each time.
    pub fn want_unknown(&self) {
        self.issuers
            .iter()
            .for_each(|issuer| issuer.wanted.notify_one());
    }

    /// Returns when the directory of the issuer at this place is wanted.
    async fn wanted(&self, place: usize) {
        match self.issuers.get(place) {
            Some(issuer) => issuer.wanted.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Every key that is known and not closed, of all issuers; and whether tokens of it
    /// are taken now.
    #[must_use]
    pub fn known(&self) -> Vec<(Authority, KnownKey, bool)> {
        let mut known = Vec::new();
        for issuer in &self.issuers {
            let (epochs, live) = (issuer.known.load(), issuer.live.load());
            known.extend(epochs.keys().iter().map(|key| {
                let is_live = live.keys.contains_key(&key.public().id());
                (issuer.authority.clone(), key.clone(), is_live)
            }));
        }
        known
    }

    /// Puts the live keys of the issuer at this place in force. Returns those that
    /// tokens cannot be verified with, and why; no token of theirs is taken.
    fn publish(
        &self,
        place: usize,
        epochs: &KeyEpochs,
        live: &[&KnownKey],
        secrets: &VoprfKeys,
    ) -> Vec<(TokenKeyId, VerifierError)> {
        let Some(issuer) = self.issuers.get(place) else {
            return Vec::new();
        };
        issuer.known.store(Arc::new(epochs.clone()));
        let before = issuer.live.load();
        let (mut keys, mut challenges, mut failures) = (HashMap::new(), Vec::new(), Vec::new());
        for key in live {
            let id = key.public().id();
            let ready = match before.keys.get(&id) {
                Some(ready) => Ok(Arc::clone(ready)),
                None => verifier(key.public(), secrets).map(Arc::new),
            };
            match ready {
                Ok(ready) => {
                    keys.insert(id, ready);
                    // The last one is the current one.
                    challenges = issuer.headers(key.public());
                }
                Err(error) => failures.push((id, error)),
            }
        }
        let unusable = failures.iter().map(|(id, _)| *id).collect();
        issuer.unusable.store(Arc::new(unusable));
        issuer.live.store(Arc::new(LiveKeys { keys, challenges }));
        failures
    }
}

impl Issuer {
    /// The challenges for tokens of this key that are taken.
    fn headers(&self, key: &TokenKey) -> Vec<HeaderValue> {
        let challenge = |scope: &TokenScope| scope.challenge(key.token_type(), &self.authority);
        let challenges = self.scopes.iter().filter_map(|scope| challenge(scope).ok());
        challenges
            .filter_map(|one| challenges::header(one, key.encoded().to_vec()).parse().ok())
            .collect()
    }
}

fn verifier(key: &TokenKey, secrets: &VoprfKeys) -> Result<TokenVerifier, VerifierError> {
    match key {
        TokenKey::BlindRsa(key) => TokenVerifyingKey::new(key.clone())
            .map(TokenVerifier::BlindRsa)
            .map_err(VerifierError::BlindRsa),
        TokenKey::Voprf(key) => secrets.find(key),
    }
}
