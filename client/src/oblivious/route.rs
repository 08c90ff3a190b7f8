//! The way of one request through a relay: sealed to its CPS's key, carried by a relay that
//! is chosen at random, and its answer opened. **A request that is sent again is sealed
//! again**, so that neither the relay nor the CPS can tell it from another. Not here: which
//! key and which relays are used.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderValue, StatusCode, Uri};
use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::{
    OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE, STORE_PATH,
};
use pennyblack_base::time::UnixTime;
use pennyblack_http::{
    Answer, Deadline, HttpError, HttpOptions, KeptClient, Request, Route, RouteError, RoutedAnswer,
    RoutedRequest, ServiceAddress,
};
use pennyblack_ohttp::binary_http;
use pennyblack_ohttp::encapsulation::{ResponseOpener, encapsulated_response_size};
use pennyblack_ohttp::exchange::{open_response, seal_request};
use pennyblack_ohttp::size_class::{LARGEST_RESPONSE, PAD_FIELD, ResponseClass};
use pennyblack_protocol::key_record::KEYS_PATH;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::repeated_causes;

use super::fault;
use super::relays::{CpsRelays, RelaysError};
use super::{Fallback, RelayAddress, TrustedKey, TrustedKeys};

/// Bytes of an answer beside its content: status, header fields, lengths.
const MAX_ANSWER_HEAD: usize = 2_048;

/// What stores and look-ups of a number ask to be answered with, so that their answers have
/// one length.
const PAD: ResponseClass = ResponseClass::Kib9;

/// What look-ups of a block ask for, so that a refusal is as long as the smallest block.
const BLOCK_PAD: ResponseClass = ResponseClass::Kib34;

/// Sends requests through relays. **All who send through one share its connections to the
/// relays**: a relay sees the address of this machine anyway, and the CPS sees no connection
/// of ours. So two storers of one process are one client to the relay, and none to the CPS.
#[derive(Debug)]
pub struct ObliviousRoute {
    relays: Vec<CpsRelays>,
    keys: TrustedKeys,
    client: KeptClient,
    /// For one request, however many relays are asked to carry it.
    timeout: Duration,
    fallback: Fallback,
    clock: Clock,
}

impl ObliviousRoute {
    /// The way to these CPSs, and to those that relays name; `http` says how relays are
    /// reached.
    ///
    /// # Errors
    /// [`RouteSetupError`].
    pub fn new(
        cpss: &[ServiceAddress],
        relays: &[RelayAddress],
        keys: TrustedKeys,
        http: &HttpOptions,
        fallback: Fallback,
        clock: Clock,
    ) -> Result<Arc<Self>, RouteSetupError> {
        let direct = HttpOptions {
            route: None,
            ..http.clone()
        };
        Ok(Arc::new(Self {
            relays: CpsRelays::sort(cpss, relays)?,
            keys,
            timeout: direct.timeout,
            client: KeptClient::open(direct)?,
            fallback,
            clock,
        }))
    }

    /// The CPSs that it leads to.
    pub fn cpss(&self) -> impl Iterator<Item = &ServiceAddress> {
        self.relays.iter().map(CpsRelays::cps)
    }

    /// What nobody has checked: who runs the relays. To be said once.
    #[must_use]
    pub fn unknown_operators(&self) -> UnknownOperators {
        let relays = self.relays.iter().flat_map(CpsRelays::relays);
        UnknownOperators(relays.map(|relay| relay.relay().to_string()).collect())
    }

    /// The relays and the key for a request, or why there is none.
    fn way(&self, url: &str, now: UnixTime) -> Result<(&CpsRelays, TrustedKey), RouteError> {
        let relays = self.relays.iter().find(|one| serves(one.cps(), url));
        let relays = relays.ok_or_else(|| fault::no_relay_named(url))?;
        let cps = relays.cps().authority();
        let known = self.keys.of(cps).unwrap_or_default();
        match (known.newest(now), &known.refused) {
            (Some(key), _) => Ok((relays, key.clone())),
            (None, Some(why)) => Err(fault::untrusted(url, why)),
            (None, None) => Err(fault::no_key(url, cps, &known, now)),
        }
    }

