//! One accepted connection from its first byte to its last: handshake, HTTP,
//! and an end in every case. hyper alone never closes silent sockets or idle
//! HTTP/2 connections; here each wait has a deadline.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::answer_body::AnswerBody;
use crate::exchanges::{Exchanges, Overdue};
use crate::in_hand::BytesInHand;
use pennyblack_runtime::config::Limits;
use pennyblack_runtime::shutdown::Shutdown;

/// Time for a connection's last words (GOAWAY, the TLS close) once it is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Everything a connection needs; shared by all of a listener. The client's
/// address is not among it, so that no handler can record it.
pub(crate) struct Setting {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) http: auto::Builder<TokioExecutor>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) bytes: Arc<BytesInHand>,
    pub(crate) shutdown: Shutdown,
}

/// How HTTP is spoken under `limits`.
pub(crate) fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // The deadlines of `Exchanges` cover every header section, HTTP/2's too;
    // hyper's own knows HTTP/1 only.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes as usize);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128);
    http
}

/// Serves one connection to its end, or until its `exchanges` are dismissed.
pub(crate) async fn serve(stream: TcpStream, setting: &Setting, exchanges: Arc<Exchanges>) {
    tokio::select! {
        () = greet_and_serve(stream, setting, &exchanges) => {}
        () = exchanges.dismissed() => count_end("made_room"),
    }
}

async fn greet_and_serve(stream: TcpStream, setting: &Setting, exchanges: &Arc<Exchanges>) {
    // Answers are small and whole; waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &setting.tls else {
        return speak_http(stream, setting, exchanges).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(setting.limits.handshake, tls.accept(stream)) => handshake,
        () = setting.shutdown.requested() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            exchanges.listen(Instant::now());
            speak_http(stream, setting, exchanges).await;
        }
        Ok(Err(_)) => count_end("handshake_failed"),
        Err(_) => count_end("handshake_overdue"),
    }
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    setting: &Setting,
    exchanges: &Arc<Exchanges>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let open = exchanges.begin(Instant::now());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(exchanges));
        let answer = setting.router.clone().oneshot(request);
        let bytes = Arc::clone(&setting.bytes);
        async move {
            let response = answer
                .await
                .unwrap_or_else(|never: Infallible| match never {});
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, open, &bytes)))
        }
    });
    let mut connection = pin!(setting.http.serve_connection(TokioIo::new(stream), service));
    let last_words = tokio::select! {
        biased;
        end = until_over_or_overdue(connection.as_mut(), exchanges) => match end {
            None => return,
            Some(reason) => {
                count_end(reason.label());
                match reason {
                    Overdue::Idle => FAREWELL,
                    Overdue::NoRequest | Overdue::Stalled => return,
                }
            }
        },
        () = setting.shutdown.requested() => setting.limits.drain,
    };
    connection.as_mut().graceful_shutdown();
    let _ = timeout(last_words, connection).await;
}

/// Drives the connection until it ends by itself (`None`) or is overdue.
async fn until_over_or_overdue<C: Future>(
    mut connection: Pin<&mut C>,
    exchanges: &Exchanges,
) -> Option<Overdue> {
    let mut alarm = pin!(sleep_until(exchanges.deadline().0));
    poll_fn(move |context| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            let (deadline, reason) = exchanges.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(Some(reason));
            }
            // Most deadlines move away; the alarm follows only when it rings or
            // when one comes nearer, which spares a timer operation a request.
            if deadline < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

fn count_end(reason: &'static str) {
    metrics::counter!("pennyblack_connections_closed_total", "reason" => reason).increment(1);
}
