//! A TCP proxy that cuts, delays and stalls the connections through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens to connections and to what goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// Everything passes at once.
    #[default]
    Pass,
    /// Every piece passes this much later.
    Delay(Duration),
    /// Connections stay and are accepted, and nothing passes until the manner
    /// changes: what was sent meanwhile passes then.
    Stall,
    /// What clients send passes; the first answer is lost, and the connection ends.
    LoseAnswers,
    /// The same, but other answers pass until a client has sent these bytes in one
    /// piece.
    LoseAnswersTo(&'static str),
    /// Connections end, new ones at once.
    Cut,
}

#[derive(Debug, Clone, Copy)]
struct Course {
    manner: Manner,
    target: SocketAddr,
    /// Raised to end the connections there are.
    generation: u64,
}

/// A running proxy; it and its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    course: watch::Sender<Course>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Proxy {
    /// Starts one in front of `target` that lets everything pass.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let course = Course {
            manner: Manner::Pass,
            target,
            generation: 0,
        };
        let (course, seen) = watch::channel(course);
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(client, seen.clone()));
            }
        });
        Self {
            address,
            course,
            connections,
            task: task.abort_handle(),
        }
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on, for the connections there are and new ones.
    pub fn set(&self, manner: Manner) {
        self.course.send_modify(|course| course.manner = manner);
    }

    /// Ends the connections there are; new ones are served.
    pub fn cut_once(&self) {
        self.course.send_modify(|course| course.generation += 1);
    }

    /// Leads new connections elsewhere, and ends the ones there are.
    pub fn lead_to(&self, target: SocketAddr) {
        self.course.send_modify(|course| {
            course.target = target;
            course.generation += 1;
        });
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until either side or the manner ends it.
async fn connection(client: TcpStream, mut course: watch::Receiver<Course>) {
    let begun = *course.borrow_and_update();
    if begun.manner == Manner::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(begun.target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let seen = course.clone();
    let asked = AtomicBool::new(false);
    // An end of a connection is what this is for.
    tokio::select! {
        _ = pump(from_client, to_server, seen.clone(), Side::Client, &asked) => {}
        _ = pump(from_server, to_client, seen, Side::Server, &asked) => {}
        _ = course.wait_for(|course| is_over(course, begun.generation)) => {}
    }
}

fn is_over(course: &Course, generation: u64) -> bool {
    course.manner == Manner::Cut || course.generation != generation
}

/// Who sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Passes on what one side sends. `asked` is whether a client has sent the request whose
/// answer is to be lost.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut course: watch::Receiver<Course>,
    side: Side,
    asked: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let passing = course.wait_for(|course| course.manner != Manner::Stall);
        let Ok(course) = passing.await.map(|course| *course) else {
            return Ok(());
        };
        let sent = &buffer[..read];
        match (course.manner, side) {
            _ if sent.is_empty() => return Ok(()),
            (Manner::LoseAnswers, Side::Server) => return Ok(()),
            (Manner::LoseAnswersTo(_), Side::Server) if asked.load(Ordering::SeqCst) => {
                return Ok(());
            }
            (Manner::LoseAnswersTo(what), Side::Client) => {
                let is_there = sent.windows(what.len()).any(|part| part == what.as_bytes());
                asked.fetch_or(is_there, Ordering::SeqCst);
            }
            (Manner::Delay(delay), _) => tokio::time::sleep(delay).await,
            _ => {}
        }
        to.write_all(sent).await?;
    }
}
