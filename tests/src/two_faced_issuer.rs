//! An issuer that shows one face to the public and another to those it wants to
//! know again: in truth two issuers behind one address: one answers for the
//! log and one for the rest.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Most bytes of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;

/// Who answers.
#[derive(Debug, Clone, Copy)]
struct Faces {
    log: SocketAddr,
    rest: SocketAddr,
}

/// A running one; it ends when dropped. It answers `GET` only.
#[derive(Debug)]
pub struct TwoFacedIssuer {
    address: SocketAddr,
    faces: Arc<Mutex<Faces>>,
    task: AbortHandle,
}

impl TwoFacedIssuer {
    /// Shows the log of the issuer at `log`, and all else of the one at `rest`.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(log: SocketAddr, rest: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let faces = Arc::new(Mutex::new(Faces { log, rest }));
        let shown = Arc::clone(&faces);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shown = Arc::clone(&shown);
                tokio::spawn(async move {
                    // A client that is gone needs no answer.
                    let _ = answer(client, &shown).await;
                });
            }
        });
        Ok(Self {
            address,
            faces,
            task: task.abort_handle(),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on is one issuer, that at `address`.
    pub fn become_honest(&self, address: SocketAddr) {
        *self.faces.lock().unwrap_or_else(PoisonError::into_inner) = Faces {
            log: address,
            rest: address,
        };
    }
}

impl Drop for TwoFacedIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request a connection; the answer is that of the issuer whose turn it is.
async fn answer(mut client: TcpStream, faces: &Mutex<Faces>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 || head.len() > LARGEST_HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let faces = *faces.lock().unwrap_or_else(PoisonError::into_inner);
    let issuer = match path.starts_with("/log/") {
        true => faces.log,
        false => faces.rest,
    };
    let asked = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut issuer = TcpStream::connect(issuer).await?;
    issuer.write_all(asked.as_bytes()).await?;
    let mut said = Vec::new();
    issuer.read_to_end(&mut said).await?;
    client.write_all(&said).await?;
    client.shutdown().await
}
