//! A TCP proxy that can be told to say nothing, to break off, to be slow, or to give an answer
//! of its own: the faults of a gateway, and of the services that it stands in front of. Not
//! here: lost answers (`lossy_proxy`).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on.
    None,
    /// It is accepted, and nothing is said, until the fault is another.
    Silent,
    /// It is ended at once.
    BrokenOff,
    /// It is passed on after this time.
    Slow(Duration),
    /// It is answered with this, whatever was asked, and ended.
    Answered(&'static str),
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    task: AbortHandle,
}

impl FaultyProxy {
    /// Starts one in front of `service`, without a fault.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(service: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let fault = watch::Sender::new(Fault::None);
        let changes = fault.subscribe();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is what this is for.
                let passes = pass(client, service, changes.clone());
                tokio::spawn(async { drop(passes.await) });
            }
        });
        Ok(Self {
            address,
            fault,
            task: task.abort_handle(),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of connections from now on. Those that were silent are passed on when it
    /// ends.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut client: TcpStream,
    service: SocketAddr,
    mut fault: watch::Receiver<Fault>,
) -> io::Result<()> {
    let is_over = fault.wait_for(|fault| *fault != Fault::Silent).await;
    let fault = is_over.map_or(Fault::BrokenOff, |fault| *fault);
    match fault {
        Fault::BrokenOff => return Ok(()),
        Fault::Answered(answer) => return say(client, answer).await,
        Fault::Slow(time) => tokio::time::sleep(time).await,
        Fault::None | Fault::Silent => {}
    }
    let mut service = TcpStream::connect(service).await?;
    copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

/// Reads until the client has read the answer: a connection with unread bytes would be reset,
/// and the answer lost.
async fn say(mut client: TcpStream, answer: &str) -> io::Result<()> {
    let mut asked = [0; 16 * 1024];
    let _size = client.read(&mut asked).await?;
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    while client.read(&mut asked).await? > 0 {}
    Ok(())
}
