//! What a client asks an issuer and what it is answered: single requests of
//! RFC 9578 and generic batches of draft-ietf-privacypass-batched-tokens. Not
//! here: the cryptography (`blind_rsa`) and who may ask (`attestation`).

use crate::token::TokenType;
use pennyblack_base::wire::{Reader, WireError, put_vec_varint};

/// Media type of one [`TokenRequest`].
pub const REQUEST_TYPE: &str = "application/private-token-request";
/// Media type of one response.
pub const RESPONSE_TYPE: &str = "application/private-token-response";
/// Media type of a generic batch of requests.
pub const BATCH_REQUEST_TYPE: &str = "application/private-token-generic-batch-request";
/// Media type of a generic batch of responses.
pub const BATCH_RESPONSE_TYPE: &str = "application/private-token-generic-batch-response";

/// Bytes in front of the blinded message.
const REQUEST_HEADER_SIZE: usize = 3;

/// Bytes that are not a request or a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuanceError {
    /// Cannot be taken apart (400).
    #[error("token request: {0}")]
    Form(#[from] WireError),
    /// A token type that nobody here can issue (422, RFC 9578 section 6.2).
    #[error("token type {0} is not issued here")]
    UnknownType(TokenType),
    /// The blinded message does not have its type's size (422, same section).
    #[error("a blinded message of type {token_type} has {expected} bytes, not {actual}")]
    BlindedSize {
        /// The type asked for.
        token_type: TokenType,
        /// Bytes it should have.
        expected: usize,
        /// Bytes there were.
        actual: usize,
    },
    /// A batch of nothing.
    #[error("the batch is empty: ask for at least one token")]
    EmptyBatch,
    /// More than the issuer signs in one go.
    #[error("the batch holds more than {max} requests: split it")]
    BatchTooLarge {
        /// The issuer's limit.
        max: usize,
    },
    /// The octet that says whether a response is there is neither 0 nor 1.
    #[error("the octet {0} says neither that a response is there nor that it is not")]
    Presence(u8),
}

/// One request for one token (RFC 9578 sections 5.1 and 6.1).
///
/// ```text
/// struct {
///   uint16_t token_type;
///   uint8_t truncated_token_key_id;
///   uint8_t blinded_msg[Nk];          // blind RSA: 256 bytes
/// } TokenRequest;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The type asked for.
    pub token_type: TokenType,
    /// The last byte of the key id it is blinded for.
    pub truncated_token_key_id: u8,
    /// The blinded message or element, of the type's size.
    pub blinded: Box<[u8]>,
}

impl TokenRequest {
    /// Parses one request; every byte must belong to it.
    ///
    /// # Errors
    /// [`IssuanceError::Form`] when type and key id are not there,
    /// [`IssuanceError::UnknownType`], [`IssuanceError::BlindedSize`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IssuanceError> {
        let mut reader = Reader::new(bytes);
        let (token_type, truncated_token_key_id) = request_header(&mut reader)?;
        let (expected, blinded) = (blinded_size(token_type)?, reader.rest());
        if blinded.len() != expected {
            return Err(IssuanceError::BlindedSize {
                token_type,
                expected,
                actual: blinded.len(),
            });
        }
        Ok(Self {
            token_type,
            truncated_token_key_id,
            blinded: blinded.into(),
        })
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let [a, b] = self.token_type.0.to_be_bytes();
        let header: [u8; REQUEST_HEADER_SIZE] = [a, b, self.truncated_token_key_id];
        [header.as_slice(), &self.blinded].concat()
    }
}

fn request_header(reader: &mut Reader<'_>) -> Result<(TokenType, u8), WireError> {
    Ok((TokenType(reader.u16()?), reader.u8()?))
}

fn blinded_size(token_type: TokenType) -> Result<usize, IssuanceError> {
    match token_type {
        TokenType::VOPRF_P384 => Ok(49),
        TokenType::BLIND_RSA_2048 => Ok(256),
        TokenType::VOPRF_RISTRETTO255 => Ok(32),
        other => Err(IssuanceError::UnknownType(other)),
    }
}

