//! One thread that owns a state machine and its journal, and takes all waiting
//! commands into one commit: one sync serves them all, and none is answered
//! before it. A command that comes alone is committed at once; after a commit that
//! served several the next one gathers as many again, for a while
//! ([`Disk::GATHER`]) at most: the same clients are likely to be back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::disk::Disk;
pub use crate::frame::FrameBuilder;
pub use crate::health::DiskTrouble;
use crate::health::Health;
use crate::journal::Journal;

/// Most bytes that one commit gathers.
const MAX_FRAME: usize = 4 * 1024 * 1024;
/// Most commands that one commit gathers.
const MAX_COMMANDS: usize = 1024;
/// So many waiting commands are worth a sync: no more are gathered.
const MOST_GATHERED: usize = 64;

/// A command that was not carried out, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Too many commands are waiting; this one was not taken.
    #[error("the store's queue is full: try again shortly")]
    Busy,
    /// The disk refused. The command has had no effect here; should the process
    /// die before the next commit, it may be found done after the restart.
    #[error("the store could not make the request durable: see the service's log")]
    Failed,
    /// The store has stopped.
    #[error("the store has stopped")]
    Stopped,
}

/// A state whose changes are journalled. Everything runs on one thread.
pub trait StateMachine: Send + 'static {
    /// Where its journal lies.
    type Disk: Disk;
    /// What it is asked.
    type Command: Send + 'static;
    /// What it answers.
    type Answer: Send + 'static;

    /// The journal that commits go to. The machine owns it, so that its ticks can
    /// roll and remove segments.
    fn journal(&mut self) -> &mut Journal<Self::Disk>;

    /// Judges a command by what is durable together with what was judged since
    /// the last commit, and pushes the records that carry its effect.
    fn decide(&mut self, command: Self::Command, frame: &mut FrameBuilder) -> Self::Answer;

    /// What was judged since the last commit is durable.
    fn commit(&mut self);

    /// What was judged since the last commit will never have happened.
    fn abort(&mut self);

    /// Called after every commit, and when there is none for a [`StateMachine::TICK`]:
    /// the time to roll, to expire, to tidy up. `None` when nothing was to be done yet,
    /// which says nothing about what failed before.
    ///
    /// # Errors
    /// What the disk says; it is logged, and tried again at a later tick.
    fn tick(&mut self) -> Option<io::Result<()>> {
        None
    }

    /// The longest time between two ticks.
    const TICK: Duration = Duration::from_secs(1);
}

type Submitted<M> = (
    <M as StateMachine>::Command,
    oneshot::Sender<Result<<M as StateMachine>::Answer, CommitError>>,
);

/// The handle by which commands reach the thread. When it is dropped, waiting
/// commands are still carried out, and the thread ends.
pub struct GroupCommit<M: StateMachine> {
    queue: Option<SyncSender<Submitted<M>>>,
    waiting: Arc<Waiting>,
    trouble: watch::Receiver<DiskTrouble>,
    thread: Option<JoinHandle<()>>,
}

/// What sender and thread know of each other.
#[derive(Default)]
struct Waiting {
    /// How many commands were handed over and are not judged yet.
    commands: AtomicUsize,
    /// For how many of them the thread is waiting.
    enough: AtomicUsize,
}

impl<M: StateMachine> GroupCommit<M> {
    /// Starts the thread, whose name is in log lines too, with room for `queue` waiting commands.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(name: &'static str, mut machine: M, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let waiting = Arc::new(Waiting::default());
        let queue = Queue {
            receiver,
            waiting: Arc::clone(&waiting),
        };
        let (health, trouble) = Health::new(name, machine.journal().disk());
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(machine, &queue, health))?;
        Ok(Self {
            queue: Some(sender),
            waiting,
            trouble,
            thread: Some(thread),
        })
    }

    /// Why the disk refuses what is written, if it does, and word of each change.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<DiskTrouble> {
        self.trouble.clone()
    }

    /// Hands a command over and waits until it is durable.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn submit(&self, command: M::Command) -> Result<M::Answer, CommitError> {
        let (sender, receiver) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(CommitError::Stopped)?;
        let before = self.waiting.commands.fetch_add(1, Ordering::Relaxed);
        queue.try_send((command, sender)).map_err(|error| {
            self.waiting.commands.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => CommitError::Busy,
                TrySendError::Disconnected(_) => CommitError::Stopped,
            }
        })?;
        // Once is enough: it looks again before it sleeps.
        if before + 1 == self.waiting.enough.load(Ordering::Relaxed)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        receiver.await.map_err(|_| CommitError::Stopped)?
    }
}

impl<M: StateMachine> Drop for GroupCommit<M> {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// The other end of the handle's queue.
struct Queue<M: StateMachine> {
    receiver: Receiver<Submitted<M>>,
    waiting: Arc<Waiting>,
}

impl<M: StateMachine> Queue<M> {
    /// Waits until `end`, or until so many commands are there.
    fn gather(&self, enough: usize, end: Instant) {
        self.waiting.enough.store(enough, Ordering::Relaxed);
        while self.waiting.commands.load(Ordering::Relaxed) < enough {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

fn run<M: StateMachine>(mut machine: M, queue: &Queue<M>, mut health: Health) {
    let mut frame = FrameBuilder::default();
    let (mut served, mut committed) = (1, Instant::now());
    loop {
        match queue.receiver.recv_timeout(M::TICK) {
            Ok(first) => {
                queue.gather(served.min(MOST_GATHERED), committed + M::Disk::GATHER);
                served = commit_waiting(&mut machine, first, queue, &mut frame, &mut health);
                committed = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        health.tidied(machine.tick());
        health.look(machine.journal().disk());
    }
}

/// Commits what is waiting; how many commands that served.
fn commit_waiting<M: StateMachine>(
    machine: &mut M,
    first: Submitted<M>,
    queue: &Queue<M>,
    frame: &mut FrameBuilder,
    health: &mut Health,
) -> usize {
    let mut answers = Vec::new();
    let mut next = Some(first);
    while let Some((command, reply)) = next {
        answers.push((machine.decide(command, frame), reply));
        let room = frame.len() < MAX_FRAME && answers.len() < MAX_COMMANDS;
        next = room.then(|| queue.receiver.try_recv().ok()).flatten();
    }
    let served = answers.len();
    queue.waiting.commands.fetch_sub(served, Ordering::Relaxed);
    let written = if frame.is_empty() {
        Ok(())
    } else {
        let written = machine.journal().append(frame);
        health.committed(&written);
        written
    };
    match &written {
        Ok(()) => machine.commit(),
        Err(_) => machine.abort(),
    }
    for (answer, reply) in answers {
        // The asker may have gone away; that changes nothing.
        let _ = reply.send(match &written {
            Ok(()) => Ok(answer),
            Err(_) => Err(CommitError::Failed),
        });
    }
    served
}
