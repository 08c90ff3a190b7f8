//! Amortized batches (draft-ietf-privacypass-batched-tokens section 5): several
//! VOPRF tokens of one key, with one proof for all of them.

use super::{IssuanceError, request_header};
use crate::token::TokenType;
use crate::voprf::{Evaluation, Suite};
use crate::wire::{Reader, put_vec_varint};

/// A request for several tokens.
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
    /// The type asked for.
    pub token_type: TokenType,
    /// The last byte of the key id that all are blinded for.
    pub truncated_token_key_id: u8,
    /// One blinded element for each token.
    pub blinded: Vec<Box<[u8]>>,
}

impl AmortizedRequest {
    /// Parses a request for one to `max` tokens; every byte must belong to it.
    ///
    /// # Errors
    /// [`IssuanceError`]; [`IssuanceError::UnknownType`] for types that are no
    /// VOPRF. Nothing is allocated beyond what the bytes hold.
    pub fn parse(bytes: &[u8], max: usize) -> Result<Self, IssuanceError> {
        let mut reader = Reader::new(bytes);
        let (token_type, truncated_token_key_id) = request_header(&mut reader)?;
        let suite = Suite::of(token_type).ok_or(IssuanceError::UnknownType(token_type))?;
        let blinded = elements(suite, reader.vec_varint()?, max)?;
        reader.finish()?;
        Ok(Self {
            token_type,
            truncated_token_key_id,
            blinded,
        })
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.token_type.0.to_be_bytes().to_vec();
        out.push(self.truncated_token_key_id);
        put_vec_varint(&mut out, &self.blinded.concat());
        out
    }
}

/// What an issuer answers to it.
///
/// ```text
/// struct {
///   EvaluatedElement evaluated_elements<V>;   // Ne bytes each
///   uint8_t evaluated_proof[Ns + Ns];
/// } AmortizedBatchTokenResponse;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmortizedResponse {
    /// The evaluated elements, in the order of the request.
    pub elements: Vec<Box<[u8]>>,
    /// One DLEQ proof for all of them.
    pub proof: Box<[u8]>,
}

impl AmortizedResponse {
    /// Parses the answer to a request of this suite; every byte must belong to it.
    ///
    /// # Errors
    /// [`IssuanceError`]; more than `max` elements are refused.
    pub fn parse(suite: Suite, bytes: &[u8], max: usize) -> Result<Self, IssuanceError> {
        let mut reader = Reader::new(bytes);
        let elements = elements(suite, reader.vec_varint()?, max)?;
        let proof = reader.take(suite.proof_size())?.into();
        reader.finish()?;
        Ok(Self { elements, proof })
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_vec_varint(&mut out, &self.elements.concat());
        out.extend_from_slice(&self.proof);
        out
    }
}

impl From<&Evaluation> for AmortizedResponse {
    fn from(evaluation: &Evaluation) -> Self {
        Self {
            elements: evaluation.elements().to_vec(),
            proof: evaluation.proof().into(),
        }
    }
}

fn elements(suite: Suite, bytes: &[u8], max: usize) -> Result<Vec<Box<[u8]>>, IssuanceError> {
    let size = suite.element_size();
    let mut reader = Reader::new(bytes);
    if reader.is_empty() {
        return Err(IssuanceError::EmptyBatch);
    }
    if bytes.len() / size > max {
        return Err(IssuanceError::BatchTooLarge { max });
    }
    let mut elements = Vec::with_capacity(bytes.len() / size);
    while !reader.is_empty() {
        elements.push(reader.take(size)?.into());
    }
    Ok(elements)
}
