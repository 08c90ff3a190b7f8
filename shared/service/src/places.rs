//! Which connections a listener has open, at most so many, and which of them give
//! way to new ones. Not here: how one ends (`connection`).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::Id;
use tokio::time::Instant;

use crate::exchanges::{Exchanges, Waiting};

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

    /// Sees that a place is free. When all are taken, some of those connections are dismissed
    /// that wait for their clients: clients that are silent, send half a request or take no
    /// answer would hold every place otherwise, at no cost.
    ///
    /// False when this side works on a whole request of every connection.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.taken.len() < self.max {
            return true;
        }
        let now = Instant::now();
        let how = |(id, exchanges): (&Id, &Arc<Exchanges>)| Some((exchanges.waiting(now)?, *id));
        let waiting = self.taken.iter().filter_map(how).collect();
        let chosen = give_way(waiting, (self.max / PARTS).max(1));
        for id in &chosen {
            if let Some(exchanges) = self.taken.remove(id) {
                exchanges.dismiss();
            }
        }
        !chosen.is_empty()
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

/// So many of those that wait. Each comes from the larger group, new connections or those
/// that have had an answer, and is the one in it that has waited for longest. Nobody can
/// crowd out new connections by asking for something cheap again and again, since that counts
/// in the other group; nor can silent ones crowd out those in use. A place is given up only
/// after about half as many connections have come as there are places.
fn give_way<T>(waiting: Vec<(Waiting, T)>, enough: usize) -> Vec<T> {
    let (mut new, mut used): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(how, _)| how.is_new);
    for group in [&mut new, &mut used] {
        // The longest waiting last, to be taken first.
        group.sort_unstable_by_key(|(how, _)| Reverse(how.gives_way));
    }
    let next = |_| {
        let by_when = |group: &[(Waiting, T)]| group.last().map(|(how, _)| Reverse(how.gives_way));
        let is_new = (new.len(), by_when(&new)) > (used.len(), by_when(&used));
        let group = if is_new { &mut new } else { &mut used };
        group.pop().map(|(_, id)| id)
    };
    (0..enough).map_while(next).collect()
}

#[cfg(test)]
mod tests;
