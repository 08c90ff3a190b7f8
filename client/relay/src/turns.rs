//! Whose turn it is at a gateway. Requests that wait are taken **by turns over networks, and
//! not in the order in which they came**, and no network has more than half of what a gateway
//! gets: a holder of many addresses of one network waits behind its own. There is a line
//! for each network that has a request here, and none for others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::clients::Network;

/// The turns of one gateway.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Requests that the gateway gets at one time.
    streams: usize,
    /// Those of them that are of one network, at most.
    share: usize,
    /// Requests that wait, at most.
    waiting: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    waiting: usize,
    lines: HashMap<Network, Line>,
    /// The networks of which requests wait, the next one in front.
    order: VecDeque<Network>,
    /// Numbers those that wait.
    begun: u64,
}

/// The requests of one network.
#[derive(Debug, Default)]
struct Line {
    at_work: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Turn>)>,
}

/// As many wait as may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl Turns {
    /// So many requests at the gateway at one time, and so many that wait for it.
    pub(crate) fn new(streams: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            streams,
            share: (streams / 2).max(1),
            waiting,
            state: Mutex::default(),
        })
    }

    /// Waits for the turn of a request of this network. One that is not waited for any more
    /// gives its place back.
    ///
    /// # Errors
    /// [`NoPlace`], at once.
    pub(crate) async fn take(self: &Arc<Self>, network: Network) -> Result<Turn, NoPlace> {
        let (number, turn) = {
            let mut state = self.state();
            let at_work = state.lines.get(&network).map_or(0, |line| line.at_work);
            if state.at_work < self.streams && at_work < self.share {
                state.at_work += 1;
                state.lines.entry(network).or_default().at_work += 1;
                return Ok(self.turn(network));
            }
            if state.waiting >= self.waiting {
                return Err(NoPlace);
            }
            state.wait(network)
        };
        let _place = Place {
            number,
            network,
            among: self,
        };
        turn.await.map_err(|_| NoPlace)
    }

    fn turn(self: &Arc<Self>, network: Network) -> Turn {
        Turn {
            network,
            among: Arc::clone(self),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, network: Network) -> (u64, oneshot::Receiver<Turn>) {
        let (given, turn) = oneshot::channel();
        self.begun += 1;
        self.waiting += 1;
        let line = self.lines.entry(network).or_default();
        if line.waiting.is_empty() {
            self.order.push_back(network);
        }
        line.waiting.push_back((self.begun, given));
        (self.begun, turn)
    }

    /// The next one that waits, of a network that has not its share already. It is at work
    /// from now on, and its network the last in order.
    fn next(&mut self, share: usize) -> Option<(Network, oneshot::Sender<Turn>)> {
        let has_room = |network: &Network| {
            let line = self.lines.get(network);
            line.is_some_and(|line| line.at_work < share)
        };
        let network = self.order.remove(self.order.iter().position(has_room)?)?;
        let line = self.lines.get_mut(&network)?;
        let (_, given) = line.waiting.pop_front()?;
        line.at_work += 1;
        if !line.waiting.is_empty() {
            self.order.push_back(network);
        }
        self.at_work += 1;
        self.waiting -= 1;
        Some((network, given))
    }

    fn end_work(&mut self, network: Network) {
        self.at_work = self.at_work.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(&network) {
            line.at_work = line.at_work.saturating_sub(1);
        }
        self.forget_if_empty(network);
    }

    fn end_wait(&mut self, network: Network, number: u64) {
        let Some(line) = self.lines.get_mut(&network) else {
            return;
        };
        let before = line.waiting.len();
        line.waiting.retain(|(waits, _)| *waits != number);
        let left = before - line.waiting.len();
        self.waiting -= left;
        if left > 0 && line.waiting.is_empty() {
            self.order.retain(|waits| *waits != network);
        }
        self.forget_if_empty(network);
    }

    fn forget_if_empty(&mut self, network: Network) {
        let line = self.lines.get(&network);
        if line.is_some_and(|line| line.at_work == 0 && line.waiting.is_empty()) {
            self.lines.remove(&network);
        }
    }
}

/// A request that waits, or has just been given its turn.
struct Place<'a> {
    number: u64,
    network: Network,
    among: &'a Turns,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.among.state().end_wait(self.network, self.number);
    }
}

/// The turn of a request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    network: Network,
    among: Arc<Turns>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.among.state();
            state.end_work(self.network);
            state.next(self.among.share)
        };
        if let Some((network, given)) = next {
            // One that is not taken goes to the next when it is dropped here.
            let _ = given.send(self.among.turn(network));
        }
    }
}

#[cfg(test)]
mod tests;
