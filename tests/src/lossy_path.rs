//! A path for UDP that loses chosen SIP messages, or some at random. Not here: TCP (`lossy_proxy`,
//! `faulty_proxy`).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

/// Most bytes of a datagram.
const LARGEST: usize = 65_535;

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    Nothing,
    /// The next requests with this method, so many of them.
    Requests(&'static str, usize),
    /// The next responses with this status, so many of them.
    Responses(&'static str, usize),
    /// So many of a hundred messages, at random.
    Percent(u32),
    /// Everything.
    All,
}

impl Loss {
    /// Whether a message is lost, which is counted.
    fn takes(&mut self, message: &[u8]) -> bool {
        let mut words = message.split(|&byte| byte == b' ');
        let first = words.next().unwrap_or_default();
        let is_response = first == b"SIP/2.0";
        let (is_meant, left) = match self {
            Self::Nothing => return false,
            Self::Percent(percent) => return rand::random_ratio(*percent, 100),
            Self::All => return true,
            Self::Requests(method, left) => (!is_response && first == method.as_bytes(), left),
            Self::Responses(status, left) => {
                let said = words.next().unwrap_or_default();
                (is_response && said == status.as_bytes(), left)
            }
        };
        let is_lost = is_meant && *left > 0;
        *left -= usize::from(is_lost);
        is_lost
    }
}

/// A running path; it ends when dropped.
#[derive(Debug)]
pub struct LossyPath {
    address: SocketAddr,
    path: Arc<Path>,
    task: AbortHandle,
}

/// What the tasks of a path share.
#[derive(Debug)]
struct Path {
    front: UdpSocket,
    server: SocketAddr,
    loss: Mutex<Loss>,
    lost: AtomicUsize,
}

impl LossyPath {
    /// Starts one in front of `server`. It loses nothing until it is told to.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let front = UdpSocket::bind("127.0.0.1:0").await?;
        let address = front.local_addr()?;
        let path = Arc::new(Path {
            front,
            server,
            loss: Mutex::new(Loss::Nothing),
            lost: AtomicUsize::new(0),
        });
        // It fails with its sockets, and the test with it.
        let running = Arc::clone(&path).run();
        let task = tokio::spawn(async move { drop(running.await) });
        Ok(Self {
            address,
            path,
            task: task.abort_handle(),
        })
    }

    /// What is lost from now on.
    pub fn lose(&self, loss: Loss) {
        *self
            .path
            .loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = loss;
    }

    /// Where clients send to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages were lost so far.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.path.lost.load(Ordering::SeqCst)
    }
}

impl Drop for LossyPath {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Path {
    /// Each client has a socket of its own towards the server.
    async fn run(self: Arc<Self>) -> io::Result<()> {
        let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut answers = JoinSet::new();
        let mut message = vec![0; LARGEST];
        loop {
            let (size, client) = self.front.recv_from(&mut message).await?;
            let back = match backs.get(&client) {
                Some(back) => Arc::clone(back),
                None => {
                    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                    backs.insert(client, Arc::clone(&back));
                    answers.spawn(Arc::clone(&self).answer(Arc::clone(&back), client));
                    back
                }
            };
            if !self.loses(&message[..size]) {
                back.send_to(&message[..size], self.server).await?;
            }
        }
    }

    async fn answer(self: Arc<Self>, back: Arc<UdpSocket>, client: SocketAddr) -> io::Result<()> {
        let mut message = vec![0; LARGEST];
        loop {
            let (size, _) = back.recv_from(&mut message).await?;
            if !self.loses(&message[..size]) {
                self.front.send_to(&message[..size], client).await?;
            }
        }
    }

    fn loses(&self, message: &[u8]) -> bool {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = loss.takes(message);
        self.lost.fetch_add(usize::from(is_lost), Ordering::SeqCst);
        is_lost
    }
}
