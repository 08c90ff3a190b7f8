//! A TCP proxy that delivers requests and loses answers: the client cannot know
//! whether the service did what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::port::free_port;
use crate::world::World;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct LossyProxy {
    address: SocketAddr,
    losses: Arc<Losses>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

/// What is lost, and what was.
#[derive(Debug, Default)]
struct Losses {
    to_lose: AtomicUsize,
    percent: AtomicU32,
    lost: AtomicUsize,
}

impl Losses {
    /// Whether the answer to the request that comes now is lost.
    fn takes_one(&self) -> bool {
        let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
        let left = |left: usize| left.checked_sub(1);
        self.to_lose.fetch_update(set, fetch, left).is_ok()
            || rand::random_ratio(self.percent.load(Ordering::SeqCst), 100)
    }
}

impl LossyProxy {
    /// Starts one in front of `service`, which must speak plain HTTP/1.1. It
    /// loses nothing until it is told to.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(service: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let losses = Arc::new(Losses::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let (losing, accepted) = (Arc::clone(&losses), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let losing = Arc::clone(&losing);
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = pass(client, service, &losing).await;
                });
            }
        });
        Ok(Self {
            address,
            losses,
            connections,
            task: task.abort_handle(),
        })
    }

    /// Starts one that has the name of a world's CPS, before the CPS is started.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn before_cps(world: &mut World) -> io::Result<Self> {
        let behind = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let proxy = Self::start(behind).await?;
        world.cps.cps.authority = proxy.address.to_string().parse().unwrap();
        world.cps.public.listen = behind;
        Ok(proxy)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses the answers to the next `count` requests with method POST.
    pub fn lose(&self, count: usize) {
        self.losses.to_lose.store(count, Ordering::SeqCst);
    }

    /// Loses so many of a hundred answers to requests with method POST, at random.
    pub fn lose_percent(&self, percent: u32) {
        self.losses.percent.store(percent, Ordering::SeqCst);
    }

    /// How many answers were lost so far. Each of them had left the service.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.losses.lost.load(Ordering::SeqCst)
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, service: SocketAddr, losses: &Losses) -> io::Result<()> {
    let mut service = TcpStream::connect(service).await?;
    let (mut from_client, mut from_service) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut doomed = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let sent = from_client.get(..read?).unwrap_or_default();
                if sent.is_empty() {
                    return Ok(());
                }
                doomed |= sent.starts_with(b"POST ") && losses.takes_one();
                service.write_all(sent).await?;
            }
            read = service.read(&mut from_service) => {
                let answered = from_service.get(..read?).unwrap_or_default();
                if answered.is_empty() {
                    return Ok(());
                }
                if doomed {
                    losses.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                client.write_all(answered).await?;
            }
        }
    }
}
