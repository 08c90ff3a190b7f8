//! The store by itself, without requests around it: open in a directory of its own,
//! and filled with spends as quickly as it takes them.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_cps::store::embedded::EmbeddedStore;
use pennyblack_cps::store::{Limits, Outcome, Spend, Store as _, Window};
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::spend::{Created, RequestDigest, SpendSignature};
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_sealing::envelope::Cursor;
use pennyblack_sealing::mailbox::MailboxId;

/// Spends that wait at the same time, and so are in one commit.
pub const GROUP: usize = 64;
/// The same where only what comes of it counts.
const LARGE_GROUP: usize = 1_024;
/// How long an entry lives here.
pub const LIFETIME: Duration = Duration::from_secs(60);
/// The key epoch that tokens are of, unless something else is said.
pub const EPOCH: TokenKeyId = TokenKeyId([1; 32]);
/// Tokens spent in a second of the store's clock while it is filled.
const STEP: u64 = 20_000;

/// Opens the store in a directory of its own.
#[must_use]
pub fn open(directory: &Path, clock: &Clock) -> EmbeddedStore {
    let limits = Limits {
        entry_lifetime: LIFETIME,
        mailbox_capacity: usize::MAX,
    };
    let clock = clock.clone();
    EmbeddedStore::open(directory, limits, Arc::new(move || clock.now())).unwrap()
}

/// The spend of token number `token` on an entry of so many bytes.
#[must_use]
pub fn spend(token: u64, entry: usize, clock: &Clock) -> Spend {
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&token.to_be_bytes());
    let created = Created::rounded(clock.now()).unwrap();
    let record = SpendRecord {
        digest: RequestDigest([2; 32]),
        signature: SpendSignature {
            created,
            signature: [3; 64],
        },
    };
    let (token, mailbox) = ((EPOCH, Nonce(nonce)), mailbox(token % 251));
    Spend::unverified(token, record, mailbox, vec![4; entry].into())
}

/// So many entries after a cursor, each of so many bytes.
#[must_use]
pub const fn window(after: Cursor, max: usize, entry: usize) -> Window {
    Window {
        after,
        max,
        slot_size: entry,
    }
}

/// Mailbox number `number`.
#[must_use]
pub fn mailbox(number: u64) -> MailboxId {
    let mut id = [5; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    MailboxId(id)
}

/// Stores `count` spends, `group` at the same time, and returns how long that took
/// and how long each waited. `spend` makes them by their number, from 0.
pub fn spend_all(
    store: &EmbeddedStore,
    clock: &Clock,
    group: usize,
    count: u64,
    spend: impl Fn(u64) -> Spend,
) -> (Duration, Vec<Duration>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let sender = async |sender: usize| {
        let mut took = Vec::new();
        for number in (sender as u64..count).step_by(group) {
            let spend = spend(number);
            let start = Instant::now();
            let outcome = store.spend_and_append(spend, clock.now()).await.unwrap();
            took.push(start.elapsed());
            assert_eq!(outcome, Outcome::Stored);
        }
        took
    };
    let start = Instant::now();
    let senders = futures_util::future::join_all((0..group).map(sender));
    let took = runtime.block_on(senders).concat();
    (start.elapsed(), took)
}

/// A store whose clock is moved by hand, so that a minute need not be waited for.
pub struct Filling {
    /// The store.
    pub store: EmbeddedStore,
    /// What it calls now.
    pub clock: Clock,
    hand: ClockHand,
    directory: PathBuf,
    /// Spends that are archived when all are.
    spends: Cell<u64>,
}

impl Filling {
    /// Opens the store of a directory.
    #[must_use]
    pub fn open(directory: &Path) -> Self {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        Self {
            store: open(directory, &clock),
            clock,
            hand,
            directory: directory.to_owned(),
            spends: Cell::new(archived(directory)),
        }
    }

    /// Stores `count` spends as quickly as can be.
    pub fn fill(&self, count: u64, spend: impl Fn(u64) -> Spend) {
        self.spend_in_groups(LARGE_GROUP, count, spend);
    }

    /// Stores `count` spends, [`GROUP`] at the same time, and returns how long each
    /// waited.
    pub fn spend(&self, count: u64, spend: impl Fn(u64) -> Spend) -> Vec<Duration> {
        self.spend_in_groups(GROUP, count, spend)
    }

    /// So many in a second of the clock.
    fn spend_in_groups(
        &self,
        group: usize,
        count: u64,
        spend: impl Fn(u64) -> Spend,
    ) -> Vec<Duration> {
        let mut waits = Vec::new();
        for first in (0..count).step_by(STEP as usize) {
            let some = STEP.min(count - first);
            let (_, took) = spend_all(&self.store, &self.clock, group, some, |number| {
                spend(first + number)
            });
            waits.extend(took);
            self.spends.update(|spends| spends + some);
            self.hand.advance(Duration::from_secs(1));
        }
        waits
    }

    /// So many spends are gone, with the epoch that they were of.
    pub fn forget(&self, spends: u64) {
        self.spends.update(|all| all - spends);
    }

    /// Lets every entry die, and waits until all spends are archived and nothing is left
    /// of the journal but its newest segment and those made ahead: one for the next,
    /// and perhaps one that was not ready in time.
    pub fn settle(&self) {
        self.hand.advance(2 * LIFETIME);
        let settled = || {
            let segments = names(&self.directory).filter(|name| name.starts_with("journal"));
            archived(&self.directory) >= self.spends.get() && segments.count() <= 3
        };
        while !settled() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Bytes of a spend in an archive, its checksum included.
const ARCHIVED_SIZE: u64 = 136;

/// How many spends are in the archives of a store's directory.
fn archived(directory: &Path) -> u64 {
    let archives = names(directory).filter(|name| name.starts_with("spends-"));
    let size = |name| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    archives.map(|name| size(name) / ARCHIVED_SIZE).sum()
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    files.map(|file| file.file_name().into_string().unwrap())
}
