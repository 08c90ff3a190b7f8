//! Somebody whose word is not to be relied upon: a service that answers whatever the test
//! says, or one that stands before an honest service and changes its answers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Most bytes of a request.
const LARGEST_REQUEST: usize = 64 * 1024;

/// Makes an answer, head and content, of a path and the honest answer to it.
type Change = dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync;

/// What a running one needs.
struct AtWork {
    honest: Option<SocketAddr>,
    change: Mutex<Arc<Change>>,
    asked: Mutex<Vec<Asked>>,
}

/// What somebody on the way sees of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The first line: method, path, version.
    pub line: String,
    /// Bytes of head and content.
    pub size: usize,
}

impl Asked {
    fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// A running one; it ends when dropped.
pub struct Meddler {
    address: SocketAddr,
    at_work: Arc<AtWork>,
    task: AbortHandle,
}

impl Meddler {
    /// Answers with `change` of what the service at `honest` answers; of nothing, if there
    /// is none.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(
        honest: Option<SocketAddr>,
        change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let at_work = Arc::new(AtWork {
            honest,
            change: Mutex::new(Arc::new(change)),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&at_work);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let at_work = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that is gone needs no answer.
                    let _ = at_work.answer(client).await;
                });
            }
        });
        Ok(Self {
            address,
            at_work,
            task: task.abort_handle(),
        })
    }

    /// Answers every request with this status and content.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn saying(status: &str, content: &str) -> io::Result<Self> {
        let answer = answer(status, content);
        Self::start(None, move |_, _| answer.clone()).await
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this.
    pub fn turn_to(&self, change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        let change: Arc<Change> = Arc::new(change);
        *self
            .at_work
            .change
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = change;
    }

    /// From now on it changes nothing.
    pub fn become_honest(&self) {
        self.turn_to(|_, honest| honest);
    }

    /// How often it was asked for a path that begins like this.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        let asked = self.at_work.asked.lock();
        let asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .filter(|one| one.path().starts_with(path))
            .count()
    }

    /// What it was asked since the start, or since this was called last.
    #[must_use]
    pub fn take_asked(&self) -> Vec<Asked> {
        let asked = self.at_work.asked.lock();
        std::mem::take(&mut asked.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer as it stands on the wire.
#[must_use]
pub fn answer(status: &str, content: &str) -> Vec<u8> {
    let length = content.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{content}")
        .into_bytes()
}

impl AtWork {
    /// One request a connection.
    async fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, content) = read(&mut client).await?;
        let asked = Asked {
            line: head.lines().next().unwrap_or_default().to_owned(),
            size: head.len() + content.len(),
        };
        let honest = match self.honest {
            Some(honest) => ask(honest, &head, &content).await?,
            None => Vec::new(),
        };
        let changed = self.changed(asked.path(), honest);
        let all_asked = self.asked.lock();
        all_asked
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        client.write_all(&changed).await?;
        client.shutdown().await
    }

    fn changed(&self, path: &str, honest: Vec<u8>) -> Vec<u8> {
        let change = self.change.lock();
        let change = Arc::clone(&change.unwrap_or_else(PoisonError::into_inner));
        change(path, honest)
    }
}

/// A request's head and content.
async fn read(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let content = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes).into_owned();
            return read_content(client, head, content).await;
        }
        if client.read_buf(&mut bytes).await? == 0 || bytes.len() > LARGEST_REQUEST {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn read_content(
    client: &mut TcpStream,
    head: String,
    mut content: Vec<u8>,
) -> io::Result<(String, Vec<u8>)> {
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    while content.len() < length {
        if client.read_buf(&mut content).await? == 0 || length > LARGEST_REQUEST {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head, content))
}

async fn ask(honest: SocketAddr, head: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let asked = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut service = TcpStream::connect(honest).await?;
    service.write_all(asked.as_bytes()).await?;
    service.write_all(content).await?;
    let mut said = Vec::new();
    service.read_to_end(&mut said).await?;
    Ok(said)
}
