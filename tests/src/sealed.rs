//! Requests sealed to a CPS (RFC 9458), as a relay hands them on: without one in between, so
//! that a test sees what a relay would.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pennyblack_base::service_paths::{
    OHTTP_GATEWAY_PATH, OHTTP_KEYS_MEDIA_TYPE, OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE,
};
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_ohttp::binary_http::{Request, Response};
use pennyblack_ohttp::encapsulation::ResponseOpener;
use pennyblack_ohttp::exchange::{open_response, seal_request};
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_ohttp::size_class::PAD_FIELD;
use pennyblack_protocol::store_request::SignedStoreRequest;

use crate::answer::Answer;
use crate::world::World;

/// The answer to an oblivious request, from both sides of the seal.
#[derive(Debug)]
pub struct SealedAnswer {
    /// Bytes of the sealed answer, which the relay sees.
    pub size: usize,
    /// What is inside, as if it had come by itself.
    pub inner: Answer,
}

/// The lists of key configurations that a CPS serves now.
pub async fn served_keys(world: &World) -> Vec<KeyConfig> {
    served_keys_at(world, world.cps_name().as_str()).await
}

/// The same at one of its nodes.
pub async fn served_keys_at(world: &World, host: &str) -> Vec<KeyConfig> {
    let url = format!("{}{OHTTP_GATEWAY_PATH}", world.url_of(host));
    let answer = Answer::to(world.client.get(url)).await.unwrap();
    assert_eq!(answer.headers["content-type"], OHTTP_KEYS_MEDIA_TYPE);
    KeyConfig::parse_list(answer.content()).unwrap()
}

/// The key to use first.
pub async fn first_key(world: &World) -> KeyConfig {
    served_keys(world).await.remove(0)
}

/// A request for a path of the CPS.
#[must_use]
pub fn inner(world: &World, method: Method, path: &str) -> Request {
    let authority = world.cps_name().as_str().parse().unwrap();
    Request::new(method, authority, path.parse().unwrap())
}

/// A request to get something.
#[must_use]
pub fn inner_get(world: &World, path: &str) -> Request {
    inner(world, Method::GET, path)
}

/// A signed store request, byte for byte as it would go directly.
#[must_use]
pub fn inner_store(world: &World, signed: &SignedStoreRequest) -> Request {
    let mut request = inner(world, Method::POST, STORE_PATH);
    for (name, value) in signed.headers() {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap();
        request
            .fields
            .append(name, HeaderValue::from_str(value).unwrap());
    }
    request.content = signed.body().to_vec();
    request
}

/// Asks for an answer of so many bytes at least.
#[must_use]
pub fn padded_to(mut request: Request, bytes: usize) -> Request {
    request.fields.insert(
        PAD_FIELD,
        HeaderValue::from_str(&bytes.to_string()).unwrap(),
    );
    request
}

/// Seals a request to a key.
#[must_use]
pub fn seal(key: &KeyConfig, request: &Request) -> (Vec<u8>, ResponseOpener) {
    seal_request(key, request, &mut rand::rng()).unwrap()
}

/// Posts sealed bytes; what the relay sees of the answer.
///
/// # Errors
/// When no answer came.
pub async fn post(world: &World, sealed: Vec<u8>) -> Result<Answer, reqwest::Error> {
    post_as(world, OHTTP_REQUEST_MEDIA_TYPE, sealed).await
}

/// The same under another media type.
///
/// # Errors
/// When no answer came.
pub async fn post_as(
    world: &World,
    media_type: &str,
    sealed: Vec<u8>,
) -> Result<Answer, reqwest::Error> {
    post_to(world, world.cps_name().as_str(), media_type, sealed).await
}

async fn post_to(
    world: &World,
    host: &str,
    media_type: &str,
    sealed: Vec<u8>,
) -> Result<Answer, reqwest::Error> {
    let url = format!("{}{OHTTP_GATEWAY_PATH}", world.url_of(host));
    let post = world.client.post(url).header("content-type", media_type);
    Answer::to(post.body(sealed)).await
}

/// Opens what the gateway answered.
///
/// # Panics
/// When it did not answer inside.
#[must_use]
pub fn open(opener: ResponseOpener, outer: &Answer) -> SealedAnswer {
    assert_eq!(outer.status, StatusCode::OK, "{}", outer.text());
    assert_eq!(outer.headers["content-type"], OHTTP_RESPONSE_MEDIA_TYPE);
    assert_eq!(outer.headers["cache-control"], "no-store");
    let Response {
        status,
        fields,
        content,
        ..
    } = open_response(opener, &outer.body).unwrap();
    SealedAnswer {
        size: outer.body.len(),
        inner: Answer {
            status,
            headers: fields,
            body: content,
        },
    }
}

/// Sends a request sealed to a key.
///
/// # Panics
/// When it is not answered inside.
pub async fn ask(world: &World, key: &KeyConfig, request: &Request) -> SealedAnswer {
    let (sealed, opener) = seal(key, request);
    let outer = post(world, sealed).await.unwrap();
    open(opener, &outer)
}

/// The same at one of the nodes of the CPS.
///
/// # Panics
/// When it is not answered inside.
pub async fn ask_at(world: &World, host: &str, key: &KeyConfig, request: &Request) -> SealedAnswer {
    let (sealed, opener) = seal(key, request);
    let outer = post_to(world, host, OHTTP_REQUEST_MEDIA_TYPE, sealed).await;
    open(opener, &outer.unwrap())
}

/// The fields that a relay must find nothing in.
#[must_use]
pub fn telling_fields(headers: &HeaderMap) -> Vec<String> {
    let usual = ["content-type", "content-length", "cache-control", "date"];
    let names = headers.keys().map(|name| name.as_str().to_owned());
    names
        .filter(|name| !usual.contains(&name.as_str()))
        .collect()
}
