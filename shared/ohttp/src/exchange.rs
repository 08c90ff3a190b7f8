//! One exchange as our clients and gateways have it: a binary HTTP request, padded to the one
//! size and encapsulated, and the response, padded to its class. Nothing leaves here that is
//! not padded.

use pennyblack_hpke::HpkeError;
use rand::CryptoRng;

use crate::binary_http::{BinaryHttpError, Request, Response, Rules};
use crate::encapsulation::{
    self, DecapsulationError, OpenResponseError, ResponseOpener, ResponseSealer, SealResponseError,
};
use crate::key_config::{GatewayKey, KeyConfig};
use crate::size_class::{REQUEST_SIZE, ResponseClass, TooLong};

/// A request that a client cannot send this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealRequestError {
    /// Longer than all requests are: it goes directly or not at all.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The library's failure.
    #[error("encapsulating the request failed: {0}")]
    Hpke(HpkeError),
}

/// A response that a client does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// Not the gateway's to this request.
    #[error(transparent)]
    NotOpened(#[from] OpenResponseError),
    /// The gateway's, and not HTTP.
    #[error("the encapsulated response: {0}")]
    Form(#[from] BinaryHttpError),
}

/// A response that a gateway cannot send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than the longest class: a fault of the service, which limits its answers.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The library's failure.
    #[error(transparent)]
    Seal(#[from] SealResponseError),
}

/// A request that decapsulates. Whatever is wrong inside is answered inside.
#[derive(Debug)]
pub struct OpenedRequest {
    /// What was inside; 400 if it is no request.
    pub request: Result<Request, BinaryHttpError>,
    /// Seals the response to it.
    pub sealer: ResponseSealer,
}

/// Client: encodes, pads and encapsulates a request. The second part goes to
/// [`open_response`].
///
/// # Errors
/// [`SealRequestError`].
pub fn seal_request(
    config: &KeyConfig,
    request: &Request,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, ResponseOpener), SealRequestError> {
    let actual = request.encoded_size();
    if actual > REQUEST_SIZE {
        let max = REQUEST_SIZE;
        return Err(TooLong { actual, max }.into());
    }
    let message = request.encode_padded(REQUEST_SIZE);
    encapsulation::encapsulate(config, &message, rng).map_err(SealRequestError::Hpke)
}

/// Gateway: opens an encapsulated request with the one of `keys` that it names.
///
/// # Errors
/// [`DecapsulationError`], which is answered outside.
pub fn open_request(
    keys: &[GatewayKey],
    encapsulated: &[u8],
) -> Result<OpenedRequest, DecapsulationError> {
    let (message, sealer) = encapsulation::decapsulate(keys, encapsulated)?;
    Ok(OpenedRequest {
        request: Request::parse(&message, Rules::REQUEST),
        sealer,
    })
}

/// Gateway: encodes, pads and seals a response, to a class that is not below `least`
/// ([`ResponseClass::asked`]).
///
/// # Errors
/// [`SealError`].
pub fn seal_response(
    sealer: ResponseSealer,
    response: &Response,
    least: Option<ResponseClass>,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let class = ResponseClass::of(response.encoded_size(), least)?;
    let message = response.encode_padded(class.size());
    Ok(sealer.seal(&message, rng)?)
}

/// Client: opens the response to its request.
///
/// # Errors
/// [`ResponseError`].
pub fn open_response(
    opener: ResponseOpener,
    encapsulated: &[u8],
) -> Result<Response, ResponseError> {
    let message = opener.open(encapsulated)?;
    Ok(Response::parse(&message, Rules::RESPONSE)?)
}

#[cfg(test)]
mod tests;
