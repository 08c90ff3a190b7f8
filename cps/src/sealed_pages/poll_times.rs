//! Whether the time of an answer to a poll tells what is in the mailbox: part of the
//! conformance suite of every backend (`store::conformance`), measured from the arrival
//! of a poll to the leaving of its answer. All polls run on one thread, so that those of a
//! pair share what other programs do to it: the machine's noise is not what is asked about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::spend::{Created, RequestDigest, SpendSignature};
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::{Kem, KeyConfig, RecipientKey};
use pennyblack_sealing::sealed::slot_size;
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::answer_times::{AnswerTimes, Arrival};
use pennyblack_service::time_classifier::{Comparison, Decision};
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use tokio::task::JoinSet;

use super::SealedPages;
use crate::envelope_sealing::EnvelopeSealing;
use crate::large_answers::LargeAnswers;
use crate::store::conformance::START;
use crate::store::{Limits, Outcome, Spend, Store};

/// A mailbox of the size that operators have; entries outlive the measurement.
pub(crate) const LIMITS: Limits = Limits {
    entry_lifetime: Duration::from_secs(3_600),
    mailbox_capacity: 1_024,
};

/// Shorter than that of a CPS, so that the measurement is: more than nearly every poll
/// takes of those that are under way at one time.
const DELAY: Duration = Duration::from_millis(10);
/// Polls under way at one time.
const AT_ONCE: usize = 45;
/// The same where a leak is to be found: fewer disturb each other less.
const FEW_AT_ONCE: usize = 24;
/// Entries of a mailbox with some: the page is not full.
const SOME: usize = 9;

/// A mailbox of which somebody polls a page.
#[derive(Debug, Clone)]
struct Polled {
    recipient: KeyConfig,
    after: Cursor,
}

/// One kind of poll.
#[derive(Debug, Clone)]
struct Kind {
    name: String,
    polled: Polled,
    /// Planted: so much later its answers leave.
    leak: Duration,
}

/// Polls mailboxes and takes the time.
struct Observer<S> {
    pages: SealedPages<S>,
    /// Whether answers leave at their times, or when they are made.
    delayed: bool,
    /// Polls under way at one time.
    at_once: usize,
}

/// One measurement at a time: they disturb each other.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

/// Keeps the processor busy.
fn work_for(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}

impl<S: Store> Observer<S> {
    fn new(store: Arc<S>, delayed: bool, at_once: usize) -> Self {
        let large = Arc::new(LargeAnswers::start().unwrap());
        let cps = "cps.example".parse().unwrap();
        let sealing = EnvelopeSealing::new(cps, large);
        Self {
            pages: SealedPages { sealing, store },
            delayed,
            at_once,
        }
    }

    /// Microseconds from the arrival of a poll until its answer leaves.
    async fn time(&self, kind: Kind, begun: Instant, arrival: Arrival) -> f64 {
        let Polled { recipient, after } = kind.polled;
        let mailbox = recipient.mailbox();
        let asked = (Slots::Sixteen, after);
        let room = AnswerRoom::uncounted();
        let work = self.pages.envelope(mailbox, recipient, asked, START, &room);
        let (begun, envelope) = match self.delayed {
            true => (begun, AnswerTimes::new(DELAY).after(arrival, work).await),
            // From when its turn comes: the thread does one after the other.
            false => (Instant::now(), work.await),
        };
        let time = begun.elapsed() + kind.leak;
        assert!(envelope.is_ok(), "{:?}", envelope.err());
        time.as_secs_f64() * 1e6
    }

    /// The times of one poll of each kind, begun in random order.
    async fn round(self: Arc<Self>, kinds: Vec<Kind>) -> Vec<f64> {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        order.shuffle(&mut rand::rng());
        let mut polls = JoinSet::new();
        for at in order {
            let (observer, kind) = (Arc::clone(&self), kinds[at].clone());
            let (begun, arrival) = (Instant::now(), Arrival::now());
            polls.spawn(async move { (at, observer.time(kind, begun, arrival).await) });
        }
        let mut times = vec![0.0; kinds.len()];
        for (at, time) in polls.join_all().await {
            times[at] = time;
        }
        times
    }

