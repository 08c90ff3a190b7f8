//! How a request goes to its service, once, and what comes back: directly, or by a route.
//! Not here: when, how often and for how long.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use pennyblack_runtime::clock::Clock;

use super::route::{Route, RoutedAnswer, RoutedRequest};
use super::{Answer, ClockGap, HttpError, MAX_PROBLEM_SIZE, Request};

/// How requests go.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// To the service.
    Direct(reqwest::Client),
    /// By a route; directly only if that allows it.
    Routed {
        route: Arc<dyn Route>,
        direct: Option<reqwest::Client>,
    },
}

impl Way {
    /// What asks the service itself.
    pub(super) const fn direct(&self) -> Option<&reqwest::Client> {
        match self {
            Self::Direct(client) => Some(client),
            Self::Routed { .. } => None,
        }
    }

    /// Reads at most `limit` bytes of an answer, which its status decides.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        limit: impl Fn(StatusCode) -> usize,
    ) -> Result<Answer, HttpError> {
        match self {
            Self::Direct(client) => send_directly(client, request, limit).await,
            Self::Routed { route, direct } => {
                match (send_by(&**route, request, &limit).await, direct) {
                    (Err(HttpError::Route(error)), Some(direct)) if error.fault.is_closed() => {
                        route.going_direct(&error);
                        send_directly(direct, request, limit).await
                    }
                    (sent, _) => sent,
                }
            }
        }
    }
}

async fn send_by(
    route: &dyn Route,
    request: &Request<'_>,
    limit: impl Fn(StatusCode) -> usize,
) -> Result<Answer, HttpError> {
    let headers = request.header_map()?;
    let carried = route.carry(RoutedRequest {
        method: &request.method,
        url: &request.url,
        headers: &headers,
        body: &request.body,
        max_answer: request.max_answer.max(MAX_PROBLEM_SIZE),
    });
    let RoutedAnswer {
        status,
        headers,
        body,
    } = carried.await?;
    let limit = limit(status);
    if body.len() > limit {
        let url = request.url.clone();
        return Err(HttpError::TooLong { url, limit });
    }
    Ok(answer(request, status, headers, body))
}

async fn send_directly(
    client: &reqwest::Client,
    request: &Request<'_>,
    limit: impl Fn(StatusCode) -> usize,
) -> Result<Answer, HttpError> {
    let url = &request.url;
    let sent = client
        .request(request.method.clone(), url)
        .headers(request.header_map()?)
        .body(request.body.clone())
        .send();
    let response = sent.await.map_err(|error| HttpError::NoAnswer {
        url: url.clone(),
        error,
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read(response, limit(status), url).await?;
    Ok(answer(request, status, headers, body))
}

fn answer(request: &Request<'_>, status: StatusCode, headers: HeaderMap, body: Bytes) -> Answer {
    let url = request.url.clone();
    let clock_gap = ClockGap::of(&headers, &url, Clock::system().now());
    Answer {
        url,
        status,
        headers,
        body,
        clock_gap,
    }
}

async fn read(
    mut response: reqwest::Response,
    limit: usize,
    url: &str,
) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                return Err(HttpError::TooLong {
                    url: url.to_owned(),
                    limit,
                });
            }
            Err(error) => {
                return Err(HttpError::NoAnswer {
                    url: url.to_owned(),
                    error,
                });
            }
        }
    }
}
