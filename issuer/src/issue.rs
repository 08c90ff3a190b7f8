//! A token is born: from the bytes of a request to the bytes of its answer, in
//! the order of docs/protocol.md section 2. Not here: HTTP (`routes`), and each
//! single check.

use std::sync::Arc;

use axum::body::Bytes;
use pennyblack_attestation::Attested;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::issuance::{
    BatchAnswer, IssuanceError, TokenRequest, TokenResponse, batch_answer_to_bytes, parse_batch,
};
use pennyblack_privacypass::token::TokenType;
use pennyblack_privacypass::voprf::{AmortizedRequest, AmortizedResponse, VoprfKind};
use pennyblack_runtime::clock::Clock;

use crate::attest::Attestor;
use crate::ledger::{ChargeError, ChargeKind, ChosenLedger, Ledger as _};
use crate::quota::Charge;
use crate::refusal::Refusal;
use crate::signer::SignError;
use crate::signing_pool::{SigningPlace, SigningPool, SigningTask};
use crate::token_keys::schedule::KeyPhase;
use crate::token_keys::{KeySet, TokenKey, TokenKeys};

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
    pub ledger: Arc<ChosenLedger>,
    /// On which threads.
    pub pool: SigningPool,
    /// The largest batch, in tokens.
    pub max_batch: usize,
    /// Most tokens that one VOPRF key evaluates.
    pub most_evaluations: u64,
}

