//! The queues of certificates to be fetched, one for each host. Not here: which hosts may
//! be asked, and what is remembered (`repositories`).
//!
//! **No number of URLs keeps another from its turn.** The URLs come from strangers: a
//! thousand dead ones may come before a good one, or after it. There is no budget that they
//! could use up. Each host has so many requests under way at once; the next is by turns the
//! newest and the oldest of its queue, so a good one is fetched after at most twice as many
//! as stand on its shorter side. A slow host has only its own requests to slow down.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_http::{HttpClient, HttpError, HttpOptions, KeptClient, Request, RetryPolicy};
use pennyblack_stir::jws::{X5c, X5u};
use tokio::sync::watch;

use super::{MAX_FILE_SIZE, parse, refuse_private_literal};

/// Requests to one host at once.
const MAX_AT_ONCE: usize = 32;

/// Most URLs that wait for one host: two full mailboxes. Then the oldest is given up, so
/// that a host which does not answer has a bounded queue.
const MAX_QUEUE: usize = 2048;

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Before the second try.
const PAUSE: Duration = Duration::from_millis(200);

/// Why there is no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoChain {
    /// The host says that there is none, or what is there is no chain.
    Dead,
    /// It may be there another time.
    NotNow,
}

type Fetched = Result<X5c, NoChain>;

#[derive(Debug)]
struct Wanted {
    url: X5u,
    answer: watch::Sender<Option<Fetched>>,
}

#[derive(Debug, Default)]
struct Host {
    queue: VecDeque<Wanted>,
    under_way: usize,
    takes_oldest: bool,
}

impl Host {
    fn take(&mut self) -> Option<Wanted> {
        match self.takes_oldest {
            true => self.queue.pop_front(),
            false => self.queue.pop_back(),
        }
    }
}

#[derive(Debug, Default)]
struct Queues {
    hosts: HashMap<Authority, Host>,
    /// A URL that is being fetched is not fetched a second time.
    expected: HashMap<X5u, watch::Receiver<Option<Fetched>>>,
}

/// What is to be fetched, and what is being fetched.
#[derive(Debug)]
pub(super) struct Fetches {
    options: HttpOptions,
    client: Mutex<Option<KeptClient>>,
    queues: Mutex<Queues>,
    begun: AtomicU64,
}