    /// Polls until each kind is either alike to the first one or not: those that are not.
    async fn told_apart(self: Arc<Self>, mut kinds: Vec<Kind>) -> Vec<String> {
        let mut open: Vec<_> = vec![Comparison::default(); kinds.len()];
        let mut different = Vec::new();
        let mut rounds = JoinSet::new();
        while kinds.len() > 1 {
            while rounds.is_empty() || (rounds.len() + 1) * kinds.len() <= self.at_once {
                let round = Arc::clone(&self).round(kinds.clone());
                let names: Vec<_> = kinds.iter().map(|kind| kind.name.clone()).collect();
                rounds.spawn(async move { (names, round.await) });
            }
            let (names, times) = rounds.join_next().await.unwrap().unwrap();
            for (name, time) in names.iter().zip(&times).skip(1) {
                let Some(at) = kinds.iter().position(|kind| kind.name == *name) else {
                    continue;
                };
                let Some(decision) = open[at].push(times[0], *time) else {
                    continue;
                };
                kinds.remove(at);
                open.remove(at);
                println!("{name}: {decision}");
                if let Decision::Different(_) = decision {
                    different.push(format!("{name}: {decision}"));
                }
            }
        }
        different
    }
}

fn kind(name: &str, recipient: &KeyConfig, after: Cursor) -> Kind {
    Kind {
        name: name.to_owned(),
        polled: Polled {
            recipient: recipient.clone(),
            after,
        },
        leak: Duration::ZERO,
    }
}

/// Two empty mailboxes of a KEM: if they are told apart, the observer is wrong.
fn empty(kem: Kem) -> Vec<Kind> {
    let (one, other) = (recipient(kem), recipient(kem));
    vec![
        kind("an empty mailbox", &one, Cursor::START),
        kind("another empty mailbox", &other, Cursor::START),
    ]
}

fn recipient(kem: Kem) -> KeyConfig {
    let key = RecipientKey::generate(kem, &mut rand::rng()).unwrap();
    key.config().clone()
}

/// A mailbox of the KEM with so many entries.
pub(crate) async fn filled<S: Store>(store: &Arc<S>, kem: Kem, entries: usize) -> KeyConfig {
    let recipient = recipient(kem);
    let mut stores = JoinSet::new();
    for number in 0..u32::try_from(entries).unwrap() {
        // As ciphertexts are: no two alike, or a store that keeps equal strings once
        // has less to do.
        let mut sealed = vec![0; slot_size(kem)];
        rand::rng().fill_bytes(&mut sealed);
        let sealed = sealed.into();
        let token = (TokenKeyId([1; 32]), Nonce(rand::random()));
        let spend = Spend::unverified(token, record(number), recipient.mailbox(), sealed);
        let store = Arc::clone(store);
        stores.spawn(async move { store.spend_and_append(spend, START).await });
        if stores.len() >= 64 {
            assert_eq!(
                stores.join_next().await.unwrap().unwrap(),
                Ok(Outcome::Stored)
            );
        }
    }
    let stored = stores.join_all().await;
    assert!(stored.iter().all(|stored| *stored == Ok(Outcome::Stored)));
    recipient
}

fn record(number: u32) -> SpendRecord {
    SpendRecord {
        digest: RequestDigest::of(&number.to_be_bytes()),
        signature: SpendSignature {
            created: Created(7),
            signature: [7; 64],
        },
    }
}

