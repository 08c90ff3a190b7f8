//! How a kept connection is made: TCP, TLS with HTTP/2 and nothing else, and how much of
//! memory the other side may have.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use h2::client;
use h2::{Ping, PingPong};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::{Attempt, KeptError, KeptLimits, Open};
use crate::gathered::Gathered;
use crate::read_ahead::ReadAhead;
use crate::service_address::ServiceUri;
use crate::tls::TlsClient;
use crate::transport::{TOO_LONG, explain_connection};

/// Bytes of one answer that the service may send before anybody reads them. The connection
/// has room for that many of each stream: an answer that waits for memory keeps back no other.
const STREAM_WINDOW: u32 = 65_535;
/// Bytes of an answer's header section.
const HEADER_BYTES: u32 = 16 * 1024;
/// How often a service with open requests is asked whether it is still there, and the time
/// for its reply.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Begins to connect. The work goes on, also when nobody waits for it.
pub(super) fn begin(service: &ServiceUri, tls: Option<TlsClient>, limits: KeptLimits) -> Attempt {
    let service = service.clone();
    let work = tokio::spawn(async move {
        let failed = |why| KeptError::NoConnection(format!("{service}: {why}"));
        match timeout(limits.connect, connect(&service, tls, limits)).await {
            Ok(Ok(open)) => Ok(open),
            Ok(Err(error)) => {
                let why = explain_connection(&service.to_string(), &*error);
                Err(failed(why))
            }
            Err(_) => Err(failed(TOO_LONG.to_owned())),
        }
    });
    let broke_off = |_| Err(KeptError::NoConnection("connecting broke off".to_owned()));
    async move { work.await.unwrap_or_else(broke_off) }
        .boxed()
        .shared()
}

type ConnectError = Box<dyn Error + Send + Sync>;

async fn connect(
    service: &ServiceUri,
    tls: Option<TlsClient>,
    limits: KeptLimits,
) -> Result<Open, ConnectError> {
    let uri: http::Uri = service.to_string().parse()?;
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_tls = uri.scheme() != Some(&http::uri::Scheme::HTTP);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if !is_tls {
        return speak_http2(stream, limits).await;
    }
    let name = ServerName::try_from(host.to_owned())?;
    let tls = tls.ok_or_else(|| io::Error::other("it is not known whom to trust there"))?;
    let stream = TlsConnector::from(tls.config).connect(name, ReadAhead::new(stream));
    let stream = stream.await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("it does not speak HTTP/2 there").into());
    }
    speak_http2(stream, limits).await
}

async fn speak_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    limits: KeptLimits,
) -> Result<Open, ConnectError> {
    let stream = Gathered::new(stream);
    let made = client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(limits.streams))
        .max_header_list_size(HEADER_BYTES)
        // Fields of answers are not kept for the next one.
        .header_table_size(0)
        .handshake(stream.clone());
    let (sender, mut connection) = made.await?;
    let pings = connection.ping_pong();
    let open = Open::new(sender);
    let (is_over, requests) = (Arc::clone(&open.is_over), Arc::clone(&open.requests));
    // Ends when nothing is open on it and nobody may send any more.
    tokio::spawn(async move {
        let lives = async {
            tokio::select! {
                _ = connection => {}
                () = until_it_is_gone(pings, &requests) => {}
            }
        };
        stream.drive(lives).await;
        is_over.store(true, Ordering::Relaxed);
    });
    Ok(open)
}

/// Asks a service with open requests now and then whether it is still there, and returns when
/// it is not.
async fn until_it_is_gone(pings: Option<PingPong>, requests: &AtomicUsize) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        sleep(KEEP_ALIVE).await;
        if requests.load(Ordering::Relaxed) > 0 {
            let pong = timeout(KEEP_ALIVE, pings.ping(Ping::opaque())).await;
            if !matches!(pong, Ok(Ok(_))) {
                return;
            }
        }
    }
}
