//! The `privacypass` crate's issuer of blind RSA tokens, without HTTP or attestation. An
//! item is a token.

use privacypass::TokenType;
use privacypass::auth::authenticate::TokenChallenge;
use privacypass::public_tokens::server::IssuerServer;
use privacypass::public_tokens::{PublicKey, TokenRequest};
use privacypass::test_utils::public_memory_store::IssuerMemoryKeyStore;

use crate::{Peer, cpu_time};

/// The issuer, and requests that it can answer.
pub struct Issuer {
    issuer: IssuerServer,
    store: IssuerMemoryKeyStore,
    key: PublicKey,
    challenge: TokenChallenge,
    requests: Vec<TokenRequest>,
    runtime: tokio::runtime::Runtime,
}

impl Issuer {
    /// With a key of 2048 bits.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (issuer, store) = (IssuerServer::new(), IssuerMemoryKeyStore::default());
        let random = &mut rand::rng();
        let key = runtime
            .block_on(issuer.create_keypair(random, &store))
            .unwrap();
        let origins = ["cps.example".to_owned()];
        let challenge = TokenChallenge::new(TokenType::Public, "issuer.example", None, &origins);
        Self {
            issuer,
            store,
            key,
            challenge,
            requests: Vec::new(),
            runtime,
        }
    }

    fn prepare(&mut self, tokens: usize) {
        while self.requests.len() < tokens {
            let request =
                TokenRequest::new(&mut rand::rng(), self.key.clone(), &self.challenge).unwrap();
            self.requests.push(request.0);
        }
    }
}

impl Peer for Issuer {
    fn seconds_per_item(&mut self, items: usize) -> f64 {
        self.prepare(items);
        cpu_time::seconds_per_item(items, || {
            for request in &self.requests[..items] {
                let answer = self
                    .issuer
                    .issue_token_response(&self.store, request.clone());
                self.runtime.block_on(answer).unwrap();
            }
        })
    }
}