/// In which form tokens are asked for and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One request (RFC 9578 sections 5.1 and 6.1).
    Single,
    /// A generic batch (draft-ietf-privacypass-batched-tokens section 6).
    Batch,
    /// An amortized batch (the same, section 5).
    Amortized,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The body.
    pub body: Vec<u8>,
    /// False when some requests of a batch were not served.
    pub is_whole: bool,
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
    /// it can be granted, and then [`Refusal::Batch`].
    pub async fn answer(
        &self,
        form: Form,
        authorization: Option<&str>,
        body: Bytes,
    ) -> Result<Issued, Refusal> {
        let now = self.clock.now();
        let attested = self
            .attestor
            .attest(authorization, body.clone(), now)
            .await?;
        let keys = self.keys.usable(now)?;
        let decided: Vec<_> = parse(form, &body, self.max_batch)?
            .into_iter()
            .map(|asked| decide(asked, &keys, now))
            .collect();
        let place = self.pool.reserve()?;
        let decided = self.charge(decided, &attested, &keys, now).await?;
        let decided = at_least_one(form, decided)?;
        sign(place, form, decided).await
    }

    /// Most tokens that a key may sign: each evaluation of a VOPRF gives an attacker
    /// a little (RFC 9497 section 7.2.3), a blind RSA signature does not.
    fn most_of(&self, key: &TokenKey) -> Option<u64> {
        let kind = VoprfKind::of(key.token_type());
        kind.map(|_| self.most_evaluations)
    }

    /// Charges the subject for all that is to be signed with one key, in one charge: there
    /// is no instant at which a part of a request is charged. What other keys were to sign
    /// is refused. A key that has signed this request before comes before one that would
    /// sign it anew, so that a lost answer is given again.
    async fn charge(
        &self,
        decided: Vec<Result<(SigningTask, KeyPhase), Refusal>>,
        attested: &Attested,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<Vec<Decided>, Refusal> {
        let wanted = wanted_of(&decided);
        let signing = wanted.iter().filter(|one| one.phase == KeyPhase::Signs);
        let repeated = wanted
            .iter()
            .filter(|one| wanted.len() > 1 || one.phase != KeyPhase::Signs);
        let attempts = repeated
            .map(|one| (one, ChargeKind::RepeatedOnly))
            .chain(signing.map(|one| (one, ChargeKind::NewOrRepeated)));
        let mut charged = None;
        for (one, kind) in attempts {
            if self.charge_one(one, kind, attested, keys, now).await? {
                charged = Some(one.key.id());
                break;
            }
        }
        let granted = decided.into_iter().map(|one| match one? {
            (task, _) if Some(task.key.id()) == charged => Ok(task),
            (task, _) => Err(Refusal::TokenKey(task.key.id().truncated())),
        });
        Ok(granted.collect())
    }

    /// Whether the charge was made; false when it should have been a repetition and is
    /// none.
    async fn charge_one(
        &self,
        wanted: &WantedTokens,
        kind: ChargeKind,
        attested: &Attested,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<bool, Refusal> {
        let (key, tokens) = (wanted.key.id(), wanted.tokens);
        let max = self.most_of(&wanted.key);
        let subject = attested.subject().clone();
        let charge = Charge::new(subject, attested.body_digest(), tokens);
        match self.ledger.charge(key, charge, kind, max).await {
            Ok(signed) => {
                if max.is_some_and(|max| signed >= max / 2) {
                    self.keys.hasten(now);
                }
                Ok(true)
            }
            Err(ChargeError::NotRepeated) => Ok(false),
            Err(ChargeError::Exhausted(exhausted)) => Err(Refusal::Quota {
                subject: attested.subject().brief(),
                tokens,
                exhausted,
                rest_of_epoch: keys.rest_of_epoch(now),
            }),
            Err(error) => Err(Refusal::Ledger(error)),
        }
    }
}

/// What a request wants of one key.
struct WantedTokens {
    key: Arc<TokenKey>,
    phase: KeyPhase,
    tokens: u32,
}

/// For each key, in the order of the request.
fn wanted_of(decided: &[Result<(SigningTask, KeyPhase), Refusal>]) -> Vec<WantedTokens> {
    let mut wanted: Vec<WantedTokens> = Vec::new();
    for (task, phase) in decided.iter().flatten() {
        let tokens = u32::try_from(task.blinded.len()).unwrap_or(u32::MAX);
        match wanted.iter_mut().find(|one| one.key.id() == task.key.id()) {
            Some(one) => one.tokens = one.tokens.saturating_add(tokens),
            None => wanted.push(WantedTokens {
                key: Arc::clone(&task.key),
                phase: *phase,
                tokens,
            }),
        }
    }
    wanted
}

async fn sign(
    place: SigningPlace<'_>,
    form: Form,
    decided: Vec<Decided>,
) -> Result<Issued, Refusal> {
    let is_whole = decided.iter().all(Result::is_ok);
    let tasks: Vec<_> = decided.iter().flatten().cloned().collect();
    let granted: usize = tasks.iter().map(|task| task.blinded.len()).sum();
    let mut signed = place.sign(tasks).await?.into_iter();
    let mut answers: Vec<BatchAnswer> = Vec::with_capacity(decided.len());
    for one in decided {
        answers.push(match one {
            Err(_) => None,
            Ok(task) => signed.next().transpose()?.map(|response| TokenResponse {
                token_type: task.key.token_type(),
                response: response.into(),
            }),
        });
    }
    metrics::counter!("pennyblack_issuer_tokens_signed_total").increment(granted as u64);
    let body = match form {
        Form::Batch => batch_answer_to_bytes(&answers),
        Form::Single => answers
            .into_iter()
            .flatten()
            .flat_map(|one| one.response)
            .collect(),
        Form::Amortized => {
            let answers = answers.iter().flatten().map(amortized);
            answers.collect::<Result<Vec<_>, _>>()?.concat()
        }
    };
    Ok(Issued { body, is_whole })
}

fn amortized(evaluation: &TokenResponse) -> Result<Vec<u8>, Refusal> {
    let kind =
        VoprfKind::of(evaluation.token_type).ok_or(Refusal::TokenType(evaluation.token_type))?;
    let response = AmortizedResponse::of_evaluation(kind, &evaluation.response);
    Ok(response.map_err(SignError::Voprf)?.to_bytes())
}

/// Blinded messages that are to be signed with one key.
struct RequestedTokens {
    token_type: TokenType,
    truncated_token_key_id: u8,
    blinded: Vec<Box<[u8]>>,
}

impl From<TokenRequest> for RequestedTokens {
    fn from(request: TokenRequest) -> Self {
        Self {
            token_type: request.token_type,
            truncated_token_key_id: request.truncated_token_key_id,
            blinded: vec![request.blinded],
        }
    }
}

fn parse(form: Form, body: &[u8], max_batch: usize) -> Result<Vec<RequestedTokens>, IssuanceError> {
    Ok(match form {
        Form::Single => vec![TokenRequest::parse(body)?.into()],
        Form::Batch => {
            let requests = parse_batch(body, max_batch)?.into_iter();
            requests.map(RequestedTokens::from).collect()
        }
        Form::Amortized => {
            let request = AmortizedRequest::parse(body, max_batch)?;
            vec![RequestedTokens {
                token_type: request.kind.token_type(),
                truncated_token_key_id: request.truncated_token_key_id,
                blinded: request.blinded,
            }]
        }
    })
}

/// Finds the key for what is asked and checks that it can sign the messages
/// (RFC 9578 sections 5.2 and 6.2: 422 otherwise).
fn decide(
    asked: RequestedTokens,
    keys: &KeySet,
    now: UnixTime,
) -> Result<(SigningTask, KeyPhase), Refusal> {
    let truncated = asked.truncated_token_key_id;
    if !keys.has_type(asked.token_type) {
        return Err(Refusal::TokenType(asked.token_type));
    }
    let (key, phase) = keys
        .find(truncated, now)
        .filter(|(key, _)| key.token_type() == asked.token_type)
        .ok_or(Refusal::TokenKey(truncated))?;
    for blinded in &asked.blinded {
        key.signing().check(blinded)?;
    }
    Ok((
        SigningTask {
            key: Arc::clone(key),
            blinded: asked.blinded,
        },
        phase,
    ))
}

/// All of them, unless all are refused: then the first refusal, which of a generic batch
/// is not the refusal of the whole.
fn at_least_one(form: Form, mut decided: Vec<Decided>) -> Result<Vec<Decided>, Refusal> {
    if decided.iter().any(Result::is_ok) || decided.is_empty() {
        return Ok(decided);
    }
    match (decided.swap_remove(0), form) {
        (Ok(_), _) => Ok(decided),
        (Err(refusal), Form::Batch) => Err(Refusal::Batch(Box::new(refusal))),
        (Err(refusal), Form::Single | Form::Amortized) => Err(refusal),
    }
}