    /// Hands a request to the first relay that can be reached and takes it. One that was
    /// reached is the only one: the request may have gone on from there. But if it says that
    /// it has handed nothing on, one of another authority is tried, in the time that was for
    /// the first. **For each relay the request is sealed again.**
    async fn send(&self, request: RoutedRequest<'_>) -> Result<RoutedAnswer, HttpError> {
        let (url, until) = (request.url, Deadline::after(self.timeout));
        let (relays, key) = self.way(url, self.clock.now())?;
        let inner = inner_request(&request, relays.cps().authority())?;
        let max = max_answer(&key, request.max_answer);
        let (mut client, mut away) = (self.client.current(), None);
        let mut refused: Option<(&Authority, Answer)> = None;
        for (number, relay) in relays.in_random_order() {
            if refused.as_ref().is_some_and(|(by, _)| *by == relay.relay()) {
                continue;
            }
            let sealed = seal_request(key.config(), &inner, &mut rand::rng());
            let (sealed, opener) = sealed.map_err(|error| fault::unsealable(url, &error))?;
            let sealed = Request::post(relay.url(), sealed, max)
                .header("content-type", OHTTP_REQUEST_MEDIA_TYPE);
            match client.exchange(&sealed).await {
                Ok(answer) => {
                    relays.heard(number, !has_no_such_path(answer.status));
                    if !is_unprocessed(answer.status) || refused.is_some() {
                        return open(url, opener, &answer);
                    }
                    client = client.within(until);
                    refused = Some((relay.relay(), answer));
                }
                Err(error) if error.has_not_left() => {
                    relays.heard(number, false);
                    away = Some(error);
                }
                Err(error) => return Err(fault::no_answer(url, &error).into()),
            }
        }
        let why = match refused {
            Some((_, answer)) => fault::not_taken(url, &answer),
            None => fault::no_relay(url, away.as_ref(), self.fallback),
        };
        Err(why.into())
    }
}

impl Route for ObliviousRoute {
    fn carry<'a>(
        &'a self,
        request: RoutedRequest<'a>,
    ) -> BoxFuture<'a, Result<RoutedAnswer, HttpError>> {
        Box::pin(self.send(request))
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.way(url, self.clock.now()).map(drop)
    }

    fn allows_direct(&self) -> bool {
        self.fallback == Fallback::Direct
    }

    fn going_direct(&self, why: &RouteError) {
        repeated_causes::warn(
            "requests go directly (fallback = \"direct\"): their CPS sees this machine's address",
            why,
        );
    }
}

/// Relays whose operators this program does not know: no roster says who they are.
#[derive(Debug, thiserror::Error)]
#[error(
    "operator of the relay unknown: {}; if it is also the CPS's, it sees who sends what: ask who \
     runs it", .0.iter().cloned().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownOperators(BTreeSet<String>);

/// Relays that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RouteSetupError {
    /// As they are named.
    #[error(transparent)]
    Relays(#[from] RelaysError),
    /// The client for them.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Whether a relay says by this status that it has handed nothing on, or that the CPS took
/// nothing. 502 and 504 say that nobody knows.
const fn is_unprocessed(status: StatusCode) -> bool {
    has_no_such_path(status)
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
}

/// Whether it is the relay's own word that it carries nothing for this CPS. 429 and 503 may be
/// the CPS's: they must not decide by which relay later requests come.
const fn has_no_such_path(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::MISDIRECTED_REQUEST
    )
}

/// Whether a URL is one of this service.
fn serves(cps: &ServiceAddress, url: &str) -> bool {
    let rest = url.strip_prefix(&cps.url(""));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// The request as the CPS reads it: as it would be sent directly, and no field more but the
/// one that says how long the answer is to be.
fn inner_request(
    request: &RoutedRequest<'_>,
    cps: &Authority,
) -> Result<binary_http::Request, RouteError> {
    let malformed = || fault::malformed(request.url);
    let url: Uri = request.url.parse().map_err(|_| malformed())?;
    let path = url.path_and_query().ok_or_else(malformed)?;
    let authority = cps.as_str().parse().map_err(|_| malformed())?;
    let mut inner = binary_http::Request::new(request.method.clone(), authority, path.clone());
    inner.fields = request.headers.clone();
    if let Some(pad) = pad_of(path.path()) {
        let pad = HeaderValue::from(pad.size());
        inner.fields.insert(PAD_FIELD, pad);
    }
    inner.content = request.body.to_vec();
    Ok(inner)
}

/// How long the answer is at least, of a request that has a fixed length.
fn pad_of(path: &str) -> Option<ResponseClass> {
    match path.strip_prefix(KEYS_PATH) {
        _ if path == STORE_PATH => Some(PAD),
        Some("") => Some(BLOCK_PAD),
        Some(number) if number.starts_with('/') => Some(PAD),
        _ => None,
    }
}

/// Most bytes that are read of a relay's answer: those of the class that has room for what
/// is wanted.
fn max_answer(key: &TrustedKey, wanted: usize) -> usize {
    let class = ResponseClass::of(wanted.saturating_add(MAX_ANSWER_HEAD), Some(PAD));
    let size = class.map_or(LARGEST_RESPONSE, ResponseClass::size);
    encapsulated_response_size(key.config().kem(), size)
}

fn open(url: &str, opener: ResponseOpener, answer: &Answer) -> Result<RoutedAnswer, HttpError> {
    if answer.status != StatusCode::OK {
        return Err(fault::not_taken(url, answer).into());
    }
    let opened = answer
        .content(OHTTP_RESPONSE_MEDIA_TYPE)
        .map_err(|error| fault::no_answer(url, &error))?;
    let opened = open_response(opener, opened)
        .map_err(|error| fault::unreadable(url, &answer.url, &error))?;
    Ok(RoutedAnswer {
        status: opened.status,
        headers: opened.fields,
        body: opened.content.into(),
    })
}

#[cfg(test)]
mod tests;
