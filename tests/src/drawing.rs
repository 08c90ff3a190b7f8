//! A carrier's side in plain protocol: a drawing of tokens, and the store
//! request that spends one.

use std::time::Duration;

use pennyblack_attestation::Statement;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::identity::StirIdentity;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::issuance::{batch_to_bytes, parse_batch_answer};
use pennyblack_privacypass::token::{ChallengeDigest, Token};
use pennyblack_privacypass::token_key::{TokenKey, TokenToBe};
use pennyblack_protocol::store_request::{SignedStoreRequest, sign_store_request};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_sealing::sealed::seal_passport;

/// A token and the private half of its nonce.
#[derive(Debug)]
pub struct Spendable {
    /// The token.
    pub token: Token,
    /// The key that its nonce is the public half of.
    pub key: SpendKey,
}

impl Spendable {
    /// The request that stores `passport` for `recipient`, signed at `now`. What
    /// it seals is different every time, and so is the request.
    #[must_use]
    pub fn spend_on(
        &self,
        recipient: &KeyConfig,
        cps: &Authority,
        passport: &str,
        now: UnixTime,
    ) -> SignedStoreRequest {
        let sealed = seal_passport(recipient, cps, passport, &mut rand::rng()).unwrap();
        sign_store_request(
            &self.token,
            &self.key,
            cps,
            recipient.mailbox(),
            &sealed,
            now,
        )
        .unwrap()
    }
}

/// One batch of blinded tokens, to be sent as often as it takes.
#[derive(Debug)]
pub struct Drawing {
    keys: Vec<SpendKey>,
    pending: Vec<TokenToBe>,
}

impl Drawing {
    /// Blinds `count` tokens.
    #[must_use]
    pub fn blind(key: &TokenKey, challenge: ChallengeDigest, count: usize) -> Self {
        let rng = &mut rand::rng();
        let keys: Vec<_> = (0..count).map(|_| SpendKey::generate(rng)).collect();
        let pending = keys.iter().map(|spend| {
            TokenToBe::blind(key, spend.nonce(), challenge, &mut rand::rng()).unwrap()
        });
        Self {
            pending: pending.collect(),
            keys,
        }
    }

    /// How many tokens it asks for.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.keys.len()
    }

    /// The body of the request, the same every time.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let requests: Vec<_> = self.pending.iter().map(TokenToBe::request).collect();
        batch_to_bytes(&requests)
    }

    /// The blinded messages in it.
    #[must_use]
    pub fn blinded(&self) -> Vec<Vec<u8>> {
        let requests = self.pending.iter().map(TokenToBe::request);
        requests.map(|request| request.blinded.into_vec()).collect()
    }

    /// Makes the tokens out of the answer.
    #[must_use]
    pub fn finish(self, answer: &[u8]) -> Vec<Spendable> {
        let signatures = blind_signatures(answer);
        assert_eq!(signatures.len(), self.keys.len());
        let parts = self.keys.into_iter().zip(self.pending).zip(signatures);
        parts
            .map(|((key, pending), signature)| Spendable {
                token: pending.finalize(&signature).unwrap(),
                key,
            })
            .collect()
    }
}

/// The blind signatures of a batch that was granted whole.
#[must_use]
pub fn blind_signatures(answer: &[u8]) -> Vec<Vec<u8>> {
    let answers = parse_batch_answer(answer, 256).unwrap();
    let granted = answers.into_iter().map(|one| one.expect("a refused token"));
    granted.map(|one| one.response.into_vec()).collect()
}

/// The attestation by `carrier` for a request body, as a JWT.
#[must_use]
pub fn attestation(
    carrier: &StirIdentity,
    issuer: &Authority,
    body: &[u8],
    now: UnixTime,
) -> String {
    let statement = Statement {
        iss: carrier.iss(),
        audience: issuer,
        body,
        now,
        lifetime: Duration::from_secs(60),
    };
    statement.sign(carrier.certificate(), carrier.key())
}
