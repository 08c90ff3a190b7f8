//! An issuer that shows one face to the public and another to those it wants to
//! know again: in truth two issuers behind one address: one answers for the
//! log and one for the rest. The log may be files, in which anything is stated.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Most bytes of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;

/// Who answers.
#[derive(Debug, Clone)]
struct Faces {
    log: LogFace,
    rest: SocketAddr,
}

/// Where the log is.
#[derive(Debug, Clone)]
enum LogFace {
    Issuer(SocketAddr),
    Files(PathBuf),
}

/// A running one; it ends when dropped.
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
        Self::start_with(LogFace::Issuer(log), rest).await
    }

    /// Shows the log whose files lie in `log`, its `key` among them, and all else of the
    /// issuer at `rest`.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start_with_files(log: PathBuf, rest: SocketAddr) -> io::Result<Self> {
        Self::start_with(LogFace::Files(log), rest).await
    }

    async fn start_with(log: LogFace, rest: SocketAddr) -> io::Result<Self> {
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
            log: LogFace::Issuer(address),
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
    let mut request = Vec::new();
    let end = loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut request).await? == 0 || request.len() > LARGEST_HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = request.split_off(end);
    let head = String::from_utf8_lossy(&request).into_owned();
    while body.len() < content_length(&head) {
        if client.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default();
    let faces = faces.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let issuer = match (path.strip_prefix("/log/"), faces.log) {
        (Some(path), LogFace::Files(files)) => {
            return file(client, files.join(path)).await;
        }
        (Some(_), LogFace::Issuer(log)) => log,
        (None, _) => faces.rest,
    };
    let asked = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut issuer = TcpStream::connect(issuer).await?;
    issuer.write_all(asked.as_bytes()).await?;
    issuer.write_all(&body).await?;
    let mut said = Vec::new();
    issuer.read_to_end(&mut said).await?;
    client.write_all(&said).await?;
    client.shutdown().await
}

fn content_length(head: &str) -> usize {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, value)| value.trim().parse().unwrap_or(0))
}

async fn file(mut client: TcpStream, path: PathBuf) -> io::Result<()> {
    let found = std::fs::read(path);
    let status = if found.is_ok() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let content = found.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(&content).await?;
    client.shutdown().await
}