impl Fetches {
    pub(super) fn new(http: HttpOptions) -> Self {
        Self {
            options: HttpOptions {
                public_addresses_only: true,
                timeout: http.timeout.min(TIMEOUT),
                ..http
            },
            client: Mutex::default(),
            queues: Mutex::default(),
            begun: AtomicU64::new(0),
        }
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Joins the queue of the URL's host, or those who wait for the same URL.
    pub(super) fn ask(
        fetches: &Arc<Self>,
        url: &X5u,
    ) -> impl Future<Output = Fetched> + Send + use<> {
        let mut answer = fetches.expect(url);
        async move {
            // Given up, or fetched.
            let fetched = answer.wait_for(Option::is_some).await;
            fetched.map_or(Err(NoChain::NotNow), |fetched| {
                fetched.clone().unwrap_or(Err(NoChain::NotNow))
            })
        }
    }

    fn expect(self: &Arc<Self>, url: &X5u) -> watch::Receiver<Option<Fetched>> {
        let mut queues = self.queues();
        if let Some(expected) = queues.expected.get(url) {
            return expected.clone();
        }
        let (answer, receiver) = watch::channel(None);
        queues.expected.insert(url.clone(), receiver.clone());
        let host = queues.hosts.entry(url.authority().clone()).or_default();
        host.queue.push_back(Wanted {
            url: url.clone(),
            answer,
        });
        let given_up = (host.queue.len() > MAX_QUEUE).then(|| host.queue.pop_front());
        if host.under_way < MAX_AT_ONCE {
            host.under_way += 1;
            tokio::spawn(Arc::clone(self).work_through(url.authority().clone()));
        }
        if let Some(given_up) = given_up.flatten() {
            queues.expected.remove(&given_up.url);
        }
        receiver
    }

    /// Fetches for one host until its queue is empty.
    async fn work_through(self: Arc<Self>, host: Authority) {
        while let Some(wanted) = self.next(&host) {
            let fetched = self.fetch(&wanted.url).await;
            self.queues().expected.remove(&wanted.url);
            wanted.answer.send_replace(Some(fetched));
        }
    }

    /// The next that somebody still waits for: a PASSporT that became too old does not.
    fn next(&self, authority: &Authority) -> Option<Wanted> {
        let mut queues = self.queues();
        let Queues { hosts, expected } = &mut *queues;
        let host = hosts.get_mut(authority)?;
        host.takes_oldest = !host.takes_oldest;
        while let Some(next) = host.take() {
            // One receiver is that of `expected`.
            if next.answer.receiver_count() > 1 {
                return Some(next);
            }
            expected.remove(&next.url);
        }
        host.under_way -= 1;
        if host.under_way == 0 {
            hosts.remove(authority);
        }
        None
    }

    /// A fetch that fails for a moment is tried once more: the PASSporT that needs it is
    /// looked at only once.
    async fn fetch(&self, url: &X5u) -> Fetched {
        match self.fetch_once(url).await {
            Err(NoChain::NotNow) => {
                tokio::time::sleep(PAUSE).await;
                self.fetch_once(url).await
            }
            fetched => fetched,
        }
    }

    async fn fetch_once(&self, url: &X5u) -> Fetched {
        if let Err(why) = refuse_private_literal(url) {
            tracing::info!(%url, why, "certificate not available");
            return Err(NoChain::Dead);
        }
        let request = Request::get(url.as_str().to_owned(), MAX_FILE_SIZE);
        self.begun.fetch_add(1, Ordering::Relaxed);
        let answer = match self.client() {
            Ok(client) => client.send(&request, RetryPolicy::NONE).await,
            Err(error) => Err(error),
        };
        let fetched = match answer {
            Ok(answer) => parse(&answer.body).map_err(|why| (NoChain::Dead, why)),
            Err(error @ HttpError::TimeUp { .. }) => Err((NoChain::NotNow, error.to_string())),
            Err(error) if error.is_passing() => Err((NoChain::NotNow, error.to_string())),
            Err(error) => Err((NoChain::Dead, error.to_string())),
        };
        fetched.map_err(|(no_chain, why)| {
            tracing::info!(%url, why, "certificate not available");
            no_chain
        })
    }

    /// One client for all, so that a host is not connected to again for each URL.
    fn client(&self) -> Result<HttpClient, HttpError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.current());
        }
        let made = KeptClient::open(self.options.clone())?;
        let first = made.current();
        *client = Some(made);
        Ok(first)
    }

    /// Every change is whole before anything can panic.
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_oldest_who_wait_for_a_silent_host_are_given_up() {
        // All fetches go through this proxy, which takes connections and says nothing.
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fetches = Arc::new(Fetches::new(HttpOptions {
            proxy: Some(format!("http://{}", proxy.local_addr().unwrap())),
            ..HttpOptions::default()
        }));
        let ask = |number: usize| {
            let url = format!("https://certs.example/{number}.pem");
            Fetches::ask(&fetches, &url.parse().unwrap())
        };
        let too_many = 100;
        let mut asked: Vec<_> = (0..MAX_QUEUE + too_many).map(ask).collect();
        // Nothing was taken from the queue yet: no task has run.
        for given_up in asked.drain(..too_many) {
            assert_eq!(given_up.await, Err(NoChain::NotNow));
        }
        assert_eq!(fetches.begun(), 0);
        assert_eq!(fetches.queues().expected.len(), MAX_QUEUE);
    }
    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_fetched() {
        let fetches = Arc::new(Fetches::new(HttpOptions::default()));
        let ask = |path: &str| {
            let url: X5u = format!("https://certs.example/{path}").parse().unwrap();
            (url.clone(), Fetches::ask(&fetches, &url))
        };
        let (given_up, (wanted, _waits)) = (ask("given-up.pem"), ask("wanted.pem"));
        let host = wanted.authority().clone();
        drop(given_up);
        // No task has run: the queue is as it was.
        assert_eq!(fetches.next(&host).unwrap().url, wanted);
        assert_eq!(fetches.queues().expected.len(), 1);
    }
}