/// No fill and no cursor is told from an empty mailbox, with any of these KEMs. The
/// store has [`LIMITS`].
pub(crate) async fn check<S: Store>(store: Arc<S>, kems: &[Kem]) {
    let _alone = alone().await;
    for kem in kems.iter().copied() {
        let mut kinds = empty(kem);
        let far = Cursor(u64::MAX);
        kinds.push(kind("empty, from the end", &recipient(kem), far));
        for entries in [1, SOME, LIMITS.mailbox_capacity] {
            let recipient = filled(&store, kem, entries).await;
            let name = format!("{entries} entries, from the start");
            kinds.push(kind(&name, &recipient, Cursor::START));
            let name = format!("{entries} entries, from the end");
            kinds.push(kind(&name, &recipient, far));
        }
        println!("{kem}:");
        let observer = Arc::new(Observer::new(Arc::clone(&store), true, AT_ONCE));
        let different = observer.told_apart(kinds).await;
        assert!(different.is_empty(), "{kem}: {different:#?}");
    }
}

/// What is planted.
pub(crate) mod plants {
    use super::*;
    use crate::store::{Page, StoreError, Window};
    use pennyblack_sealing::mailbox::MailboxId;

    /// Reading takes longer where there is something.
    struct SlowWhereFilled<S>(Arc<S>);

    impl<S: Store> Store for SlowWhereFilled<S> {
        async fn spend_and_append(
            &self,
            spend: Spend,
            now: UnixTime,
        ) -> Result<Outcome, StoreError> {
            self.0.spend_and_append(spend, now).await
        }

        async fn page(
            &self,
            mailbox: MailboxId,
            window: Window,
            now: UnixTime,
        ) -> Result<Page, StoreError> {
            let page = self.0.page(mailbox, window, now).await?;
            if page.entries().len() > 0 {
                work_for(Duration::from_micros(100));
            }
            Ok(page)
        }

        async fn close_epoch(&self, token_key_id: TokenKeyId) -> Result<(), StoreError> {
            self.0.close_epoch(token_key_id).await
        }

        async fn spent(&self, token_key_id: TokenKeyId) -> Result<u64, StoreError> {
            self.0.spent(token_key_id).await
        }
    }

    /// A leak of 50 µs after the answers' time is found.
    pub(crate) async fn a_late_leak_is_found<S: Store>(store: Arc<S>) {
        let _alone = alone().await;
        let observer = Arc::new(Observer::new(store, true, FEW_AT_ONCE));
        let leaking = || {
            let mut leaking = kind("leaking", &recipient(Kem::DhkemX25519), Cursor::START);
            leaking.leak = Duration::from_micros(50);
            leaking
        };
        found_alone(&observer, leaking, 1).await;
    }

    /// Only this kind, and not the control, is told apart from an empty mailbox, or none is.
    /// What else the machine does passes, a leak does not: one good try of three is enough.
    async fn found_alone<S: Store>(
        observer: &Arc<Observer<S>>,
        other: impl Fn() -> Kind,
        found: usize,
    ) {
        let mut tries = Vec::new();
        for _ in 0..3 {
            let (mut kinds, other) = (empty(Kem::DhkemX25519), other());
            let name = other.name.clone();
            kinds.push(other);
            let different = Arc::clone(observer).told_apart(kinds).await;
            let is_it = |line: &String| line.starts_with(&*name);
            if different.len() == found && different.iter().all(is_it) {
                return;
            }
            tries.push(different);
        }
        panic!("{found} to find: {tries:?}");
    }

    /// Reading that is slower where there is something is found without the delay, and
    /// not with it.
    pub(crate) async fn a_slow_read_is_found_without_the_delay_alone<S: Store>(store: Arc<S>) {
        let _alone = alone().await;
        let full = filled(&store, Kem::DhkemX25519, SOME).await;
        let store = Arc::new(SlowWhereFilled(store));
        for (delayed, found) in [(false, 1), (true, 0)] {
            let observer = Arc::new(Observer::new(Arc::clone(&store), delayed, FEW_AT_ONCE));
            let filled = || kind("filled", &full, Cursor::START);
            found_alone(&observer, filled, found).await;
        }
    }
}
