//! A token is born: from the bytes of a request to the bytes of its answer, in
//! the order of docs/protocol.md section 2. Not here: HTTP (`routes`), and each
//! single check.

use std::collections::BTreeMap;
use std::sync::Arc;

use pennyblack_service::clock::Clock;
use pennyblack_shared::attestation::Attested;
use pennyblack_shared::blind_rsa::MODULUS_SIZE;
use pennyblack_shared::issuance::{
    BatchAnswer, IssuanceError, TokenRequest, TokenResponse, batch_answer_to_bytes, parse_batch,
};
use pennyblack_shared::time::UnixTime;
use pennyblack_shared::token::{TokenKeyId, TokenType};

use crate::attest::Attestor;
use crate::ledger::{ChargeError, Ledger, Novelty};
use crate::quota::{Charge, account_name};
use crate::refusal::Refusal;
use crate::signing_pool::{SigningPlace, SigningPool, SigningTask};
use crate::token_keys::schedule::Standing;
use crate::token_keys::{KeySet, TokenKeys};

/// Everything that granting tokens takes; shared by all requests.
#[derive(Debug)]
pub struct Issuance {
    /// The time.
    pub clock: Clock,
    /// Who asks.
    pub attestor: Attestor,
    /// With which keys.
    pub keys: Arc<TokenKeys>,
    /// How many.
    pub ledger: Arc<Ledger>,
    /// On which threads.
    pub pool: SigningPool,
    /// The largest batch, in tokens.
    pub max_batch: usize,
}

/// In which form tokens are asked for and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One request (RFC 9578 section 6.1).
    Single,
    /// A generic batch (draft-ietf-privacypass-batched-tokens).
    Batch,
}

/// A request that may be signed, or why not. One refused request does not spoil
/// the rest of its batch.
type Decided = Result<SigningTask, Refusal>;

impl Issuance {
    /// Grants the tokens that `body` asks for, or says why not. The charge is on
    /// stable storage before this returns an answer.
    ///
    /// # Errors
    /// [`Refusal`]: the first check that fails; of a batch, only if no request in
    /// it can be granted.
    pub async fn answer(
        &self,
        form: Form,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let now = self.clock.now();
        let attested = self.attestor.attest(authorization, body, now)?;
        let keys = self.keys.live();
        let decided: Vec<_> = parse(form, body, self.max_batch)?
            .into_iter()
            .map(|request| decide(request, &keys, now))
            .collect();
        let place = self.pool.reserve()?;
        let decided = self.charge(decided, &attested, &keys, now).await?;
        sign(place, form, decided).await
    }

    /// Charges the subject for all that is to be signed, for each key by itself.
    async fn charge(
        &self,
        decided: Vec<Result<(SigningTask, Standing), Refusal>>,
        attested: &Attested,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<Vec<Decided>, Refusal> {
        let mut wanted: BTreeMap<TokenKeyId, (Standing, u32)> = BTreeMap::new();
        for (task, standing) in decided.iter().flatten() {
            let (_, tokens) = wanted.entry(task.key.id()).or_insert((*standing, 0));
            *tokens += 1;
        }
        let mut withheld = Vec::new();
        for (key, (standing, tokens)) in wanted {
            let subject = account_name(attested.subject());
            let charge = Charge {
                subject,
                body_digest: *attested.body_digest(),
                tokens,
            };
            let novelty = match standing {
                Standing::Signs => Novelty::NewOrRepeated,
                Standing::SignsAgain | Standing::Silent => Novelty::RepeatedOnly,
            };
            match self.ledger.charge(key, charge, novelty).await {
                Ok(()) => {}
                Err(ChargeError::NotRepeated) => withheld.push(key),
                Err(ChargeError::Exhausted(exhausted)) => {
                    return Err(Refusal::Quota {
                        subject: account_name(attested.subject()),
                        tokens,
                        exhausted,
                        rest_of_epoch: keys.rest_of_epoch(now),
                    });
                }
                Err(error) => return Err(Refusal::Ledger(error)),
            }
        }
        let granted = decided.into_iter().map(|one| match one? {
            (task, _) if withheld.contains(&task.key.id()) => {
                Err(Refusal::TokenKey(task.key.id().truncated()))
            }
            (task, _) => Ok(task),
        });
        at_least_one(granted.collect())
    }
}

async fn sign(
    place: SigningPlace<'_>,
    form: Form,
    decided: Vec<Decided>,
) -> Result<Vec<u8>, Refusal> {
    let tasks = decided.iter().flatten().cloned().collect();
    let mut signatures = place.sign(tasks).await?.into_iter();
    let mut answers: Vec<BatchAnswer> = Vec::with_capacity(decided.len());
    for one in decided {
        let signature = one.ok().and_then(|_| signatures.next()).transpose()?;
        answers.push(signature.map(|signature| TokenResponse {
            token_type: TokenType::BLIND_RSA_2048,
            response: signature.into(),
        }));
    }
    let granted = answers.iter().flatten().count() as u64;
    metrics::counter!("pennyblack_issuer_tokens_signed_total").increment(granted);
    Ok(match form {
        Form::Batch => batch_answer_to_bytes(&answers),
        Form::Single => answers
            .into_iter()
            .flatten()
            .flat_map(|one| one.response)
            .collect(),
    })
}

fn parse(form: Form, body: &[u8], max_batch: usize) -> Result<Vec<TokenRequest>, IssuanceError> {
    match form {
        Form::Single => TokenRequest::parse(body).map(|request| vec![request]),
        Form::Batch => parse_batch(body, max_batch),
    }
}

/// Finds the key for one request and checks that it can sign the message
/// (RFC 9578 section 6.2: 422 otherwise).
fn decide(
    request: TokenRequest,
    keys: &KeySet,
    now: UnixTime,
) -> Result<(SigningTask, Standing), Refusal> {
    if request.token_type != TokenType::BLIND_RSA_2048 {
        return Err(Refusal::TokenType(request.token_type));
    }
    let truncated = request.truncated_token_key_id;
    let (key, standing) = keys
        .find(truncated, now)
        .ok_or(Refusal::TokenKey(truncated))?;
    let blinded = Box::<[u8; MODULUS_SIZE]>::try_from(request.blinded).map_err(|blinded| {
        IssuanceError::BlindedSize {
            token_type: request.token_type,
            expected: MODULUS_SIZE,
            actual: blinded.len(),
        }
    })?;
    key.signing().check_range(&blinded)?;
    Ok((
        SigningTask {
            key: Arc::clone(key),
            blinded,
        },
        standing,
    ))
}

/// All of them, unless all are refused: then the first refusal.
fn at_least_one(mut decided: Vec<Decided>) -> Result<Vec<Decided>, Refusal> {
    if decided.iter().any(Result::is_ok) || decided.is_empty() {
        return Ok(decided);
    }
    match decided.swap_remove(0) {
        Ok(_) => Ok(decided),
        Err(refusal) => Err(refusal),
    }
}
