//! Clients of the nodes of a CPS, at random from a seed, that write down what they
//! asked and were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_sealing::envelope::{Cursor, Slots};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::drawing::Spendable;
use crate::history::{History, Recorder, StoreAnswer};
use crate::mailbox::Mailbox;
use crate::wait::until;
use crate::world::World;

/// Longest wait of a client for one answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// A client sends no more often than this.
const PACE: Duration = Duration::from_millis(3);
/// Longest time until everything is answered when nothing harms any more.
const SETTLED: Duration = Duration::from_secs(60);
/// After so many refusals in a row it is said what they are.
const TRIES_UNTIL_SAID: usize = 1_000;

/// One store request, to be sent as often as it takes.
#[derive(Debug)]
pub struct Request {
    token: usize,
    mailbox: usize,
    signed: SignedStoreRequest,
}

/// So many new mailboxes, known to every node.
pub async fn mailboxes(world: &World, nodes: &[SocketAddr], count: usize) -> Arc<[Mailbox]> {
    let mut mailboxes = Vec::new();
    for _ in 0..count {
        mailboxes.push(world.mailbox_at(nodes).await);
    }
    mailboxes.into()
}

/// Clients, what they hold, and what they wrote down.
pub struct Traffic {
    world: Arc<World>,
    nodes: Vec<SocketAddr>,
    client: reqwest::Client,
    mailboxes: Arc<[Mailbox]>,
    tokens: Vec<Spendable>,
    next_token: AtomicUsize,
    sent: Mutex<Vec<Arc<Request>>>,
    statuses: Mutex<BTreeMap<u16, usize>>,
    /// What the last answer said that was neither 201 nor 409.
    last_refusal: Mutex<String>,
    recorder: Recorder,
}

