//! Connections that are kept, and requests that are written before they are sent. They
//! cost a client so little that one core of it asks a service, which has another core,
//! for several times what the service can do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use pennyblack_tests::answer::Answer;
use reqwest::RequestBuilder;
use tokio::net::TcpStream;

/// A request, to be sent as often as it is cloned.
pub(super) type Prepared = Request<Full<Bytes>>;

/// The same request, as it goes over a connection to its host.
pub(super) fn prepared(request: RequestBuilder) -> Prepared {
    let request = request.build().unwrap();
    let body = request.body().and_then(|body| body.as_bytes());
    let body = Full::from(body.unwrap().to_vec());
    let mut parts = Request::<reqwest::Body>::try_from(request)
        .unwrap()
        .into_parts()
        .0;
    let host = parts.uri.authority().unwrap().as_str();
    let host = HeaderValue::from_str(host).unwrap();
    let _ = parts.headers.insert(HOST, host);
    parts.uri = parts.uri.path().parse().unwrap();
    Request::from_parts(parts, body)
}

/// Connections to the hosts that requests name; one serves one request at a time.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<SendRequest<Full<Bytes>>>>);

impl Connections {
    /// Sends a request on a kept connection, or on a new one when all are in use.
    pub(super) async fn send(&self, mut request: Prepared) -> Answer {
        loop {
            let kept = self.idle().pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => connect(&request).await,
            };
            // Closed by the service while nobody used it: the next one.
            if connection.ready().await.is_err() {
                continue;
            }
            let response = match connection.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => {
                    request = error.take_message().expect("an answer to what was sent");
                    continue;
                }
            };
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            self.idle().push(connection);
            return Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            };
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(request: &Prepared) -> SendRequest<Full<Bytes>> {
    let host = request.headers()[HOST].to_str().unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    // Ends with the sender, or with the service.
    drop(tokio::spawn(connection));
    sender
}
