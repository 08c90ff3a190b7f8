//! A switch that asks by SIP, message by message, so that it can be as odd as a test wants.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_tests::gateway_scene::CALLED;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// Longest wait for an answer that must come.
const SOON: Duration = Duration::from_secs(20);

/// How a switch asks.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// A switch with a transaction of its own.
pub(super) struct Switch {
    pub(super) wire: Wire,
    pub(super) local: SocketAddr,
    pub(super) branch: String,
    pub(super) call: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said(pub(super) String);

impl Said {
    pub(super) fn code(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The values of the header.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.0.lines().map(|line| line.split_once(": "));
        let fields = lines.flatten().filter(|(known, _)| *known == name);
        fields.map(|(_, value)| value).collect()
    }

    pub(super) fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref other => panic!("{name}: {other:?} in {}", self.0),
        }
    }
}

impl Switch {
    pub(super) async fn udp(gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gateway).await.unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Wire::Udp(socket), local)
    }

    pub(super) async fn tcp(gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let local = stream.local_addr().unwrap();
        Self::new(Wire::Tcp(stream, Vec::new()), local)
    }

    fn new(wire: Wire, local: SocketAddr) -> Self {
        let name = rand::random::<u64>();
        Self {
            wire,
            local,
            branch: format!("z9hG4bK{name:x}"),
            call: format!("call-{name:x}"),
        }
    }

    fn transport(&self) -> &'static str {
        match self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp(..) => "TCP",
        }
    }

    /// A request of its transaction with these lines beside those that must be there.
    pub(super) fn request(&self, method: &str, caller: &str, more: &str) -> String {
        let via = format!(
            "Via: SIP/2.0/{} {};branch={};rport\r\n",
            self.transport(),
            self.local,
            self.branch
        );
        format!(
            "{method} sip:+{CALLED}@127.0.0.1;user=phone SIP/2.0\r\n{via}Max-Forwards: 70\r\n\
             From: <sip:+{caller}@127.0.0.1>;tag=a\r\n\
             To: <sip:+{CALLED}@127.0.0.1;user=phone>\r\nCall-ID: {}\r\n\
             CSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n",
            self.call
        )
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send(bytes.as_ref()).await.unwrap()),
            Wire::Tcp(stream, _) => stream.write_all(bytes.as_ref()).await.unwrap(),
        }
    }

    /// The next answer until then.
    pub(super) async fn heard_until(&mut self, until: Instant) -> Option<Said> {
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let size = timeout_at(until, socket.recv(&mut buffer)).await.ok()?;
                buffer.truncate(size.unwrap());
                Some(Said(String::from_utf8(buffer).unwrap()))
            }
            Wire::Tcp(stream, held) => loop {
                let end = held.windows(4).position(|end| end == b"\r\n\r\n");
                if let Some(end) = end {
                    let message = held.drain(..end + 4).collect();
                    return Some(Said(String::from_utf8(message).unwrap()));
                }
                let read = timeout_at(until, stream.read_buf(held)).await.ok()?;
                if read.unwrap() == 0 {
                    return None;
                }
            },
        }
    }

    /// The next answer.
    pub(super) async fn hears(&mut self) -> Said {
        let heard = self.heard_until(Instant::now() + SOON).await;
        heard.expect("an answer")
    }

    /// The next answer that is final.
    pub(super) async fn hears_final(&mut self) -> Said {
        loop {
            let said = self.hears().await;
            if said.code() >= 200 {
                return said;
            }
        }
    }

    /// Sends an INVITE, hears the final answer and acknowledges it.
    pub(super) async fn invites(&mut self, caller: &str) -> Said {
        let invite = self.request("INVITE", caller, "");
        self.asks(&invite).await
    }

    /// The same with this INVITE.
    pub(super) async fn asks(&mut self, invite: &str) -> Said {
        self.send(invite).await;
        let said = self.hears_final().await;
        let ack = self.request("ACK", "17325551000", "");
        self.send(ack).await;
        said
    }
}
