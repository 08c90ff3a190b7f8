//! The network of the demonstration. Each participant has an address of its own there, as
//! each carrier has in the field: what leaves by a *line* comes from that address. A *door*
//! stands before a service and records what comes, and from where. Not here: reading the
//! record (`traffic`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_base::time::UnixTime;
use pennyblack_runtime::clock::Clock;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::{DemoError, WhileDoing as _};

/// Bytes that are passed on at a time.
const PIECE: usize = 16 * 1024;

const BUILDING: &str = "building the network";

/// Who is on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    CarrierA,
    CarrierB,
    CarrierC,
    Crook,
    CalledSide,
    Relay,
    Auditor,
}

impl Host {
    pub(super) const ALL: [Self; 7] = [
        Self::CarrierA,
        Self::CarrierB,
        Self::CarrierC,
        Self::Crook,
        Self::CalledSide,
        Self::Relay,
        Self::Auditor,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CarrierA => "carrier-a",
            Self::CarrierB => "carrier-b",
            Self::CarrierC => "carrier-c",
            Self::Crook => "crook",
            Self::CalledSide => "called side",
            Self::Relay => "relay",
            Self::Auditor => "auditor",
        }
    }

    /// Whether it stores PASSporTs, and hides its address from the CPS.
    pub(super) const fn stores(self) -> bool {
        matches!(
            self,
            Self::CarrierA | Self::CarrierB | Self::CarrierC | Self::Crook
        )
    }

    /// In a network of its own: a relay may count clients by networks.
    const fn own_address(self) -> Ipv4Addr {
        let network = match self {
            Self::CarrierA => 1,
            Self::CarrierB => 2,
            Self::CarrierC => 3,
            Self::Crook => 4,
            Self::CalledSide => 5,
            Self::Relay => 6,
            Self::Auditor => 7,
        };
        Ipv4Addr::new(127, network, 0, 1)
    }
}

/// Lines and doors; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Network {
    is_apart: bool,
    tasks: Mutex<JoinSet<()>>,
}

impl Network {
    /// Each host has an address of its own where the system has all of 127.0.0.0/8, as Linux
    /// does. Elsewhere all have 127.0.0.1, and nobody can tell them apart.
    pub(super) fn find() -> Self {
        let has = |host: Host| std::net::TcpListener::bind((host.own_address(), 0)).is_ok();
        Self::new(Host::ALL.into_iter().all(has))
    }

    pub(super) fn new(is_apart: bool) -> Self {
        Self {
            is_apart,
            tasks: Mutex::default(),
        }
    }

    /// Whether addresses tell hosts apart.
    pub(super) const fn is_apart(&self) -> bool {
        self.is_apart
    }

    pub(super) const fn address_of(&self, host: Host) -> Ipv4Addr {
        match self.is_apart {
            true => host.own_address(),
            false => Ipv4Addr::LOCALHOST,
        }
    }

    /// Whose address this is, if it is that of one only.
    pub(super) fn host_at(&self, address: IpAddr) -> Option<Host> {
        let mut all = Host::ALL.into_iter();
        all.find(|host| self.is_apart && address == host.own_address())
    }

    /// A way to `service`: what comes to the address that this returns reaches the service
    /// from the address of `from`.
    pub(super) async fn line(
        &self,
        from: Host,
        service: SocketAddr,
    ) -> Result<SocketAddr, DemoError> {
        let from = self.address_of(from);
        self.listen(
            move |near, _| async move { pass_on(near, from, service, |_| (), |_| ()).await },
        )
        .await
    }

    /// What stands before `service`, which sees the same addresses as without it.
    pub(super) async fn door(&self, service: SocketAddr, kept: Kept) -> Result<Door, DemoError> {
        let record = Record::default();
        let recording = record.clone();
        let address = self.listen(move |near, from| {
            let conversation = recording.begin(from);
            async move {
                let (sent, answered) = (conversation.clone(), conversation);
                let answers = move |bytes: &[u8]| {
                    if kept == Kept::RequestsAndAnswers {
                        answered.add(bytes, |it| &mut it.answered);
                    }
                };
                let requests = move |bytes: &[u8]| sent.add(bytes, |it| &mut it.sent);
                match from {
                    IpAddr::V4(from) => pass_on(near, from, service, requests, answers).await,
                    IpAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
                }
            }
        });
        let address = address.await?;
        Ok(Door { address, record })
    }

