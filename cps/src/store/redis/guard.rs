//! Whether tokens may be redeemed: what this node has seen of the store, and how
//! the last look at it ended. It decides nothing about Redis; it holds what was
//! decided, and the file that outlives the process.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use pennyblack_service::repeated_causes::report;
use tokio::sync::Notify;

use super::fence::{Changes, Fence, FenceFileError, Forgotten, Reading, StoreId};
use super::keys::Shard;
use super::spent::Known;

/// How many changes of a shard are remembered by number: more than are under way at once.
const REMEMBERED: usize = 32;

/// Why nothing is redeemed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusing {
    #[error("the store has not answered since the start: {0}")]
    Unexamined(String),
    #[error("the store does not carry store.durability: {0}")]
    Durability(String),
    #[error(
        "the store is older than what this node has seen of it: {0}. Tokens that it has forgotten \
         could be spent twice. Restore it, or accept it as it is with \
         \"pennyblack-cps --config FILE --accept-older-store\" (docs/redis.md)"
    )]
    Older(Forgotten),
    #[error(
        "that this node's spends are in the store cannot be written down: {0}. Make room in its data \
         directory, or let it be written to"
    )]
    NotKept(String),
}

impl Refusing {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is the end of the error, and reads so where it is mapped"
    )]
    pub(super) fn not_kept(error: FenceFileError) -> Self {
        Self::NotKept(error.to_string())
    }
}

#[derive(Debug)]
pub(super) struct Guard {
    path: PathBuf,
    /// Locked to read or raise a few numbers, never while waiting.
    remembered: Mutex<Remembered>,
    /// Locked to read or replace, never while waiting.
    refusing: RwLock<Option<Refusing>>,
    /// Rung when the store should be looked at now.
    pub(super) alarm: Notify,
}

#[derive(Debug)]
struct Remembered {
    fence: Fence,
    is_saved: bool,
    /// The numbers of the last changes that this node has made of each shard.
    made: HashMap<Shard, VecDeque<u64>>,
}

impl Guard {
    pub(super) fn new(path: PathBuf, fence: Fence) -> Self {
        let unexamined = Refusing::Unexamined("not asked yet".to_owned());
        Self {
            path,
            remembered: Mutex::new(Remembered {
                fence,
                is_saved: false,
                made: HashMap::new(),
            }),
            refusing: RwLock::new(Some(unexamined)),
            alarm: Notify::new(),
        }
    }

    /// What is known of a shard, if tokens may be redeemed.
    pub(super) fn known(&self, shard: Shard) -> Result<Known, Refusing> {
        if let Some(refusing) = self.refusing() {
            return Err(refusing);
        }
        let remembered = self.remembered();
        match remembered.fence.store {
            Some(store) => Ok(Known {
                node: remembered.fence.node,
                store,
                seen: remembered.fence.seen(shard),
            }),
            None => Err(Refusing::Unexamined("it is not begun".to_owned())),
        }
    }

    pub(super) fn refusing(&self) -> Option<Refusing> {
        let refusing = self.refusing.read();
        refusing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets tokens be redeemed, or not.
    pub(super) fn set(&self, refusing: Option<Refusing>) {
        let changed = {
            let mut now = self
                .refusing
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let changed = *now != refusing;
            now.clone_from(&refusing);
            changed
        };
        let gauge = metrics::gauge!("pennyblack_cps_store_refusing");
        gauge.set(if refusing.is_some() { 1.0 } else { 0.0 });
        match refusing {
            Some(refusing) if changed => report("no token is redeemed", &refusing),
            None if changed => tracing::info!("the store is sound: tokens are redeemed"),
            _ => {}
        }
    }

    /// A script has found that its shard knows less than this node.
    pub(super) fn found_older(&self) -> Refusing {
        metrics::counter!("pennyblack_cps_store_older_total").increment(1);
        let older = Refusing::Older(Forgotten::Spend);
        self.set(Some(older.clone()));
        self.alarm.notify_one();
        older
    }

    /// Notes changes that are durable.
    pub(super) fn record(&self, shard: Shard, changes: Changes) {
        let mut remembered = self.remembered();
        remembered.fence.record(shard, changes);
        remembered.is_saved = false;
    }

    /// Notes a change that this node has made; false if it made another one with the same
    /// number. That one was lost after this one had been sent, with the floor of before it,
    /// and by numbers alone the store would look whole.
    pub(super) fn made(&self, shard: Shard, changes: Changes) -> bool {
        let mut remembered = self.remembered();
        let made = remembered.made.entry(shard).or_default();
        let is_new = !made.contains(&changes.own);
        if made.len() >= REMEMBERED {
            made.pop_front();
        }
        made.push_back(changes.own);
        if !is_new {
            remembered.fence.record_loss(shard);
            remembered.is_saved = false;
        }
        is_new
    }

    pub(super) fn adopt(&self, id: StoreId, readings: &[Reading]) {
        let mut remembered = self.remembered();
        remembered.fence.adopt(id, readings);
        remembered.made.clear();
        remembered.is_saved = false;
    }

    pub(super) fn fence(&self) -> Fence {
        self.remembered().fence.clone()
    }

    /// Writes the file if there is anything new. Waits for the disk.
    pub(super) fn save(&self) -> Result<(), FenceFileError> {
        let fence = {
            let mut remembered = self.remembered();
            if remembered.is_saved {
                return Ok(());
            }
            remembered.is_saved = true;
            remembered.fence.clone()
        };
        fence.save(&self.path).inspect_err(|_| {
            self.remembered().is_saved = false;
        })
    }

    /// The file was not written, for this reason.
    pub(super) fn not_saved(&self, error: io::Error) -> FenceFileError {
        self.remembered().is_saved = false;
        FenceFileError::Io {
            path: self.path.clone(),
            error,
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pennyblack_runtime::logging::testing::lines_of;

    use super::super::fence::NodeId;
    use super::*;

    /// Other tests write lines meanwhile: for a moment there may be no room for more causes.
    #[test]
    fn reasons_that_alternate_have_a_line_each_and_no_more() {
        let guard = Guard::new(PathBuf::new(), Fence::new(NodeId([1; 16])));
        for attempt in 0..40 {
            let lines = lines_of(|| {
                for round in 0..20 {
                    let why = ["no connection", "too late"][round % 2];
                    let why = format!("{why}, {attempt}");
                    guard.set(Some(Refusing::Unexamined(why)));
                }
            });
            assert!(lines.len() <= 2, "{lines:#?}");
            if lines.len() == 2 {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("a reason has no line");
    }
}
