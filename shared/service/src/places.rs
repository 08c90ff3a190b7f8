//! Which connections a listener has open, at most so many, and which of them give
//! way to new ones. Not here: how one ends (`connection`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::Id;
use tokio::time::Instant;

use crate::exchanges::Exchanges;

/// So many parts of all places are freed at a time, so that looking for the
/// longest waiting, which looks at every place, is rare.
const PARTS: usize = 64;

/// The open connections by their tasks.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    taken: HashMap<Id, Arc<Exchanges>>,
}

impl Places {
    /// At most so many.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            taken: HashMap::new(),
        }
    }

    /// Sees that a place is free. When all are taken, those connections are dismissed
    /// that have waited for their clients for longest: clients that are silent, send
    /// half a request or take no answer would hold every place otherwise, at no cost.
    /// Between two requests, from a quarter of a second after the last one on, a
    /// connection gives way two seconds earlier: its client has lost nothing, and clients
    /// that ask for something cheap now and then would keep out those that need a second
    /// for their first request.
    ///
    /// False when this side works on a whole request of every connection.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.taken.len() < self.max {
            return true;
        }
        let now = Instant::now();
        let by_when =
            |(id, exchanges): (&Id, &Arc<Exchanges>)| Some((exchanges.gives_way(now)?, *id));
        let mut waiting: Vec<_> = self.taken.iter().filter_map(by_when).collect();
        waiting.sort_unstable_by_key(|(by_when, _)| *by_when);
        let enough = (self.max / PARTS).max(1);
        for (_, id) in waiting.iter().take(enough) {
            if let Some(exchanges) = self.taken.remove(id) {
                exchanges.dismiss();
            }
        }
        !waiting.is_empty()
    }

    /// Notes a connection that has begun.
    pub(crate) fn take(&mut self, task: Id, exchanges: Arc<Exchanges>) {
        self.taken.insert(task, exchanges);
    }

    /// Notes that a connection has ended.
    pub(crate) fn leave(&mut self, task: Id) {
        self.taken.remove(&task);
    }
}