/// Bytes of the response to one request: for blind RSA the blind signature, for
/// VOPRF the evaluated element and a DLEQ proof.
///
/// # Errors
/// [`IssuanceError::UnknownType`].
pub fn response_size(token_type: TokenType) -> Result<usize, IssuanceError> {
    match token_type {
        TokenType::VOPRF_P384 => Ok(49 + 96),
        TokenType::BLIND_RSA_2048 => Ok(256),
        TokenType::VOPRF_RISTRETTO255 => Ok(32 + 64),
        other => Err(IssuanceError::UnknownType(other)),
    }
}

/// Parses a generic batch of one to `max` requests, of any types.
///
/// ```text
/// struct { TokenRequest token_requests<V>; } BatchTokenRequest;
/// ```
///
/// # Errors
/// [`IssuanceError`]. Nothing is allocated beyond what the bytes hold.
pub fn parse_batch(bytes: &[u8], max: usize) -> Result<Vec<TokenRequest>, IssuanceError> {
    let mut reader = Reader::new(bytes);
    let mut requests = Reader::new(reader.vec_varint()?);
    reader.finish()?;
    let mut batch = Vec::new();
    while !requests.is_empty() {
        if batch.len() == max {
            return Err(IssuanceError::BatchTooLarge { max });
        }
        let (token_type, truncated_token_key_id) = request_header(&mut requests)?;
        batch.push(TokenRequest {
            token_type,
            truncated_token_key_id,
            blinded: requests.take(blinded_size(token_type)?)?.into(),
        });
    }
    if batch.is_empty() {
        return Err(IssuanceError::EmptyBatch);
    }
    Ok(batch)
}

/// The encoding of a generic batch of requests.
#[must_use]
pub fn batch_to_bytes(requests: &[TokenRequest]) -> Vec<u8> {
    let inside: Vec<u8> = requests.iter().flat_map(TokenRequest::to_bytes).collect();
    let mut out = Vec::with_capacity(inside.len() + 8);
    put_vec_varint(&mut out, &inside);
    out
}

/// One response of a generic batch. It stands where its request stood; `None`
/// says that this request was not served.
pub type BatchAnswer = Option<TokenResponse>;

/// What an issuer answers to one request.
///
/// ```text
/// struct {
///   uint16_t token_type;               // in batches only
///   uint8_t blind_sig[Nk];
/// } GenericTokenResponse;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenResponse {
    /// The type of the request.
    pub token_type: TokenType,
    /// [`response_size`] bytes.
    pub response: Box<[u8]>,
}

/// Parses a generic batch of responses.
///
/// ```text
/// struct {
///   optional<GenericTokenResponse> token_responses<V>;
/// } BatchTokenResponse;
/// ```
///
/// # Errors
/// [`IssuanceError`]; more than `max` answers are refused.
pub fn parse_batch_answer(bytes: &[u8], max: usize) -> Result<Vec<BatchAnswer>, IssuanceError> {
    let mut reader = Reader::new(bytes);
    let mut answers = Reader::new(reader.vec_varint()?);
    reader.finish()?;
    let mut batch = Vec::new();
    while !answers.is_empty() {
        if batch.len() == max {
            return Err(IssuanceError::BatchTooLarge { max });
        }
        batch.push(match answers.u8()? {
            0 => None,
            1 => Some(batched_response(&mut answers)?),
            other => return Err(IssuanceError::Presence(other)),
        });
    }
    if batch.is_empty() {
        return Err(IssuanceError::EmptyBatch);
    }
    Ok(batch)
}

fn batched_response(reader: &mut Reader<'_>) -> Result<TokenResponse, IssuanceError> {
    let token_type = TokenType(reader.u16()?);
    Ok(TokenResponse {
        token_type,
        response: reader.take(response_size(token_type)?)?.into(),
    })
}

/// The encoding of a generic batch of responses.
#[must_use]
pub fn batch_answer_to_bytes(answers: &[BatchAnswer]) -> Vec<u8> {
    let mut inside = Vec::new();
    for answer in answers {
        match answer {
            None => inside.push(0),
            Some(answer) => {
                inside.push(1);
                inside.extend(answer.token_type.0.to_be_bytes());
                inside.extend_from_slice(&answer.response);
            }
        }
    }
    let mut out = Vec::with_capacity(inside.len() + 8);
    put_vec_varint(&mut out, &inside);
    out
}

#[cfg(test)]
mod tests;
