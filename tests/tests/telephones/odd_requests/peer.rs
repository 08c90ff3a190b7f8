//! A SIP peer that sends what it is told. Messages are made and read here as texts, and not by
//! the crate that the gateway does it with: its mistakes would not be seen.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_tests::gateway_scene::CALLED;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// Longest wait for an answer that must come.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// Most bytes of a datagram.
const LARGEST: usize = 65_535;

/// The way to the gateway.
enum Way {
    Udp(UdpSocket),
    /// With what has come and is not read.
    Tcp(TcpStream, Vec<u8>),
}

/// A peer with one transaction.
pub(super) struct Peer {
    way: Way,
    pub(super) address: SocketAddr,
    pub(super) branch: String,
    pub(super) call_id: String,
}

impl Peer {
    /// `name` is that of its branch and its Call-ID.
    pub(super) async fn udp(gateway: SocketAddr, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gateway).await.unwrap();
        let address = socket.local_addr().unwrap();
        Self::new(Way::Udp(socket), address, name)
    }

    pub(super) async fn tcp(gateway: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let address = stream.local_addr().unwrap();
        Self::new(Way::Tcp(stream, Vec::new()), address, name)
    }

    fn new(way: Way, address: SocketAddr, name: &str) -> Self {
        Self {
            way,
            address,
            branch: format!("z9hG4bK{name}"),
            call_id: name.to_owned(),
        }
    }

    /// The Via of this peer.
    pub(super) fn via(&self) -> String {
        let transport = match self.way {
            Way::Udp(_) => "UDP",
            Way::Tcp(..) => "TCP",
        };
        let (address, branch) = (self.address, &self.branch);
        format!("Via: SIP/2.0/{transport} {address};branch={branch};rport")
    }

    /// A call from this number.
    pub(super) fn invite(&self, from: &str) -> Message {
        Message {
            method: "INVITE",
            uri: format!("sip:+{CALLED}@127.0.0.1;user=phone"),
            vias: self.via(),
            from: format!("<sip:+{from}@127.0.0.1;user=phone>;tag=a"),
            to: format!("<sip:+{CALLED}@127.0.0.1;user=phone>"),
            call_id: self.call_id.clone(),
            more: String::new(),
            body: String::new(),
        }
    }

    pub(super) async fn send(&mut self, message: impl AsRef<[u8]>) {
        let message = message.as_ref();
        match &mut self.way {
            Way::Udp(socket) => {
                socket.send(message).await.unwrap();
            }
            Way::Tcp(stream, _) => stream.write_all(message).await.unwrap(),
        }
    }

    /// Sends a message, and waits for the final answer.
    pub(super) async fn ask(&mut self, message: &Message) -> Reply {
        self.send(message.text()).await;
        let reply = self.final_answer(SOON).await;
        reply.unwrap_or_else(|| panic!("no answer to {}", message.text()))
    }

    /// Asks with an INVITE, and acknowledges the answer.
    pub(super) async fn call(&mut self, invite: &Message) -> Reply {
        let reply = self.ask(invite).await;
        self.send(invite.as_method("ACK").text()).await;
        reply
    }

    /// The next answer that is final, within this time.
    pub(super) async fn final_answer(&mut self, within: Duration) -> Option<Reply> {
        let until = Instant::now() + within;
        loop {
            let reply = timeout_at(until, self.receive()).await.ok()?;
            if reply.code() >= 200 {
                return Some(reply);
            }
        }
    }

    /// Waits until the gateway closes the connection without an answer.
    pub(super) async fn is_closed(&mut self) {
        let Way::Tcp(stream, come) = &mut self.way else {
            panic!("no connection");
        };
        let read = timeout_at(Instant::now() + SOON, stream.read_to_end(come)).await;
        read.expect("it stays open").unwrap();
        assert!(come.is_empty(), "{come:?}");
    }

    async fn receive(&mut self) -> Reply {
        match &mut self.way {
            Way::Udp(socket) => {
                let mut message = vec![0; LARGEST];
                let size = socket.recv(&mut message).await.unwrap();
                Reply(String::from_utf8(message[..size].to_vec()).unwrap())
            }
            // Answers of a redirect server have no body.
            Way::Tcp(stream, come) => loop {
                if let Some(end) = come.windows(4).position(|four| four == b"\r\n\r\n") {
                    let rest = come.split_off(end + 4);
                    let message = std::mem::replace(come, rest);
                    return Reply(String::from_utf8(message).unwrap());
                }
                assert!(stream.read_buf(come).await.unwrap() > 0, "closed");
            },
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) method: &'static str,
    pub(super) uri: String,
    /// Lines, without the last line end.
    pub(super) vias: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    /// Lines, each with its line end.
    pub(super) more: String,
    pub(super) body: String,
}

impl Message {
    pub(super) fn as_method(&self, method: &'static str) -> Self {
        Self {
            method,
            body: String::new(),
            ..self.clone()
        }
    }

    pub(super) fn text(&self) -> String {
        let Self {
            method,
            uri,
            vias,
            from,
            to,
            call_id,
            more,
            body,
        } = self;
        let length = body.len();
        format!(
            "{method} {uri} SIP/2.0\r\n{vias}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply(String);

impl Reply {
    pub(super) fn code(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The values of all headers with this name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.0.lines().filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    /// The value of a header that is there once.
    pub(super) fn one(&self, name: &str) -> &str {
        match *self.all(name) {
            [value] => value,
            _ => panic!("{name} is not there once: {}", self.0),
        }
    }
}
