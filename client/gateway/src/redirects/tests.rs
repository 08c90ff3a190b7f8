//! The front end with a stand-in for the engine, over real sockets of this machine.

use std::net::SocketAddr;
use std::sync::Mutex;

use pennyblack_engine::{Finding, Reason, Refused, StirCode};
use pennyblack_runtime::reload::Reload;
use pennyblack_service::findings::Findings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::config::tests::example_with;
use crate::in_force::InForce;
use crate::stand_in::{StandIn, deciding, field_identity};
use crate::trunks::Identities;

mod answers;
mod bounds;
mod stopping;

/// Longest wait for what must come.
const SOON: Duration = Duration::from_secs(20);

/// A front end that runs.
struct Scene {
    udp: SocketAddr,
    tcp: SocketAddr,
    engine: Arc<StandIn>,
    settings: Arc<Settings>,
    /// What is read at the next SIGHUP.
    next: Arc<Mutex<Config>>,
    readiness: Readiness,
    shutdown: Shutdown,
    running: JoinHandle<()>,
}

/// Settings of a side that listens at ports of its own.
fn side(name: &str, more: &[&str]) -> Vec<String> {
    let listen = format!("sip.{name}.listen=[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]");
    let more = more.iter().map(|text| (*text).to_owned());
    std::iter::once(listen).chain(more).collect()
}

impl Scene {
    fn signing(engine: StandIn, more: &[&str]) -> Self {
        Self::new(engine, &side("sign", more))
    }

    fn verifying(finding: Finding, more: &[&str]) -> Self {
        let engine = StandIn {
            finding: Some(finding),
            ..StandIn::default()
        };
        Self::new(engine, &side("verify", more))
    }

    fn new(engine: StandIn, settings: &[String]) -> Self {
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        Self::of(engine, example_with(&settings).unwrap())
    }

    fn of(engine: StandIn, config: Config) -> Self {
        let config = Arc::new(config);
        let mut findings = Findings::new();
        let sockets = bind(&config, &mut findings);
        let sockets = findings.conclude(sockets).unwrap();
        let udp = sockets[0].datagrams[0].local_addr().unwrap();
        let tcp = sockets[0].listeners[0].local_addr().unwrap();
        let next = Arc::new(Mutex::new(Config::clone(&config)));
        let settings = Arc::new(settings_of(&config, Arc::clone(&next)));
        let (engine, readiness) = (Arc::new(engine), Readiness::new());
        let redirects = Redirects {
            deciding: deciding(&engine, &config),
            config,
            settings: Arc::clone(&settings),
            readiness: readiness.clone(),
        };
        let shutdown = Shutdown::new();
        let running = tokio::spawn(redirects.run(sockets, shutdown.clone()));
        Self {
            udp,
            tcp,
            engine,
            settings,
            next,
            readiness,
            shutdown,
            running,
        }
    }

    /// Sends it over UDP, and returns the first answer, which is acknowledged.
    async fn asks(&self, request: &str) -> String {
        let socket = self.socket().await;
        socket.send(request.as_bytes()).await.unwrap();
        let said = heard(&socket).await;
        if request.starts_with("INVITE") && code(&said) != "100" {
            let ack = request.replace("INVITE", "ACK");
            socket.send(ack.as_bytes()).await.unwrap();
        }
        said
    }

    async fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.udp).await.unwrap();
        socket
    }

    async fn stops(self) {
        self.shutdown.trigger();
        timeout(SOON, self.running).await.unwrap().unwrap();
    }
}

fn settings_of(config: &Config, next: Arc<Mutex<Config>>) -> Settings {
    let identities = Arc::new(Identities::new(Reload::new()));
    let first = InForce::read(config, &identities, &mut Findings::new()).unwrap();
    let again = Arc::new(move || Ok(next.lock().unwrap().clone()));
    Settings::new(config, again, identities, first)
}

async fn heard(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_535];
    let size = timeout(SOON, socket.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    buffer.truncate(size);
    String::from_utf8(buffer).unwrap()
}

/// What a connection says until its next empty line; nothing if it ends.
async fn heard_by(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match timeout(SOON, stream.read_u8()).await.unwrap() {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(text).unwrap()
}

/// A request of the transaction `number`.
fn request(method: &str, number: u32) -> String {
    format!(
        "{method} sip:+12155550100@h;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK{number};rport\r\n\
         From: <sip:+17325551000@h>;tag=a\r\nTo: <sip:+12155550100@h>\r\n\
         Call-ID: c{number}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

fn failed() -> Finding {
    Finding::Failed(Refused {
        code: StirCode::InvalidIdentityHeader,
        detail: "it is damaged".to_owned(),
        not_judged: None,
    })
}

/// Waits for a condition without holding a thread.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
}