impl Traffic {
    /// Clients with new tokens, for mailboxes that are empty and known to every node.
    pub async fn new(
        world: &Arc<World>,
        nodes: Vec<SocketAddr>,
        mailboxes: &Arc<[Mailbox]>,
        tokens: usize,
    ) -> Arc<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        Arc::new(Self {
            tokens: world.draw(tokens).await,
            world: Arc::clone(world),
            nodes,
            client: client.build().unwrap(),
            mailboxes: Arc::clone(mailboxes),
            next_token: AtomicUsize::new(0),
            sent: Mutex::default(),
            statuses: Mutex::default(),
            last_refusal: Mutex::default(),
            recorder: Recorder::default(),
        })
    }

    /// Lets `clients` of them loose until `disturbance` has ended.
    pub async fn during<T>(
        self: &Arc<Self>,
        clients: u64,
        seed: u64,
        disturbance: impl Future<Output = T>,
    ) -> T {
        let (over, is_over) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(client));
            tasks.spawn(Arc::clone(self).client(rng, is_over.clone()));
        }
        let done = disturbance.await;
        over.send_replace(true);
        tasks.join_all().await;
        done
    }

    /// With nothing harming any more: every request is sent until its fate is known,
    /// each token is tried on something else, and every mailbox is read at every
    /// node, then until it is empty.
    ///
    /// # Panics
    /// When a request gets no answer but refusals, or an entry outlives `lifetime` by
    /// too much.
    pub async fn settle(&self, lifetime: Duration) {
        let sent = self.sent().clone();
        for request in &sent {
            self.until_known(request).await;
        }
        self.read_everywhere().await;
        let spent = self.next_token.load(Ordering::Relaxed);
        for token in 0..spent.min(self.tokens.len()) {
            let other = self.request(token, 0);
            self.until_known(&other).await;
        }
        for mailbox in 0..self.mailboxes.len() {
            until("an empty mailbox", lifetime + SETTLED, async || {
                let entries = self.read(mailbox, self.nodes[0]).await?;
                (entries == 0).then_some(())
            })
            .await;
        }
        self.read_everywhere().await;
    }

    /// The answers to tries of each token so far on something else, at every node.
    pub async fn statuses_of_double_spends(&self) -> BTreeSet<u16> {
        let before = self.statuses();
        let sent = self.sent().clone();
        for first in &sent {
            let other = self.request(first.token, first.mailbox);
            for node in &self.nodes {
                self.send(&other, *node).await;
            }
        }
        let mut statuses = self.statuses();
        statuses.retain(|status, count| before.get(status) != Some(count));
        statuses.into_keys().collect()
    }

    /// The time, as the history has it.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.recorder.now()
    }

    /// Does something that makes the store lose what it has, but for what was
    /// acknowledged before `safe_before`, and writes down when.
    pub async fn losing<T>(&self, safe_before: Duration, loss: impl Future<Output = T>) -> T {
        let begun = self.recorder.now();
        let done = loss.await;
        self.recorder.lost(safe_before, begun);
        done
    }

    /// What was written down.
    #[must_use]
    pub fn history(&self) -> History {
        self.recorder.history()
    }

    /// How many answers to store requests had which status; 0 for none at all.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        let statuses = self.statuses.lock();
        statuses.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn client(self: Arc<Self>, mut rng: StdRng, is_over: watch::Receiver<bool>) {
        let mut pace = tokio::time::interval(PACE);
        while !*is_over.borrow() {
            pace.tick().await;
            let node = *self.nodes.choose(&mut rng).unwrap();
            let mailbox = rng.random_range(0..self.mailboxes.len());
            let earlier = self.sent().choose(&mut rng).cloned();
            match (rng.random_range(0..10), earlier) {
                (0..5, _) => {
                    let token = self.next_token.fetch_add(1, Ordering::Relaxed);
                    if token < self.tokens.len() {
                        self.send_new(token, mailbox, node).await;
                    }
                }
                (5, Some(earlier)) => {
                    self.send(&earlier, node).await;
                }
                (6, Some(earlier)) => self.send_new(earlier.token, mailbox, node).await,
                _ => {
                    self.read(mailbox, node).await;
                }
            }
        }
    }

    async fn until_known(&self, request: &Request) {
        let mut nodes = self.nodes.iter().cycle();
        let mut tries = 0;
        until("a request's fate", SETTLED, async || {
            let answer = self.send(request, *nodes.next()?).await;
            tries += 1;
            if tries % TRIES_UNTIL_SAID == 0 {
                let said = self.last_refusal.lock();
                let said = said.unwrap_or_else(PoisonError::into_inner);
                eprintln!("after {tries} tries: {said}");
            }
            (answer != StoreAnswer::Unknown).then_some(())
        })
        .await;
    }

    async fn read_everywhere(&self) {
        for mailbox in 0..self.mailboxes.len() {
            for node in &self.nodes {
                until("a mailbox to be read", SETTLED, async || {
                    self.read(mailbox, *node).await
                })
                .await;
            }
        }
    }

    /// A request to spend one of the tokens on an entry for one of the mailboxes. No
    /// two are the same.
    #[must_use]
    pub fn request(&self, token: usize, mailbox: usize) -> Request {
        let (spendable, recipient) = (&self.tokens[token], &self.mailboxes[mailbox]);
        // What is sealed is different every time, whatever is in it.
        let signed = self.world.spend(spendable, recipient, "one.passport.x");
        Request {
            token,
            mailbox,
            signed,
        }
    }

    async fn send_new(&self, token: usize, mailbox: usize, node: SocketAddr) {
        let request = Arc::new(self.request(token, mailbox));
        self.sent().push(Arc::clone(&request));
        self.send(&request, node).await;
    }

    /// Sends a request to a node.
    pub async fn send(&self, request: &Request, node: SocketAddr) -> StoreAnswer {
        let mut post = self.client.post(format!("http://{node}{STORE_PATH}"));
        for (name, value) in request.signed.headers() {
            post = post.header(name, value);
        }
        let begun = self.recorder.now();
        let answer = Answer::to(post.body(request.signed.body().to_vec())).await;
        if answer.as_ref().is_err_and(reqwest::Error::is_connect) {
            // It never left.
            return StoreAnswer::Unknown;
        }
        let (status, said) = match &answer {
            Ok(answer) => (answer.status.as_u16(), answer.text()),
            Err(error) => (0, error.to_string()),
        };
        let answer = match StatusCode::from_u16(status) {
            Ok(StatusCode::CREATED) => StoreAnswer::Accepted,
            Ok(StatusCode::CONFLICT) => StoreAnswer::Conflict,
            _ => StoreAnswer::Unknown,
        };
        let token = self.tokens[request.token].token.nonce;
        let mailbox = self.mailboxes[request.mailbox].id();
        let sealed = &request.signed.body()[mailbox.0.len()..];
        self.recorder.stored(begun, token, mailbox, sealed, answer);
        if answer == StoreAnswer::Unknown {
            *self
                .last_refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = said;
        }
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        *statuses.entry(status).or_default() += 1;
        answer
    }

    /// Reads a mailbox to its end; how many entries were in it, if it could be read.
    pub async fn read(&self, mailbox: usize, node: SocketAddr) -> Option<usize> {
        let mailbox = &self.mailboxes[mailbox];
        let (mut entries, mut after, slots) = (Vec::new(), Cursor::START, Slots::SixtyFour);
        let begun = self.recorder.now();
        loop {
            let id = mailbox.id();
            let path = format!("/v1/mailboxes/{id}?slots={slots}&after={after}");
            let get = self.client.get(format!("http://{node}{path}"));
            let answer = Answer::to(get).await.ok()?;
            if answer.status != StatusCode::OK {
                return None;
            }
            let page = mailbox.open(self.world.cps_name(), &answer.body);
            entries.extend(page.entries().map(<[u8]>::to_vec));
            after = page.header().next;
            if !page.header().more {
                break;
            }
        }
        let found = entries.iter().map(Vec::as_slice);
        self.recorder.retrieved(begun, mailbox.id(), found);
        Some(entries.len())
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Arc<Request>>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
