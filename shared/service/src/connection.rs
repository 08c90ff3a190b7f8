//! One accepted connection from its first byte to its last: handshake, HTTP,
//! and an end in every case. hyper alone never closes silent sockets or idle
//! HTTP/2 connections; here each wait has a deadline.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use pennyblack_http::{Gathered, ReadAhead};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client_address::ClientAddress;
use crate::exchanges::{Exchanges, Overdue};
use crate::http2_frames::Lasting;
use crate::http2_watch::Watched;
use crate::known_clients::{KnownClients, KnownConnection};
use crate::one_exchange;
use crate::stream_tasks::StreamTasks;
use crate::tls::TlsFiles;
use crate::untaken::PIECE;
use pennyblack_runtime::config::Limits;
use pennyblack_runtime::shutdown::Shutdown;

/// Time for a connection's last words (GOAWAY, the TLS close) once it has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a client may send on one stream before this side has taken any of it: the
/// usual, in which a store fits.
const STREAM_WINDOW: u32 = 65_535;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Bytes that the kernel takes beyond those that the client's window lets it send.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;

/// Everything a connection needs; shared by all of a listener.
pub(crate) struct Setting {
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) known: KnownClients,
    pub(crate) exchange: one_exchange::Setting,
    pub(crate) limits: Arc<Limits>,
    pub(crate) shutdown: Shutdown,
}

/// How HTTP/2 is spoken under these limits, with so many streams at one time, by either of the
/// stack's builders.
macro_rules! limit {
    ($http2:expr, $limits:expr, $streams:expr) => {
        $http2
            .timer(TokioTimer::new())
            .max_concurrent_streams($streams)
            .max_header_list_size($limits.header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(PIECE)
            .keep_alive_interval($limits.keep_alive)
            .keep_alive_timeout($limits.keep_alive)
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(128)
    };
}

/// HTTP/2 with a client that has asked for it in its TLS handshake. Its fields are not kept for
/// its next requests, so that a connection may last ([`Frames`](crate::http2_frames::Frames)).
fn http2(limits: &Limits, streams: u32, tasks: StreamTasks) -> http2::Builder<StreamTasks> {
    let mut http2 = http2::Builder::new(tasks);
    limit!(http2, limits, streams).header_table_size(0);
    http2
}

/// HTTP/1.1, or HTTP/2 with a client that begins with it.
fn http(limits: &Limits, streams: u32, tasks: StreamTasks) -> auto::Builder<StreamTasks> {
    let mut http = auto::Builder::new(tasks);
    // The deadlines of `Exchanges` cover every header section, HTTP/2's too;
    // hyper's own knows HTTP/1 only.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes as usize);
    limit!(http.http2(), limits, streams);
    http
}

/// Ends what goes on for a connection when the connection has ended, whichever way.
struct Ending<'a>(&'a Exchanges);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end_all();
    }
}

/// Serves one connection to its end, or until its `exchanges` are dismissed.
pub(crate) async fn serve(
    stream: TcpStream,
    client: Option<ClientAddress>,
    setting: &Setting,
    exchanges: Arc<Exchanges>,
) {
    let _ending = Ending(&exchanges);
    tokio::select! {
        // First: an answer that is made is sent.
        biased;
        () = greet_and_serve(stream, client, setting, &exchanges) => {}
        () = exchanges.dismissed() => count_end("made_room"),
    }
}

async fn greet_and_serve(
    stream: TcpStream,
    client: Option<ClientAddress>,
    setting: &Setting,
    exchanges: &Arc<Exchanges>,
) {
    // Answers are small and whole; waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    hold_back(&stream);
    let Some(tls) = &setting.tls else {
        return speak_http(stream, false, client, setting, exchanges).await;
    };
    let accepted = tls.acceptor().accept(ReadAhead::new(stream));
    let handshake = tokio::select! {
        handshake = timeout(setting.limits.handshake, accepted) => handshake,
        () = setting.shutdown.requested() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            exchanges.listen(Instant::now());
            let (_, session) = stream.get_ref();
            if let Some(known) = setting.known.recognise(session.peer_certificates()) {
                exchanges.belong_to(known);
            }
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            speak_http(stream, is_http2, client, setting, exchanges).await;
        }
        Ok(Err(_)) => count_end("handshake_failed"),
        Err(_) => count_end("handshake_overdue"),
    }
}

/// Keeps the kernel from taking megabytes of answers that a client does not take: they
/// would no longer be counted.
fn hold_back(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    // Without it, all goes well until memory is short.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    client: Option<ClientAddress>,
    setting: &Setting,
    exchanges: &Arc<Exchanges>,
) {
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        if let Some(client) = client {
            request.extensions_mut().insert(client);
        }
        let open = exchanges.begin(Instant::now(), request.version());
        one_exchange::answer(request, open, &setting.exchange)
    });
    // A known client may keep its connection, though the stack keeps more for it then.
    let (streams, lasting) = match exchanges.known() {
        Some(_) => (
            KnownConnection::streams(setting.limits.streams),
            Lasting::Always,
        ),
        None if is_http2 => (setting.limits.streams, Lasting::WithoutTable),
        None => (setting.limits.streams, Lasting::Briefly),
    };
    let tasks = StreamTasks(Arc::clone(exchanges));
    let enough = Arc::new(Notify::new());
    let stream = Gathered::new(stream);
    let watched = Watched::new(
        stream.clone(),
        setting.limits.header_bytes,
        lasting,
        Arc::clone(&enough),
    );
    let io = TokioIo::new(watched);
    if is_http2 {
        let http = http2(&setting.limits, streams, tasks);
        let connection = pin!(http.serve_connection(io, service));
        stream
            .drive(live(connection, exchanges, setting, &enough))
            .await;
    } else {
        let http = http(&setting.limits, streams, tasks);
        let connection = pin!(http.serve_connection(io, service));
        stream
            .drive(live(connection, exchanges, setting, &enough))
            .await;
    }
}

/// Has a connection live to its end: its own, or the one that is due.
async fn live<C: GracefulConnection>(
    mut connection: Pin<&mut C>,
    exchanges: &Exchanges,
    setting: &Setting,
    enough: &Notify,
) {
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
        () = enough.notified() => {
            count_end("enough_bytes");
            setting.limits.exchange
        }
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
            let now = Instant::now();
            if deadline <= now {
                if reason == Overdue::Stalled && exchanges.end_overdue(now) {
                    count_end("stalled_stream");
                    continue;
                }
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
