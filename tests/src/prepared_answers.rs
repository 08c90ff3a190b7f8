//! A service that says what it was told to say, whatever it is asked, and keeps
//! what it was sent: for clients whose counterpart must misbehave in turn.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A running service; it ends when dropped.
#[derive(Debug)]
pub struct PreparedAnswers {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl PreparedAnswers {
    /// Answers the first request with the first of `answers`, each the whole text
    /// of an HTTP/1.1 answer, and so on; the last one answers all further requests.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(answers: Vec<String>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((mut connection, _)) = listener.accept().await {
                let Ok(request) = read_request(&mut connection).await else {
                    continue;
                };
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request);
                let answer = answers.get(turn).or(answers.last());
                let answer = answer.map(String::as_bytes).unwrap_or_default();
                // A client that is gone needs no answer.
                let _ = connection.write_all(answer).await;
                turn += 1;
            }
        });
        Ok(Self {
            address,
            requests,
            task: task.abort_handle(),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, head and content, as text.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for PreparedAnswers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a head and as much content as it announces.
async fn read_request(connection: &mut TcpStream) -> io::Result<String> {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n")
            && seen.len() >= head.len() + 4 + header(head, "content-length").parse().unwrap_or(0)
        {
            return Ok(text);
        }
        if connection.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The value of a header field of a request, empty if it has none. `name` is in
/// lower case.
#[must_use]
pub fn header<'r>(request: &'r str, name: &str) -> &'r str {
    let mut fields = request.lines().filter_map(|line| line.split_once(": "));
    let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    field.map_or("", |(_, value)| value)
}