    async fn listen<F>(
        &self,
        connected: impl Fn(TcpStream, IpAddr) -> F + Send + 'static,
    ) -> Result<SocketAddr, DemoError>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.during(BUILDING)?;
        let address = listener.local_addr().during(BUILDING)?;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, from)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                // One that breaks is for its two ends to see.
                connections.spawn(connected(near, from.ip()));
            }
        });
        Ok(address)
    }
}

/// Connects to `service` from `from`, and passes on until both sides have ended.
async fn pass_on(
    near: TcpStream,
    from: Ipv4Addr,
    service: SocketAddr,
    requests: impl FnMut(&[u8]),
    answers: impl FnMut(&[u8]),
) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let far = socket.connect(service).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::try_join!(
        copy(from_near, to_far, requests),
        copy(from_far, to_near, answers)
    )?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut seen: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let size = from.read(&mut buffer).await?;
        let piece = buffer.get(..size).unwrap_or_default();
        if piece.is_empty() {
            return to.shutdown().await;
        }
        seen(piece);
        to.write_all(piece).await?;
    }
}

/// What a door keeps of each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// What was asked. Answers to polls are a hundred megabytes.
    Requests,
    /// All.
    RequestsAndAnswers,
}

/// A door, and what came through it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    record: Record,
}

impl Door {
    /// All connections so far.
    pub(super) fn conversations(&self) -> Vec<Conversation> {
        self.record.lock().clone()
    }
}

/// One connection that came to a door.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    /// Where it came from.
    pub(super) from: IpAddr,
    /// When it began.
    pub(super) first: UnixTime,
    /// When the last byte was asked or answered.
    pub(super) last: UnixTime,
    pub(super) sent: Vec<u8>,
    pub(super) answered: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Record(Arc<Mutex<Vec<Conversation>>>);

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Conversation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, from: IpAddr) -> Recording {
        let now = Clock::system().now();
        let mut all = self.lock();
        all.push(Conversation {
            from,
            first: now,
            last: now,
            sent: Vec::new(),
            answered: Vec::new(),
        });
        Recording {
            record: self.clone(),
            number: all.len() - 1,
        }
    }
}

/// One connection that is being recorded.
#[derive(Clone)]
struct Recording {
    record: Record,
    number: usize,
}

impl Recording {
    fn add(&self, bytes: &[u8], to: impl FnOnce(&mut Conversation) -> &mut Vec<u8>) {
        if let Some(conversation) = self.record.lock().get_mut(self.number) {
            conversation.last = Clock::system().now();
            to(conversation).extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that answers each connection with the address that it sees.
    async fn mirror() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, from)) = listener.accept().await {
                let seen = from.ip().to_string();
                stream.write_all(seen.as_bytes()).await.unwrap();
            }
        });
        address
    }

    async fn seen_from(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"who am I?").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut seen = String::new();
        stream.read_to_string(&mut seen).await.unwrap();
        seen
    }

    #[tokio::test]
    async fn a_service_behind_a_door_sees_the_address_of_the_line_and_so_does_the_record() {
        let network = Network::new(true);
        let service = mirror().await;
        let door = network
            .door(service, Kept::RequestsAndAnswers)
            .await
            .unwrap();
        for host in [Host::CarrierA, Host::Relay] {
            let line = network.line(host, door.address).await.unwrap();
            assert_eq!(seen_from(line).await, network.address_of(host).to_string());
            let heard = door.conversations().pop().unwrap();
            assert_eq!(network.host_at(heard.from), Some(host));
            assert_eq!(heard.sent, b"who am I?");
            assert_eq!(heard.answered, heard.from.to_string().as_bytes());
        }
        // A connection that takes no line is of nobody on the network.
        assert_eq!(seen_from(door.address).await, "127.0.0.1");
        let heard = door.conversations().pop().unwrap();
        assert_eq!(network.host_at(heard.from), None);
    }

    #[tokio::test]
    async fn where_the_system_has_one_address_all_have_it_and_it_is_nobodys() {
        let network = Network::new(false);
        let line = network.line(Host::CarrierA, mirror().await).await.unwrap();
        assert_eq!(seen_from(line).await, "127.0.0.1");
        assert_eq!(network.host_at(Ipv4Addr::LOCALHOST.into()), None);
    }
}
