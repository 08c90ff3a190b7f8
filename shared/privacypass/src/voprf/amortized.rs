//! Batches with one proof for all (draft-ietf-privacypass-batched-tokens
//! section 5): everything in one is of one type and one key.

use super::{VoprfError, VoprfKind};
use crate::issuance::IssuanceError;
use crate::token::TokenType;
use pennyblack_base::wire::{Reader, WireError, put_vec_varint};

/// Media type of an amortized batch of requests.
pub const AMORTIZED_REQUEST_TYPE: &str = "application/private-token-amortized-batch-request";
/// Media type of an amortized batch of responses.
pub const AMORTIZED_RESPONSE_TYPE: &str = "application/private-token-amortized-batch-response";

/// Blinded messages for one key.
///
/// ```text
/// struct {
///   uint16_t token_type;
///   uint8_t truncated_token_key_id;
///   BlindedElement blinded_elements<V>;   // Ne bytes each
/// } AmortizedBatchTokenRequest;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmortizedRequest {
    /// Whose elements they are.
    pub kind: VoprfKind,
    /// The last byte of the key's id.
    pub truncated_token_key_id: u8,
    /// [`VoprfKind::element_size`] bytes each.
    pub blinded: Vec<Box<[u8]>>,
}

impl AmortizedRequest {
    /// Parses a batch of one to `max` messages.
    ///
    /// # Errors
    /// [`IssuanceError`]. Nothing is allocated beyond what the bytes hold.
    pub fn parse(bytes: &[u8], max: usize) -> Result<Self, IssuanceError> {
        let mut reader = Reader::new(bytes);
        let token_type = TokenType(reader.u16()?);
        let kind = VoprfKind::of(token_type).ok_or(IssuanceError::UnknownType(token_type))?;
        let truncated_token_key_id = reader.u8()?;
        let blinded = elements(kind, reader.vec_varint()?, max)?;
        reader.finish()?;
        Ok(Self {
            kind,
            truncated_token_key_id,
            blinded,
        })
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.kind.token_type().0.to_be_bytes().to_vec();
        out.push(self.truncated_token_key_id);
        put_vec_varint(&mut out, &self.blinded.concat());
        out
    }
}

/// The evaluations, and their one proof.
///
/// ```text
/// struct {
///   EvaluatedElement evaluated_elements<V>;   // Ne bytes each
///   uint8_t evaluated_proof[Ns + Ns];
/// } AmortizedBatchTokenResponse;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmortizedResponse {
    /// [`VoprfKind::element_size`] bytes each, in the order of the request.
    pub evaluated: Vec<Box<[u8]>>,
    /// [`VoprfKind::proof_size`] bytes.
    pub proof: Box<[u8]>,
}

impl AmortizedResponse {
    /// Parses the answer to a batch of this kind.
    ///
    /// # Errors
    /// [`IssuanceError`]; more than `max` evaluations are refused.
    pub fn parse(kind: VoprfKind, bytes: &[u8], max: usize) -> Result<Self, IssuanceError> {
        let mut reader = Reader::new(bytes);
        let evaluated = elements(kind, reader.vec_varint()?, max)?;
        let proof = reader.take(kind.proof_size())?.into();
        reader.finish()?;
        Ok(Self { evaluated, proof })
    }

    /// Takes what [`VoprfSecretKey::evaluate`](super::VoprfSecretKey::evaluate)
    /// returned apart: the elements, and behind them the proof.
    ///
    /// # Errors
    /// [`VoprfError::Encoding`] when it is no evaluation of this kind.
    pub fn of_evaluation(kind: VoprfKind, evaluation: &[u8]) -> Result<Self, VoprfError> {
        let elements = evaluation.len().checked_sub(kind.proof_size());
        let split = elements.and_then(|elements| evaluation.split_at_checked(elements));
        let other = VoprfError::Encoding {
            what: "the evaluation",
        };
        let (elements, proof) = split.ok_or(other)?;
        let evaluated = elements.chunks_exact(kind.element_size());
        if !evaluated.remainder().is_empty() {
            return Err(other);
        }
        Ok(Self {
            evaluated: evaluated.map(Into::into).collect(),
            proof: proof.into(),
        })
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_vec_varint(&mut out, &self.evaluated.concat());
        out.extend_from_slice(&self.proof);
        out
    }
}

fn elements(kind: VoprfKind, bytes: &[u8], max: usize) -> Result<Vec<Box<[u8]>>, IssuanceError> {
    let chunks = bytes.chunks_exact(kind.element_size());
    if !chunks.remainder().is_empty() {
        return Err(IssuanceError::Form(WireError::Truncated {
            wanted: kind.element_size(),
            left: chunks.remainder().len(),
        }));
    }
    match chunks.len() {
        0 => Err(IssuanceError::EmptyBatch),
        count if count > max => Err(IssuanceError::BatchTooLarge { max }),
        _ => Ok(chunks.map(Into::into).collect()),
    }
}
