//! A TCP proxy that delivers requests and loses answers: the client cannot know
//! whether the service did what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct LossyProxy {
    address: SocketAddr,
    to_lose: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
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
        let to_lose = Arc::new(AtomicUsize::new(0));
        let lost = Arc::new(AtomicUsize::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (losing, counting) = (Arc::clone(&to_lose), Arc::clone(&lost));
        let accepted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (losing, counting) = (Arc::clone(&losing), Arc::clone(&counting));
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = pass(client, service, &losing, &counting).await;
                });
            }
        });
        Ok(Self {
            address,
            to_lose,
            lost,
            connections,
            task: task.abort_handle(),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses the answers to the next `count` requests with method POST.
    pub fn lose(&self, count: usize) {
        self.to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers were lost so far. Each of them had left the service.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
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

async fn pass(
    mut client: TcpStream,
    service: SocketAddr,
    to_lose: &AtomicUsize,
    lost: &AtomicUsize,
) -> io::Result<()> {
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
                doomed |= sent.starts_with(b"POST ") && take_one(to_lose);
                service.write_all(sent).await?;
            }
            read = service.read(&mut from_service) => {
                let answered = from_service.get(..read?).unwrap_or_default();
                if answered.is_empty() {
                    return Ok(());
                }
                if doomed {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                client.write_all(answered).await?;
            }
        }
    }
}

fn take_one(count: &AtomicUsize) -> bool {
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}
