//! How a signed store request reaches its CPS: the seam for a relay, and for tests. Not
//! here: making the request, and what its answer means (`delivery`).

use std::pin::Pin;

use pennyblack_http::{
    Answer, ClockGap, FreshClients, HttpClient, HttpError, HttpOptions, KeptFreshClients,
    RetryPolicy, RouteError,
};

use crate::wallet::{AllowedWays, StoreCall};

/// What became of a request.
#[derive(Debug)]
pub struct SentStore {
    /// Answered with 201, or the last failure.
    pub outcome: Result<(), HttpError>,
    /// How far this machine's clock is from the CPS's, if that is far.
    pub clock_gap: Option<ClockGap>,
}

/// A request on its way.
pub type SendingStore<'a> = Pin<Box<dyn Future<Output = SentStore> + Send + 'a>>;

/// Sends store requests. **Nothing may link two of them**: neither a connection nor a TLS
/// session, nor an order in which they leave.
pub trait StoreTransport: Send + Sync {
    /// Sends `call` until there is an answer to go by, or no try is left.
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a>;

    /// Whether a request to `url` could leave now: **nothing is spent on one that could not**.
    ///
    /// # Errors
    /// [`RouteError`].
    fn check(&self, url: &str) -> Result<(), RouteError>;

    /// By which ways it sends, at worst.
    fn ways(&self) -> AllowedWays;
}

/// A client for each request, which reads the CAs anew.
impl StoreTransport for HttpOptions {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        Box::pin(send_by(self.client(), call, retry))
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.check_way(url)
    }

    fn ways(&self) -> AllowedWays {
        ways(self.allows_direct())
    }
}

/// A client for each request, for services that send many and run on when CAs are renewed.
impl StoreTransport for KeptFreshClients {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        Box::pin(send_by(self.current().client(), call, retry))
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.current().check_way(url)
    }

    fn ways(&self) -> AllowedWays {
        ways(self.current().allows_direct())
    }
}

/// A client for each request, for services that send many.
impl StoreTransport for FreshClients {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        Box::pin(send_by(self.client(), call, retry))
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.check_way(url)
    }

    fn ways(&self) -> AllowedWays {
        ways(self.allows_direct())
    }
}

const fn ways(allows_direct: bool) -> AllowedWays {
    match allows_direct {
        true => AllowedWays::All,
        false => AllowedWays::RelaysOnly,
    }
}

async fn send_by(
    client: Result<HttpClient, HttpError>,
    call: &StoreCall,
    retry: RetryPolicy,
) -> SentStore {
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            return SentStore {
                outcome: Err(error),
                clock_gap: None,
            };
        }
    };
    let answer = client.send(&call.request(), retry).await;
    // A page of a proxy on the way has stored nothing.
    let outcome = answer.and_then(Answer::expect_created);
    SentStore {
        outcome: outcome.map(drop),
        clock_gap: client.clock_gap(),
    }
}
